"""The events that users see: CloudEvents 1.0 with one data model a type. JSON Schemas come from these classes."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from .data import Data, UtcTime
from .ended import MtAccepted, MtRefused, MtUnknown
from .received import CallbackRefused, DrReceived, MoReceived, RrReceived

SCHEMA_BASE = "https://mm7-gateway.example/schema/"  # a name, not a download: `mm7 schema events` prints what is there

TYPES: dict[str, type[Data]] = {
    "mo.received": MoReceived,
    "dr.received": DrReceived,
    "rr.received": RrReceived,
    "mt.accepted": MtAccepted,
    "mt.refused": MtRefused,
    "mt.unknown": MtUnknown,
    "callback.refused": CallbackRefused,
}
_TYPE_OF = {cls: name for name, cls in TYPES.items()}
# CloudEvents 1.0 allows null for what is unset, and its own SDK does not read it: where there is none, it is left out.
Subject = Annotated[
    str | None,
    Field(description="The service's own address; left out where there is none.", exclude_if=lambda text: text is None),
    WithJsonSchema({"type": "string"}),
]


def schema_id(name: str) -> str:
    """The name of a published schema: of an event's data by its type, of `events` and `command`."""
    return f"{SCHEMA_BASE}{name}.v1.json"


class Event(BaseModel):
    """A CloudEvent 1.0 in structured JSON."""

    model_config = ConfigDict(hide_input_in_errors=True, frozen=True)

    specversion: Literal["1.0"] = Field("1.0", description="Of CloudEvents.")
    id: str = Field(description="The same for every delivery of one happening: subscribers drop what they have seen.")
    type: str = Field(description="What has happened; the first two words of the routing key.")
    source: str = Field(description="/mm7/<account>")
    subject: Subject = None
    time: UtcTime = Field(description="The provider's time where it is readable, else the receipt. RFC 3339, UTC.")
    datacontenttype: Literal["application/json"] = Field("application/json", description="Of `data`.")
    dataschema: str = Field(description="The `$id` of the JSON Schema of `data`.")
    data: Any = Field(description="What is told, by the schema of its type.")

    @classmethod
    def of(cls, data: Data, *, id: str, subject: str | None, time: str) -> "Event":  # noqa: A002  # CloudEvents' word
        """Wrap data; its class gives the type and the schema."""
        name = _TYPE_OF[type(data)]
        return cls(
            id=id,
            type=name,
            source=f"/mm7/{data.account}",
            subject=subject,
            time=time,
            dataschema=schema_id(name),
            data=data,
        )
