"""Steady load: callbacks that are sent until they are acknowledged, some of them after that too; commands, some twice.

Strategy: HTTP by hand, so that the time is taken from the last byte sent to the last byte received and little is spent
on the client, which shares the machine with all the rest.
"""

import asyncio
import contextlib
import heapq
import re
import secrets
from collections import Counter
from datetime import UTC, datetime
from random import Random

from gateway import mm7
from gateway.tools.simulator import PROFILES, Form, Mo, Outbound, Report, sunset
from gateway.tools.simulator.sender import judge
from gateway.tools.simulator.wire import Callback
from tests.soak.accounts import Post
from tests.soak.scene import Scene

PATIENCE_SECONDS = 10.0
AGAIN_SECONDS = (0.2, 1.5)
AT_ONCE = 150
REPEATED, DOUBLED = 0.1, 0.15  # of callbacks after their acknowledgement, of commands
PICTURES = tuple(sunset(width, 200) for width in (16, 320, 640))
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_TYPE = re.compile(rb"\r\ncontent-type: *([^\r]+)", re.IGNORECASE)


class Load:
    """`posts` is every POST that was made; `reported`: MessageIDs of reports → the command that they report on."""

    def __init__(self, scene: Scene) -> None:
        self.posts: list[Post] = []
        self.acknowledged: set[str] = set()
        self.statuses: Counter[str] = Counter()
        self.repeated = 0
        self.doubled = 0
        self.in_flight = 0
        self.reported: dict[str, str] = {}
        self._accounts: dict[str, str] = {}  # of commands
        self._scene = scene
        self._dice = Random(f"{scene.options.seed} load")

    async def callbacks(self, ending: asyncio.Event) -> None:
        """Send new ones until `ending`; returns when the last is acknowledged."""
        now = asyncio.get_running_loop().time
        due = now()
        async with asyncio.TaskGroup() as tasks:
            while not ending.is_set():
                if self.in_flight < AT_ONCE:
                    self.in_flight += 1
                    tasks.create_task(self._deliver(*self._message()))
                due = max(due + 1 / self._scene.options.callbacks_per_second, now() - 0.5)
                await asyncio.sleep(max(0.0, due - now()))

    def _message(self) -> tuple[Outbound, str]:
        """A new callback and its account; some are reports on what the provider has taken."""
        identity, at, dice = secrets.token_hex(8), datetime.now(UTC), self._dice.random()
        account = self._dice.choice(self._scene.stage.accounts)
        if dice < 0.35:
            accepted = self._scene.stage.provider.accepted
            message_id = identity
            if accepted and dice < 0.2:
                command = self._dice.choice(list(accepted)[-200:])
                account, message_id, self.reported[identity] = self._accounts[command], f"m-{command}", command
            return Report(transaction_id=identity, message_id=message_id, at=at), account
        picture = mm7.Part(content_type="image/png", data=self._dice.choice(PICTURES) + identity.encode())
        attached = (picture,) if dice < 0.55 else ()
        text = f"callback {identity}"
        return Mo(transaction_id=identity, linked_id=identity, at=at, text=text, attachments=attached), account

    async def _deliver(self, message: Outbound, account: str) -> None:
        try:
            while not (await self._post(message, account)).acknowledged:
                await asyncio.sleep(self._dice.uniform(*AGAIN_SECONDS))
            self.acknowledged.add(message.transaction_id)
        finally:
            self.in_flight -= 1
        if self._dice.random() < REPEATED:
            await asyncio.sleep(self._dice.uniform(0.0, 5.0))
            self.repeated += 1
            await self._post(message, account)

    async def _post(self, message: Outbound, account: str) -> Post:
        """POST once, to any receiver: a balancer before them would do the same."""
        receiver = self._dice.choice(self._scene.receivers).name
        written = PROFILES["generic"].write(message, Form())
        now = asyncio.get_running_loop().time
        sent: list[float] = []
        status, acknowledged = None, False
        with contextlib.suppress(TimeoutError, OSError, asyncio.IncompleteReadError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                head, body = await self._exchange(written, account, self._scene.ports[receiver], sent)
            status = int(head.split(maxsplit=2)[1])
            kind = _TYPE.search(head)
            acknowledged = judge(
                message,
                written,
                http_status=status,
                content_type=kind[1].decode() if kind else None,
                body=body,
                empty_accepted=False,
            ).accepted
        post = Post(message.transaction_id, receiver, sent[0] if sent else None, now(), status, acknowledged)
        self.statuses[str(status) if sent else "no connection"] += 1
        self.posts.append(post)
        return post

    async def _exchange(self, written: Callback, account: str, port: int, sent: list[float]) -> tuple[bytes, bytes]:
        """(head, body) of the answer; `sent` gets the time when the body was out."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            headers = written.headers | {
                "Host": "127.0.0.1",
                "Content-Length": len(written.body),
                "Connection": "close",
            }
            lines = [f"POST /mm7/{account} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
            writer.write("\r\n".join(lines).encode() + written.body)
            await writer.drain()
            sent.append(asyncio.get_running_loop().time())
            head = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            return head, await reader.readexactly(int(length[1]) if length else 0)
        finally:
            writer.transport.abort()

    async def commands(self, ending: asyncio.Event) -> None:
        """Publish new ones, and some of them again after a moment, until `ending` and all are confirmed."""
        now = asyncio.get_running_loop().time
        again: list[tuple[float, str, str, dict[str, object]]] = []
        pause = 1 / self._scene.options.commands_per_second
        while not ending.is_set() or again:
            if again and (ending.is_set() or again[0][0] <= now()):
                _, identity, account, more = heapq.heappop(again)
                self.doubled += 1
            else:
                identity, account = f"c-{secrets.token_hex(8)}", self._dice.choice(self._scene.stage.accounts)
                more = self._dice.choices([{}, {"to": []}, {"not_after": "2020-01-01T00:00:00Z"}], [96, 2, 2])[0]
                if self._dice.random() < DOUBLED:
                    due = now() + self._dice.choice((0.0, 0.05, 1.0, 5.0))
                    heapq.heappush(again, (due, identity, account, more))
            self._accounts[identity] = account
            await self._scene.stage.orderer.order(identity, account, **more)
            await asyncio.sleep(pause)
