"""The values inside callbacks as users see them. Pure."""

import re
from typing import Any

from gateway import mm7

from . import addresses, times
from .addresses import Address
from .received import Forwarder, Forwarding, ReplyCharging, UACapabilities


def utc(raw: str | None) -> str | None:
    """A time in UTC; what is a duration, names no zone or cannot be read stays as it is."""
    time, zoned = times.parse(raw)
    return times.rfc3339(time) if time and zoned else raw


def words(specified: str | None) -> str | None:
    """`ThirdParty` → `third_party`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", specified).lower() if specified else None


def ua(found: mm7.UACapabilities | None) -> UACapabilities | None:
    return UACapabilities(ua_prof=found.ua_prof, time_stamp=utc(found.time_stamp)) if found else None


def reply_charging(found: mm7.ReplyCharging | None) -> ReplyCharging | None:
    if found is None:
        return None
    return ReplyCharging(reply_charging_size=found.reply_charging_size, reply_deadline=utc(found.reply_deadline))


def address(found: mm7.Address | None) -> Address | None:
    return addresses.from_mm7(found) if found else None


def forwarded(message: mm7.DeliverReq) -> dict[str, Any]:
    by, at = message.previouslysentby, message.previouslysentdateandtime
    return {
        "previouslysentby": by and [Forwarder(address=address(one.address), sequence=one.sequence) for one in by],
        "previouslysentdateandtime": at and [Forwarding(value=utc(one.value), sequence=one.sequence) for one in at],
    }
