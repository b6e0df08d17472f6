"""The broker's objects as data: what is declared, under which names, with which arguments.

Strategy: a queue cannot be redeclared with other arguments, so there are few, constant for ever; whatever an
operator may want to tune (lengths, time limits of subscribers' queues) is a policy. One wait queue per delay,
because a queue expires its messages in order: a short wait would stand behind a long one. A wait is entered
by a fanout exchange and left without a dead-letter key, so a command comes back under the key it was
published with.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from aio_pika.exceptions import AMQPChannelError, ChannelNotFoundEntity, ChannelPreconditionFailed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from aiormq.abc import AbstractChannel

    OpenChannel = Callable[[], Awaitable[AbstractChannel]]

EVENTS: Final = "mm7.events"
COMMANDS: Final = "mm7.commands"
UNROUTED: Final = "mm7.unrouted"
DEAD: Final = "mm7.dead"

DELIVERY_LIMIT: Final = 20
# Queues that are only looked into: every look counts as a delivery, and past the limit a message without a
# dead-letter exchange is dropped. RabbitMQ 4 sets 20 where nothing is set, 3.10 knows no value for
# "unlimited".
LOOKS_LIMIT: Final = 1_000_000_000

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DELAY: Final = re.compile(r"([1-9][0-9]{0,8})(ms|s|m|h)")


@dataclass(frozen=True, slots=True)
class Delay:
    """A wait before a retry: `text` names its queue, `seconds` is its length."""

    text: str
    seconds: float

    @classmethod
    def parse(cls, text: str) -> Delay:
        """Read `500ms`, `10s`, `5m` or `1h`; ValueError for anything else."""
        match = _DELAY.fullmatch(text)
        if match is None or (seconds := int(match[1]) * _UNITS[match[2]]) > 24 * 3600:
            raise ValueError(f"{text!r} is not a delay: write a whole number and ms, s, m or h (10s, 5m), at most 24h")
        return cls(text, seconds)


def mt_queue(account: str) -> str:
    """Name the queue of an account's commands."""
    return f"mm7.mt.{account}"


def wait(delay: Delay | str) -> str:
    """Name the exchange, and the queue behind it, in which a command waits for `delay`."""
    return f"mm7.wait.{delay.text if isinstance(delay, Delay) else delay}"


def dead_queue(account: str) -> str:
    """Name the queue of an account's dead letters."""
    return f"{DEAD}.{account}"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A durable exchange."""

    name: str
    type: str
    arguments: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable queue."""

    name: str
    arguments: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Binding:
    """What leads from an exchange to a queue."""

    exchange: str
    queue: str
    routing_key: str = ""


@dataclass(frozen=True, slots=True)
class Topology:
    """Everything that is declared, in the order in which it is declared."""

    exchanges: tuple[Exchange, ...] = ()
    queues: tuple[Queue, ...] = ()
    bindings: tuple[Binding, ...] = ()


def build(accounts: Mapping[str, Sequence[Delay]]) -> Topology:
    """Make the topology of the accounts, each name with its retry delays."""
    delays = sorted({delay.text: delay for each in accounts.values() for delay in each}.values(), key=_length)
    catch_all = {"alternate-exchange": UNROUTED}
    return Topology(
        exchanges=(
            Exchange(UNROUTED, "fanout"),
            Exchange(EVENTS, "topic", catch_all),
            Exchange(COMMANDS, "direct", catch_all),
            Exchange(DEAD, "direct"),
            *(Exchange(wait(delay), "fanout") for delay in delays),
        ),
        queues=(
            _quorum(UNROUTED, LOOKS_LIMIT),
            *(_quorum(dead_queue(account), LOOKS_LIMIT) for account in accounts),
            *(_quorum(mt_queue(account), DELIVERY_LIMIT, dead_letters_to=DEAD) for account in accounts),
            *(_waiting(delay) for delay in delays),
        ),
        bindings=(
            Binding(UNROUTED, UNROUTED),
            *(Binding(DEAD, dead_queue(account), account) for account in accounts),
            *(Binding(COMMANDS, mt_queue(account), account) for account in accounts),
            *(Binding(wait(delay), wait(delay)) for delay in delays),
        ),
    )


def _length(delay: Delay) -> tuple[float, str]:
    return delay.seconds, delay.text


def _quorum(name: str, delivery_limit: int, dead_letters_to: str = "", **more: int) -> Queue:
    arguments: dict[str, str | int] = {"x-queue-type": "quorum", "x-delivery-limit": delivery_limit}
    if dead_letters_to:
        # At least once needs reject-publish: without it RabbitMQ falls back to dead-lettering that can lose.
        arguments |= {
            "x-dead-letter-exchange": dead_letters_to,
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        }
    return Queue(name, arguments | more)


def _waiting(delay: Delay) -> Queue:
    ttl = {"x-message-ttl": round(delay.seconds * 1000)}
    return _quorum(wait(delay), LOOKS_LIMIT, dead_letters_to=COMMANDS, **ttl)


class Row(NamedTuple):
    """One object for a table: its kind, its name, and its type, arguments or key in words."""

    kind: str
    name: str
    detail: str


def describe(topology: Topology) -> list[Row]:
    """List the topology for a reader."""
    return [
        *(Row("exchange", each.name, _words(each.type, each.arguments)) for each in topology.exchanges),
        *(Row("queue", each.name, _words("", each.arguments)) for each in topology.queues),
        *(Row("binding", f"{each.exchange} → {each.queue}", each.routing_key) for each in topology.bindings),
    ]


def _words(first: str, arguments: Mapping[str, str | int]) -> str:
    return " ".join(filter(None, (first, *(f"{key}={value}" for key, value in arguments.items()))))


class Difference(NamedTuple):
    """What is not as declared: `problem` is `missing`, `different` or `refused`; `detail` is the broker's."""

    kind: str
    name: str
    problem: str
    detail: str


async def declare(open_channel: OpenChannel, topology: Topology) -> list[Difference]:
    """Declare everything, and report what could not be.

    An object that exists with other arguments is left as it is and reported, and the rest is still declared:
    the broker goes on working with what is there.
    """
    return await _walk(open_channel, (*topology.exchanges, *topology.queues, *topology.bindings), create=True)


async def check(open_channel: OpenChannel, topology: Topology) -> list[Difference]:
    """Compare the topology with the broker, creating nothing.

    AMQP itself tells two things apart: an object that is not there (a passive declaration gives 404), and one
    that has another type or other arguments (declaring what exists gives 406 and changes nothing). It cannot
    read bindings, policies or what exists beside the topology: those need the management API.
    """
    return await _walk(open_channel, (*topology.exchanges, *topology.queues), create=False)


async def _walk(
    open_channel: OpenChannel, objects: Iterable[Exchange | Queue | Binding], *, create: bool
) -> list[Difference]:
    differences: list[Difference] = []
    channel = await open_channel()
    for each in objects:
        try:
            if not create:
                await _put(channel, each, passive=True)
            await _put(channel, each)
        except AMQPChannelError as error:
            differences.append(_difference(each, error))
            channel = await open_channel()  # a failed declaration closes its channel
    await channel.close()
    return differences


async def _put(channel: AbstractChannel, each: Exchange | Queue | Binding, *, passive: bool = False) -> None:
    match each:
        case Exchange(name, kind, arguments):
            await channel.exchange_declare(
                name, exchange_type=kind, durable=True, arguments=dict(arguments), passive=passive
            )
        case Queue(name, arguments):
            await channel.queue_declare(name, durable=True, arguments=dict(arguments), passive=passive)
        case Binding(exchange, queue, routing_key):
            await channel.queue_bind(queue, exchange, routing_key)


def _difference(each: Exchange | Queue | Binding, error: AMQPChannelError) -> Difference:
    match error:
        case ChannelNotFoundEntity():
            problem = "missing"
        case ChannelPreconditionFailed():
            problem = "different"
        case _:
            problem = "refused"
    name = f"{each.exchange} → {each.queue}" if isinstance(each, Binding) else each.name
    return Difference(type(each).__name__.lower(), name, problem, " ".join(map(str, error.args)))
