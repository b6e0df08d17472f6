"""What status codes and delivery statuses mean (TS 23.140 §8.7.8; the providers' documents for other spellings).

Strategy: tables. An unknown code is understood by its class, the first digit (TS 23.140: "treat as x000").
"""

STATUS_TEXT = {
    1000: "Success",
    1100: "Partial success",
    2000: "Client error",
    2001: "Operation restricted",
    2002: "Address error",
    2003: "Address not found",
    2004: "Multimedia content refused",
    2005: "Message ID not found",
    2006: "LinkedID not found",
    2007: "Message format corrupt",
    2008: "Application ID not found",
    2009: "Reply application ID not found",
    3000: "Server error",
    3001: "Not possible",
    3002: "Message rejected",
    3003: "Multiple addresses not supported",
    3004: "Application addressing not supported",
    4000: "General service error",
    4001: "Improper identification",
    4002: "Unsupported version",
    4003: "Unsupported operation",
    4004: "Validation error",
    4005: "Service error",
    4006: "Service unavailable",
    4007: "Service denied",
    4008: "Application denied",
}

# MMStatus in lower case, without blanks → (status in events, final). Deferred and Forwarded are followed by another
# report; so may be Indeterminate. Spellings beside the schemas': Sinch (Unrecognized, NotSupported, Unreachable).
DELIVERY_STATUS = {
    "retrieved": ("retrieved", True),
    "expired": ("expired", True),
    "rejected": ("rejected", True),
    "deferred": ("deferred", False),
    "indeterminate": ("indeterminate", False),
    "forwarded": ("forwarded", False),
    "unrecognised": ("unrecognised", True),
    "unrecognized": ("unrecognised", True),
    "unreachable": ("unreachable", True),
    "notsupported": ("unsupported", True),
    "unsupported": ("unsupported", True),
    "deliveryconditionnotmet": ("rejected", True),
}
# The words of the schemas, all releases together.
MM_STATUS = frozenset(
    {
        "Expired",
        "Retrieved",
        "Rejected",
        "Indeterminate",
        "Forwarded",
        "Unrecognised",
        "Deferred",
        "DeliveryConditionNotMet",
    }
)
READ_MM_STATUS = frozenset({"Read", "Deleted", "Indeterminate"})
READ_STATUS = {"read": ("read", True), "deleted": ("deleted", True), "indeterminate": ("indeterminate", False)}


def status_text(code: int) -> str:
    """The standard text of a code, or that of its class."""
    return STATUS_TEXT.get(code) or STATUS_TEXT.get(code // 1000 * 1000, STATUS_TEXT[3000])


def status_class(code: int | None) -> int:
    """1000, 2000, 3000 or 4000; a code outside these, or none, is treated as 3000 (TS 23.140 §8.7.8)."""
    leading = (code or 0) // 1000
    return leading * 1000 if leading in (1, 2, 3, 4) else 3000


def delivery_status(raw: str | None) -> tuple[str, bool]:
    """(status, final) of a delivery report; what no table knows is ("unknown", False)."""
    return DELIVERY_STATUS.get("".join((raw or "").split()).lower(), ("unknown", False))


def read_status(raw: str | None) -> tuple[str, bool]:
    """(status, final) of a read reply; what no table knows is ("unknown", False)."""
    return READ_STATUS.get("".join((raw or "").split()).lower(), ("unknown", False))
