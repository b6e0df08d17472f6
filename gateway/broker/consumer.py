"""Consuming a queue for as long as the process lives, whatever happens to channels and connections.

Strategy: each delivery is worked on in a task of ours, so the work outlives its channel, and an
acknowledgement that comes too late is only told so. One loop keeps a subscription: it opens one, waits for
its end and opens the next, at first at once, then more slowly. A delivery whose handler crashed stays
unacknowledged for a pause; then the subscription is replaced by a new one, and the old channel is closed when
its other work is done. So the broker delivers the message again and counts it, up to its delivery limit, and
meanwhile the others are not held up.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from aiormq.exceptions import ChannelNotFoundEntity

from gateway.telemetry import logs

from .subscription import Subscription
from .wire import BrokerDown, explain

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiormq.abc import AbstractChannel

    from .connection import Connection
    from .message import Delivery
    from .subscription import Prepare

_FIRST_BACKOFF: Final = 0.2
_LAST_BACKOFF: Final = 5.0
_LAST_WORDS: Final = 1.0
_LONG: Final = 3600.0

log = logs.get(__name__)


class Consumer:
    """Gives every delivery of `queue` to `handle`, at most `prefetch` at a time.

    `handle` acknowledges. If it raises, or returns without acknowledging, the message is delivered again
    about `crash_pause` seconds later. `look_every`: seconds between two looks for messages that are there and
    do not come; at the second in vain the connection is opened anew.
    """

    def __init__(
        self,
        connection: Connection,
        queue: str | Prepare,
        prefetch: int,
        handle: Callable[[Delivery], Awaitable[None]],
        *,
        crash_pause: float = 10.0,
        look_every: float = 15.0,
    ) -> None:
        self._connection = connection
        self._prepare = _named(queue) if isinstance(queue, str) else queue
        self._name = queue if isinstance(queue, str) else "(temporary)"
        self._prefetch = prefetch
        self._handle = handle
        self._crash_pause = crash_pause
        self._look_every = look_every
        self._slots = asyncio.Semaphore(prefetch)
        self._subscription: Subscription | None = None
        self._subscribed = asyncio.Event()
        self._work: dict[asyncio.Task[None], Subscription] = {}
        self._retiring: set[asyncio.Task[None]] = set()
        self._loop: asyncio.Task[None] | None = None

    @property
    def in_flight(self) -> int:
        """How many deliveries are being worked on."""
        return len(self._work)

    @property
    def queue(self) -> str:
        """The queue that is consumed at this moment; empty if none is."""
        return self._subscription.queue if self._subscription and self._subscribed.is_set() else ""

    async def wait_subscribed(self, within: float) -> None:
        """Wait until deliveries can come; BrokerDown after `within` seconds without."""
        try:
            async with asyncio.timeout(within):
                await self._subscribed.wait()
        except TimeoutError as error:
            raise BrokerDown(self._connection.reason or "not subscribed") from error

    async def start(self) -> None:
        """Begin, and go on until `stop`."""
        if self._loop is None:
            self._loop = asyncio.create_task(self._keep_subscribed(), name="consumer")

    async def stop(self, grace: float) -> None:
        """Take no more, give the work at hand `grace` seconds, cancel the rest: it is delivered again."""
        loop, self._loop = self._loop, None
        if loop is not None:
            loop.cancel()
            await asyncio.wait({loop})
        self._subscribed.clear()
        if self._subscription is not None:
            await self._subscription.cancel()
        if self._work:
            await asyncio.wait(self._work, timeout=grace)
        for task in (*self._work, *self._retiring):
            task.cancel()
        if self._work:
            await asyncio.wait(self._work, timeout=_LAST_WORDS)
        if self._subscription is not None:
            self._subscription.close()

    async def _keep_subscribed(self) -> None:
        backoff = _FIRST_BACKOFF
        clock = asyncio.get_running_loop().time
        while True:
            began = clock()
            try:
                reason = await self._one_subscription()
            except Exception as error:  # noqa: BLE001 - a consumer that is silently gone is worse than any error
                reason = explain(error)
            if clock() - began > _LAST_BACKOFF:
                backoff = _FIRST_BACKOFF
            if reason:
                log.warning("consumer.lost", queue=self._name, reason=reason)
                await asyncio.sleep(backoff)
                backoff = min(backoff * 2, _LAST_BACKOFF)

    async def _one_subscription(self) -> str:
        """Subscribe and wait for the end; why it came, or nothing if there is no reason to wait."""
        await self._connection.wait_up(_LONG)
        try:
            subscription = await Subscription.open(
                self._connection.wire(), self._prepare, self._prefetch, self._arrived
            )
        except ChannelNotFoundEntity:  # deleted by someone: the account's commands need it
            await self._connection.redeclare()
            raise
        previous, self._subscription = self._subscription, subscription
        if previous is not None:  # only now: what it gives back must not come before all else
            self._keep(asyncio.create_task(self._retire(previous)))
        subscription.begin()
        self._subscribed.set()
        log.info("consumer.subscribed", queue=subscription.queue)
        try:
            await self._watch(subscription)
        finally:
            self._subscribed.clear()
        return subscription.reason

    async def _watch(self, subscription: Subscription) -> None:
        """Wait for the end, and bring it about if messages are waiting and do not come."""
        seen, suspicious = -1, False
        while not await _is_set(subscription.ended, self._look_every):
            idle = subscription.delivered == seen and subscription.unacked < self._prefetch
            seen = subscription.delivered
            waiting = await subscription.waiting() if idle else 0
            if waiting and suspicious:
                log.error("consumer.stalled", queue=subscription.queue, waiting=waiting)
                self._connection.reset("messages are waiting and do not come")
            suspicious = waiting > 0

    async def _retire(self, subscription: Subscription) -> None:
        """End a subscription when the work it has begun is done."""
        try:
            await subscription.cancel()
            while rest := [task for task, its in self._work.items() if its is subscription]:
                await asyncio.wait(rest)
        finally:
            subscription.close()

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    def _arrived(self, subscription: Subscription, delivery: Delivery) -> None:
        task = asyncio.create_task(self._run(subscription, delivery))
        self._work[task] = subscription
        task.add_done_callback(self._work.pop)

    async def _run(self, subscription: Subscription, delivery: Delivery) -> None:
        try:
            if delivery.redelivered:
                await self._earlier_work(subscription)
            async with self._slots:  # also bounds old work and new, after a reconnect
                await self._handle(delivery)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise  # stopped: left to be delivered again
            self._crashed(subscription, delivery, error)
        except Exception as error:  # noqa: BLE001 - the outermost place of the work
            self._crashed(subscription, delivery, error)
        else:
            if not delivery.acked:
                self._crashed(subscription, delivery, None)

    async def _earlier_work(self, subscription: Subscription) -> None:
        """Let work end that was begun on a channel now gone: it may be on this very message."""
        earlier = [task for task, its in self._work.items() if its is not subscription and its.ended.is_set()]
        if earlier:
            await asyncio.wait(earlier)

    def _crashed(self, subscription: Subscription, delivery: Delivery, error: BaseException | None) -> None:
        asyncio.get_running_loop().call_later(self._crash_pause, subscription.end, "")
        log.error(
            "handler.crashed",
            queue=subscription.queue,
            redelivered=delivery.redelivered,
            reason="" if error else "returned without acknowledging",
            exc_info=error,
        )


def _named(queue: str) -> Prepare:
    async def prepare(_: AbstractChannel) -> str:
        return queue

    return prepare


async def _is_set(event: asyncio.Event, within: float) -> bool:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within):
            await event.wait()
    return event.is_set()
