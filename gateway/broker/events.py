"""Events on the wire: CloudEvents in structured JSON, the attributes repeated as `ce-` headers.

The AMQP message_id is random for each attempt and the event's id is not: subscribers drop what they have seen by the
event's id (CloudEvents 1.0; the `ce-` prefix is that of the RabbitMQ binding of Knative).
"""

from collections.abc import Mapping
from datetime import datetime

from gateway.contract.addresses import key_word
from gateway.contract.events import Event

from .message import Outgoing
from .topology import EVENTS

CONTENT_TYPE = "application/cloudevents+json"


def routing_key(event: Event) -> str:
    """`<type>.<account>.<address>`: `mo.received.sinch-us.111122`."""
    return f"{event.type}.{event.data.account}.{key_word(event.subject)}"


def outgoing(event: Event, *, correlation_id: str | None = None, trace: Mapping[str, str] | None = None) -> Outgoing:
    """The message that carries an event to its subscribers; `trace` are the headers of the trace it belongs to."""
    attributes = {name: getattr(event, name) for name in ("specversion", "id", "type", "source", "subject", "time")}
    headers = {f"ce-{name}": value for name, value in attributes.items() if value is not None}
    headers |= {"ce-dataschema": event.dataschema, "ce-datacontenttype": event.datacontenttype, **(trace or {})}
    return Outgoing(
        exchange=EVENTS,
        routing_key=routing_key(event),
        body=event.model_dump_json().encode(),
        content_type=CONTENT_TYPE,
        type=event.type,
        headers=headers,
        correlation_id=correlation_id,
        timestamp=datetime.fromisoformat(event.time),
    )
