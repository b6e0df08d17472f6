"""What every event's data begins with, and the kinds of text in it."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

# Only said in the schema and not checked here: behind a POST nothing may be left that could fail.
UtcTime = Annotated[
    str,
    WithJsonSchema(
        {
            "type": "string",
            "format": "date-time",
            "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$",
        }
    ),
]
Sha256 = Annotated[str, WithJsonSchema({"type": "string", "pattern": "^[0-9a-f]{64}$"})]
Base64 = Annotated[str, WithJsonSchema({"type": "string", "contentEncoding": "base64"})]
DeliveryStatus = Literal[
    "retrieved",
    "expired",
    "rejected",
    "deferred",
    "indeterminate",
    "forwarded",
    "unrecognised",
    "unreachable",
    "unsupported",
    "unknown",
]
ReadStatus = Literal["read", "deleted", "indeterminate", "unknown"]


class Data(BaseModel):
    """What every event's data begins with."""

    model_config = ConfigDict(hide_input_in_errors=True, extra="forbid")

    account: str = Field(description="The account of the settings that it came in or was to go out by.")
    profile: str = Field(description="The account's profile: what is known of its provider.")
    operation: str | None = Field(description="The MM7 operation received; of `mt.*`, the command's.")
    transaction_id: str | None = Field(description="TransactionID of the callback, or of the provider's answer.")
    mm7_version: str | None = Field(description="MM7Version as the provider wrote it.")
    namespace: str | None = Field(description="The XML namespace of the MM7 message, which tells its release.")
    received_at: UtcTime = Field(
        description="When the callback, or the provider's answer, was received; of what was not sent, when that was "
        "decided. RFC 3339, UTC."
    )
    quirks: list[str] = Field(
        description="Named deviations from the specification that were read all the same. Every version may know more."
    )
