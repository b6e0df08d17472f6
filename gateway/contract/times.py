"""Times as providers write them → UTC, and UTC as we write it (RFC 3339)."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_SINGLE_DIGITS = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:([T ])(\d{1,2}):(\d{1,2}):(\d{1,2})(.*))?")
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DURATION = re.compile(r"P(?=.)(\d+Y)?(\d+M)?(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?", re.ASCII)


def parse(text: str | None) -> tuple[datetime | None, bool]:
    """(time in UTC, whether it named a zone). (None, False) for what cannot be read, or is before 1970.

    Reads ISO 8601 in its extended and basic forms, single-digit months and days, and RFC 822 dates.
    """
    if not text:
        return None, False
    padded = _SINGLE_DIGITS.sub(_pad, text.strip())
    if padded.isdecimal() and len(padded) == 14:  # 20240703210241, which some MMSCs write
        padded = f"{padded[:8]}T{padded[8:]}"
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            time = read(padded)
        except (ValueError, TypeError, OverflowError):
            continue
        return _utc(time)
    return None, False


def _pad(match: re.Match[str]) -> str:
    date = f"{match[1]}-{match[2]:0>2}-{match[3]:0>2}"
    return f"{date}{match[4]}{match[5]:0>2}:{match[6]:0>2}:{match[7]:0>2}{match[8]}" if match[4] else date


def is_date_time(text: str) -> bool:
    """Whether a text is written as the schema wants it (xs:dateTime)."""
    return _DATE_TIME.fullmatch(text) is not None


def _utc(time: datetime) -> tuple[datetime | None, bool]:
    try:
        utc = time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # year 9999 with a negative offset
        return None, False
    # A clock that was never set; and AMQP has no timestamp before 1970.
    return (utc, time.tzinfo is not None) if utc >= _EPOCH else (None, False)


def rfc3339(time: datetime) -> str:
    """`2014-04-14T16:15:23.414Z`."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def is_duration(text: str) -> bool:
    """Whether a text is an ISO 8601 duration (`P3D`, `PT1H30M`); one below nothing is none."""
    return DURATION.fullmatch(text) is not None
