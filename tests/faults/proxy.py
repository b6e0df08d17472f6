"""A TCP proxy for the way between two programs, and what can go wrong on it.

    async with Proxy(node.port) as proxy:      # or Proxy(first, second, third): the first that answers, as in HAProxy
        program(AMQP_URL=proxy.amqp_url)
        proxy.black_hole("down")

Strategy: each connection is two pipes, up (to the server) and down (to the client). A fault is a state of the ways that
every pipe looks at before each piece it passes on; `heal` puts the state back and wakes them. Bytes held back in a
black hole go on after it, as TCP's own resends would make them.
"""

import asyncio
import contextlib
import socket
import struct
from types import TracebackType
from typing import Literal, Self

Way = Literal["up", "down"]
WAYS: tuple[Way, Way] = ("up", "down")
PIECE_BYTES = 64 * 1024
TICK_SECONDS = 0.05
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Proxy:
    """Listens on `port` of 127.0.0.1 (0: any free one) and passes on to the first of `targets` that answers."""

    def __init__(self, *targets: int, port: int = 0) -> None:
        self.targets = targets
        self.port = port
        self.connections = 0  # ever opened
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.Task[None], list[asyncio.StreamWriter]] = {}
        self._held: set[Way] = set()
        self._refusing = False
        self._bytes_per_second = 0.0
        self._changed = asyncio.Event()

    @property
    def amqp_url(self) -> str:
        """Of the broker behind it."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    @property
    def redis_url(self) -> str:
        """Of the Redis behind it."""
        return f"redis://127.0.0.1:{self.port}/0"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def heal(self) -> None:
        """Back to normal. What was held back goes on."""
        self._held, self._refusing, self._bytes_per_second = set(), False, 0.0
        self._wake()

    def cut(self, *, refuse: bool = False) -> None:
        """Reset every connection; with `refuse` each new one too, until it heals."""
        self._refusing = refuse
        for writers in self._open.values():
            for writer in writers:
                _reset(writer)

    def black_hole(self, *ways: Way) -> None:
        """Pass nothing on, one way or (by default) both; connections stay, and new ones are accepted."""
        self._held = set(ways or WAYS)

    def half_open(self) -> None:
        """The servers' ends of the connections are reset; the clients' stay open, and nothing answers on them."""
        self.black_hole()
        for _client, *server in self._open.values():
            for writer in server:
                _reset(writer)

    def half_close(self, way: Way) -> None:
        """Close one way of each connection (FIN), and keep the other open."""
        for writers in self._open.values():
            if len(writers) == len(WAYS):
                client, server = writers
                with contextlib.suppress(OSError, RuntimeError):
                    (server if way == "up" else client).write_eof()

    def slow(self, bytes_per_second: float) -> None:
        """Pass on no more than this, on each way of each connection."""
        self._bytes_per_second = bytes_per_second

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _serve(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        writers = self._open[task] = [client]
        self.connections += 1
        try:
            if self._refusing:
                return _reset(client)
            # Bytes of a client that has gone must not go on for ever: a pipe that breaks ends the other one.
            async with asyncio.TaskGroup() as pipes:
                up = await self._connect()
                if up is None:
                    return _reset(client)
                writers.append(up[1])
                pipes.create_task(self._pipe("up", reader, up[1]))
                pipes.create_task(self._pipe("down", up[0], client))
        except* (OSError, asyncio.CancelledError):
            pass
        finally:
            for writer in writers:
                _reset(writer)
            del self._open[task]

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        for port in self.targets:
            with contextlib.suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", port)
        return None

    async def _let_through(self, way: Way) -> None:
        while way in self._held:
            await self._changed.wait()

    async def _pipe(self, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(PIECE_BYTES):
            while data:
                await self._let_through(way)
                slow = self._bytes_per_second
                piece = data[: max(1, int(slow * TICK_SECONDS))] if slow else data
                data = data[len(piece) :]
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(len(piece) / slow if slow else 0)
        await self._let_through(way)
        if writer.can_write_eof():
            writer.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close as a power cut would: what is under way is lost, and the peer sees a reset."""
    sock: socket.socket | None = writer.get_extra_info("socket")
    if sock is not None and not writer.is_closing():
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()
