"""`mm7 schema asyncapi`: exchanges, queues, keys, headers and messages as an AsyncAPI 3 document.

Strategy: nothing is written down twice. Exchanges, queues and their arguments come from the topology, payloads from the
published schemas, headers and examples from the messages that the code makes of the schemas' examples. The application
that it speaks of is mm7-gateway: it sends events and receives commands; whoever uses it does the opposite.
"""

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from gateway import __version__, broker
from gateway.broker import Binding, Delay, Exchange, Queue
from gateway.contract.events import TYPES
from gateway.settings import Settings

from . import asyncapi_messages as messages
from .asyncapi_messages import VERSION, WRITTEN, Object

_OUTCOMES = tuple(kind for kind in TYPES if kind.startswith("mt."))
_PARAMETERS = {
    "account": "An account of the settings.",
    "address": "The service's own address; characters outside [A-Za-z0-9_-] as `-`, `-` where there is none.",
    "delay": "A delay of the accounts' `retry_delays`, as `10s` or `5m`: how long messages stay in the queue.",
}
# Exchange or queue → the messages that stand there.
_STAND_IN = {
    broker.COMMANDS: WRITTEN,
    broker.mt_queue("{account}"): (*WRITTEN, "command.waiting"),
    broker.wait("{delay}"): ("command.waiting",),
    broker.DEAD: ("command.dead",),
    broker.dead_queue("{account}"): ("command.dead",),
    broker.UNROUTED: (*TYPES, *WRITTEN),
}


def document() -> Object:
    """The whole document, as JSON."""
    return {
        "asyncapi": "3.0.0",
        "info": _info(),
        "defaultContentType": "application/json",
        "servers": {"rabbitmq": _server()},
        "channels": _channels(),
        "operations": _operations(),
        "components": {
            "schemas": messages.schemas(),
            "messages": messages.of_events() | messages.of_commands(),
            "parameters": {name: {"description": text} for name, text in _PARAMETERS.items()},
            "securitySchemes": {"user": {"type": "userPassword", "description": "A user of RabbitMQ."}},
        },
    }


def _info() -> Object:
    return {
        "title": "mm7-gateway",
        "version": __version__,
        "description": "Between mobile operators' MMS interface (MM7) and RabbitMQ. The application is mm7-gateway: it "
        "sends events and receives commands. Every message is persistent and confirmed; its AMQP property app_id is "
        "`mm7-gateway`, message_id is another one for each attempt, and an event may come twice: subscribers drop what "
        "they have seen by the event's id. Subscribers declare queues of their own and bind them to "
        f"`{broker.EVENTS}`.",
        "license": {"name": "Apache-2.0"},
    }


def _server() -> Object:
    url = urlsplit(Settings.model_fields["amqp_url"].get_default(call_default_factory=True).get_secret_value())
    variables = {"host": url.hostname, "port": str(url.port), "vhost": url.path.removeprefix("/")}
    return {
        "host": "{host}:{port}",
        "pathname": "/{vhost}",
        "protocol": url.scheme,
        "protocolVersion": "0-9-1",
        "description": "RabbitMQ, as MM7_AMQP_URL names it.",
        "variables": {name: {"default": value} for name, value in variables.items()},
        "security": [{"$ref": "#/components/securitySchemes/user"}],
    }


def _channels() -> Object:
    topology = broker.build({"{account}": [Delay("{delay}", 0)]})
    found: Object = {}
    for exchange in topology.exchanges:
        if exchange.name == broker.EVENTS:
            found |= {kind: _exchange(exchange, f"{kind}.{{account}}.{{address}}", (kind,)) for kind in TYPES}
        else:
            key = None if exchange.name == broker.UNROUTED else "{account}"
            found[_id(exchange.name)] = _exchange(exchange, key, _STAND_IN[exchange.name])
    bound = {each.queue: each for each in topology.bindings}
    found |= {f"{_id(queue.name)}.queue": _queue(queue, bound[queue.name]) for queue in topology.queues}
    told = "The queue that a command names in its AMQP property reply_to, through the default exchange."
    default = {"name": "", "type": "default"}
    return found | {"reply": _channel(None, told, _OUTCOMES, _binding("routingKey", "exchange", default, {}))}


def _exchange(exchange: Exchange, key: str | None, named: Iterable[str]) -> Object:
    told = f"The {exchange.type} exchange `{exchange.name}`; the address is the routing key."
    described = {"name": exchange.name, "type": exchange.type, "durable": True, "autoDelete": False}
    return _channel(key, told, named, _binding("routingKey", "exchange", described, exchange.arguments))


def _queue(queue: Queue, bound: Binding) -> Object:
    key = f" with the key `{bound.routing_key}`" if bound.routing_key else ""
    told = f"The quorum queue `{queue.name}`, bound to `{bound.exchange}`{key}."
    described = {"name": queue.name, "durable": True, "exclusive": False, "autoDelete": False}
    # That of a wait queue is the delay in its name, and here stands a name for all of them.
    arguments = {name: value for name, value in queue.arguments.items() if name != "x-message-ttl"}
    binding = _binding("queue", "queue", described, arguments)
    return _channel(queue.name, told, _STAND_IN[queue.name], binding)


def _binding(kind: str, what: str, described: Object, arguments: Mapping[str, str | int]) -> Object:
    return {"amqp": {"is": kind, what: described, **VERSION, "x-arguments": dict(arguments)}}


def _channel(address: str | None, told: str, named: Iterable[str], bindings: Object) -> Object:
    parameters = [name for name in _PARAMETERS if f"{{{name}}}" in (address or "")]
    return {
        "address": address,
        "description": told,
        "messages": {message: {"$ref": f"#/components/messages/{message}"} for message in named},
        "servers": [{"$ref": "#/servers/rabbitmq"}],
        "parameters": {name: {"$ref": f"#/components/parameters/{name}"} for name in parameters},
        "bindings": bindings,
    }


def _id(name: str) -> str:
    """`mm7.mt.{account}` → `mm7.mt`."""
    return name.partition(".{")[0]


def _operations() -> Object:
    sent = {f"send.{kind}": _operation("send", kind, messages.title(kind), (kind,)) for kind in TYPES}
    reply = {
        "address": {
            "location": "$message.header#/reply_to",
            "description": "The AMQP property reply_to; the reply has the command's correlation_id, else its id.",
        },
        "channel": {"$ref": "#/channels/reply"},
        "messages": [{"$ref": f"#/channels/reply/messages/{kind}"} for kind in _OUTCOMES],
    }
    told = "Do what a command says. It comes to its end in one event, which goes to its reply_to as well."
    taken = _operation("receive", _id(broker.COMMANDS), told, WRITTEN)
    waits = _operation(
        "send", _id(broker.wait("{delay}")), "Try a command again after the delay.", ("command.waiting",)
    )
    dies = _operation("send", broker.DEAD, "Keep a command that was not sent, or perhaps was.", ("command.dead",))
    return sent | {"receive.command": taken | {"reply": reply}, "send.waiting": waits, "send.dead": dies}


def _operation(action: str, channel: str, summary: str, named: Iterable[str]) -> Object:
    how = {"deliveryMode": 2, "mandatory": True} if action == "send" else {"ack": True}
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": summary,
        "messages": [{"$ref": f"#/channels/{channel}/messages/{message}"} for message in named],
        "bindings": {"amqp": how | VERSION},
    }
