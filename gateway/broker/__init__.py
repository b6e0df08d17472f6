"""The bridge to RabbitMQ: the only package that knows aio-pika. Values go in, values come out.

Strategy: the library is used where it is plain — one connection, its channels, one publish — and everything
that has to hold while things break is ours: a supervisor opens the connection again (`Connection`), every
step has a deadline that holds, a publish counts when it is confirmed (`Publisher`), and work on a delivery
runs in a task of ours and outlives its channel (`Consumer`). What is lost with a connection is delivered
again by the broker; what was not confirmed is published again by the caller. So messages may come twice, and
never not at all.
"""

from .connection import Connection, State
from .consumer import Consumer
from .inbox import Inbox, browse, tail, waiting
from .message import Delivery, Outgoing
from .publisher import Progress, Publisher, PublishFailed, Unroutable
from .topology import (
    COMMANDS,
    DEAD,
    EVENTS,
    UNROUTED,
    Binding,
    Delay,
    Difference,
    Exchange,
    Queue,
    Row,
    Topology,
    build,
    check,
    dead_queue,
    declare,
    describe,
    mt_queue,
    wait,
)
from .wire import BrokerDown

__all__ = [
    "COMMANDS",
    "DEAD",
    "EVENTS",
    "UNROUTED",
    "Binding",
    "BrokerDown",
    "Connection",
    "Consumer",
    "Delay",
    "Delivery",
    "Difference",
    "Exchange",
    "Inbox",
    "Outgoing",
    "Progress",
    "PublishFailed",
    "Publisher",
    "Queue",
    "Row",
    "State",
    "Topology",
    "Unroutable",
    "browse",
    "build",
    "check",
    "dead_queue",
    "declare",
    "describe",
    "mt_queue",
    "tail",
    "wait",
    "waiting",
]
