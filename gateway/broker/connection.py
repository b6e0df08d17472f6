"""A connection that is always there or on its way back: opened, watched and opened again by one task of ours.

Strategy: the library's robust connection restores objects behind our back, waits without end while it is down
and keeps `asyncio.run` from ending. So each `Wire` is used once, and this supervisor opens the next: connect,
declare, be up, wait for the end, back off. Who needs the connection asks for it (`wire`, `channel`) and gets
an answer at once: it is there, or BrokerDown with the reason.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from yarl import URL

from gateway.telemetry import logs

from .topology import Topology, declare
from .wire import BrokerDown, Wire, bounded, explain, look

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from aiormq.abc import AbstractChannel

    from .topology import Difference

HEARTBEAT_SECONDS: Final = 10
CLOSE_WITHIN: Final = 5.0
_DECLARE_WITHIN: Final = 15.0
_LOOK_EVERY: Final = 0.2
_FIRST_BACKOFF: Final = 0.2
_LAST_BACKOFF: Final = 5.0
_REDECLARE_EVERY: Final = 1.0

log = logs.get(__name__)


class State(StrEnum):
    """`up` can publish; `blocked` is connected to a broker that accepts nothing (memory or disk alarm)."""

    DOWN = "down"
    UP = "up"
    BLOCKED = "blocked"


class Connection:
    """One supervised connection to RabbitMQ.

    `url` is amqp:// or amqps://, `name` is shown in the broker's management, `topology` is declared on every
    (re)connection, None declares nothing. Never gives up; `close` ends within 5 seconds in any state.
    """

    def __init__(self, url: str, name: str, topology: Topology | None = None) -> None:
        self._url = _with_heartbeat(url)
        self._name = name
        self._topology = topology
        self._wire: Wire | None = None
        self._up = asyncio.Event()
        self._supervisor: asyncio.Task[None] | None = None
        self._redeclaring: asyncio.Task[None] | None = None
        self._redeclare_at = 0.0
        self._reason = "not started"
        self.differences: tuple[Difference, ...] = ()

    @property
    def address(self) -> str:
        """Host, port and virtual host: what may be shown."""
        return f"{self._url.host}:{self._url.port or 5672}{self._url.path or '/'}"

    @property
    def state(self) -> State:
        """What the connection can do at this moment."""
        if self._wire is None or self._wire.ended:
            return State.DOWN
        return State.BLOCKED if self._wire.blocked else State.UP

    @property
    def reason(self) -> str:
        """Why the connection is not up, in words; empty when it is."""
        match self.state:
            case State.UP:
                return ""
            case State.BLOCKED:
                return "blocked by the broker (memory or disk alarm)"
        return self._wire.why_ended if self._wire else self._reason

    def wire(self) -> Wire:
        """Give the connection in use; BrokerDown if there is none."""
        if self._wire is None or self._wire.ended:
            raise BrokerDown(self.reason)
        return self._wire

    async def channel(self) -> AbstractChannel:
        """Open a channel on the connection in use; BrokerDown if that fails."""
        try:
            return await self.wire().channel()
        except BrokerDown:
            raise
        except Exception as error:
            raise BrokerDown(explain(error)) from error

    async def wait_up(self, within: float) -> None:
        """Wait until there is a connection; BrokerDown after `within` seconds without."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while self.state is State.DOWN:
                    await self._up.wait()
                    await asyncio.sleep(0)  # the supervisor takes the flag down as soon as it runs
        self.wire()

    def reset(self, reason: str) -> None:
        """Drop a connection that looks alive and does not work; the next one is opened at once."""
        if self._wire is not None and not self._wire.ended:
            log.warning("broker.reset", connection=self._name, reason=reason)
            self._wire.cut(reason)

    async def start(self) -> None:
        """Begin connecting, and return: `wait_up` tells when it has come about."""
        if self._supervisor is None:
            self._reason = "connecting"
            self._supervisor = asyncio.create_task(self._supervise(), name=f"broker {self._name}")

    async def close(self) -> None:
        """End for good, politely where the broker answers; within 5 seconds in any state."""
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is not None:
            supervisor.cancel()
            await asyncio.wait({supervisor}, timeout=CLOSE_WITHIN)

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        await self.close()

    async def _supervise(self) -> None:
        backoff = _FIRST_BACKOFF
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await self._one_connection()
            except BrokerDown as down:
                self._reason = down.reason
                log.warning("broker.unreachable", connection=self._name, broker=self.address, reason=down.reason)
            if asyncio.get_running_loop().time() - began > _LAST_BACKOFF:
                backoff = _FIRST_BACKOFF
            await asyncio.sleep(backoff * random.uniform(0.5, 1.0))  # noqa: S311 - spreads reconnects, keeps no secret
            backoff = min(backoff * 2, _LAST_BACKOFF)

    async def _one_connection(self) -> None:
        wire = await Wire.open(self._url, self._name)
        try:
            await self._declare(wire)
            self._wire = wire
            self._up.set()
            log.info("broker.connected", connection=self._name, broker=self.address)
            await self._watch(wire)
            log.warning("broker.lost", connection=self._name, broker=self.address, reason=wire.why_ended)
            self._reason = wire.why_ended
        except asyncio.CancelledError:
            self._reason = "closed"
            raise
        finally:
            self._wire = None
            self._up.clear()
            await wire.close()

    def declares(self, exchange: str) -> bool:
        """Whether `exchange` is of the topology."""
        return self._topology is not None and any(each.name == exchange for each in self._topology.exchanges)

    async def redeclare(self) -> None:
        """Declare the topology again, where an object of it has gone; BrokerDown if that cannot be done.

        Once a second: whoever asks meanwhile gets what came of the last time.
        """
        now = asyncio.get_running_loop().time()
        if self._redeclaring is None or (self._redeclaring.done() and now >= self._redeclare_at):
            self._redeclare_at = now + _REDECLARE_EVERY
            self._redeclaring = asyncio.create_task(self._declare(self.wire()))
            self._redeclaring.add_done_callback(look)
        await asyncio.shield(self._redeclaring)

    async def _declare(self, wire: Wire) -> None:
        if self._topology is None:
            return
        try:
            self.differences = tuple(await bounded(declare(wire.channel, self._topology), _DECLARE_WITHIN))
        except Exception as error:
            raise BrokerDown(f"the topology could not be declared: {explain(error)}") from error
        for each in self.differences:
            log.error("topology.differs", connection=self._name, **each._asdict())

    async def _watch(self, wire: Wire) -> None:
        """Wait for the end, and say when the broker blocks us and when it is over."""
        blocked = False
        while not await wire.wait_ended(_LOOK_EVERY):
            if wire.blocked is not blocked:
                blocked = not blocked
                log.warning("broker.blocked" if blocked else "broker.unblocked", connection=self._name)


def _with_heartbeat(url: str) -> URL:
    try:
        parsed = URL(url)
        usable = parsed.scheme in {"amqp", "amqps"} and parsed.host and parsed.port != 0
    except ValueError:
        usable = False
    if not usable:  # the cause is not chained: its text may hold a piece of the password
        raise ValueError("the broker's URL must read amqp://user:password@host:port/vhost, or amqps://")
    return parsed if "heartbeat" in parsed.query else parsed.update_query(heartbeat=HEARTBEAT_SECONDS)
