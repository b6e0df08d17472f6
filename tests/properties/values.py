"""Random messages: every field that a release has, with any value that its schema allows.

Strategy: the tables of the messages say which fields there are and of which kind; here is what each kind, or each name
that is special, may hold.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st

from gateway import mm7
from gateway.mm7.elements import Element, tokens_only
from gateway.mm7.messages import ErrorRsp
from gateway.mm7.values import CodeStatus, PreviousDateTime, Status, UserAgent

_LEGAL = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff") | st.sampled_from(
    "\t\n\r\x7f\x85 &<>\"'“”]]>%;=?-:"
)
TEXTS = st.text(_LEGAL, min_size=1, max_size=20).map(str.strip).filter(bool)
TOKENS = st.text("abcXYZ0123456789._:-é", min_size=1, max_size=20)
NUMBERS = st.from_regex(r"1555[0-9]{7}", fullmatch=True)
IDS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._@+-]{0,20}", fullmatch=True).filter(lambda text: text != "soap-start")
_ZONES = st.just(UTC) | st.integers(-13 * 60, 13 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TIMES = st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2099, 1, 1), timezones=_ZONES).map(  # noqa: DTZ001  # the zones are drawn
    datetime.isoformat
)
DURATIONS = st.sampled_from(["P3D", "PT30M", "P1Y2M3DT4H5M6.7S", "P90D", "-P1D"])
COUNTS = st.integers(1, 999_999_999)
_COMMON_REPORTS = ("Expired", "Retrieved", "Rejected", "Indeterminate", "Forwarded")
_NEW_REPORTS = ("Unrecognised", "Deferred", "DeliveryConditionNotMet")
_CONTENT_CLASSES = ("text", "image-basic", "image-rich", "video-basic", "video-rich", "megapixel", "content-rich")
_NAMED: Mapping[str, st.SearchStrategy[str]] = {
    "MM7Version": st.just("5.3.0"),  # the one version that every schema allows
    "MessageClass": st.sampled_from(["Personal", "Informational", "Advertisement", "Auto"]),
    "Priority": st.sampled_from(["Normal", "High", "Low"]),
    "MMStatusExtension": st.sampled_from(["RejectionByMMSRecipient", "RejectionByOtherRS"]),
    "ContentClass": st.sampled_from(_CONTENT_CLASSES),
    "TimeStamp": TIMES,
    "Date": TIMES,
    **dict.fromkeys(("EarliestDeliveryTime", "ExpiryDate", "replyDeadline"), TIMES | DURATIONS),
    "href": IDS.map("cid:{}".format),
}
CASES = [
    (release, name)
    for release in mm7.RELEASES
    for name in mm7.MESSAGES
    if mm7.has(release, mm7.SINCE.get(name, mm7.RELEASES[0]))
]


def addresses(release: str) -> st.SearchStrategy[mm7.Address]:
    text = TOKENS if tokens_only(release) else TEXTS
    more: dict[str, Any] = {"display_only": st.booleans()}
    if mm7.has(release, "REL-6-MM7-1-0"):
        more["address_coding"] = st.sampled_from([None, "encrypted", "obfuscated"])
    kinds = [
        st.builds(mm7.Address, text | NUMBERS, st.sampled_from(["Number", "ShortCode"]), **more),
        st.builds(mm7.Address, TEXTS, st.just("RFC2822Address"), **more),
    ]
    return st.one_of(kinds)


def _recipients(release: str) -> st.SearchStrategy[mm7.Recipients]:
    some = st.lists(addresses(release), max_size=3).map(tuple)
    return st.builds(mm7.Recipients, some.filter(bool), some, some)


def _repeated(release: str, group: type) -> st.SearchStrategy[Any]:
    sequences = st.none() | COUNTS
    if group is UserAgent:
        return st.lists(st.builds(UserAgent, addresses(release), sequences), max_size=3).map(tuple)
    return st.lists(st.builds(PreviousDateTime, TIMES | DURATIONS, sequences), max_size=3).map(tuple)


def _chosen(cls: type, element: Element, release: str) -> st.SearchStrategy[Any] | None:
    """What depends on the operation or on the release, besides the kind of the element."""
    if element.name == "MMStatus" and cls is mm7.ReadReplyReq:
        return st.sampled_from(["Read", "Deleted", "Indeterminate"])
    if element.name == "MMStatus":
        return st.sampled_from(_COMMON_REPORTS + (_NEW_REPORTS if mm7.has(release, "REL-6-MM7-1-4") else ()))
    if element.name == "ChargedParty":
        third = ("ThirdParty",) if mm7.has(release, "REL-6-MM7-1-3") else ()
        return st.sampled_from(("Sender", "Recipient", "Both", "Neither", *third))
    return None


def _text(element: Element, release: str) -> st.SearchStrategy[str]:
    return TOKENS if element.token and tokens_only(release) else _NAMED.get(element.name, TEXTS)


def _address(element: Element, release: str) -> st.SearchStrategy[mm7.Address]:
    return TEXTS.map(lambda text: mm7.Address(text, "")) if element.plain_in(release) else addresses(release)


_OF_KIND: Mapping[str, Callable[[Element, str], st.SearchStrategy[Any]]] = {
    "text": _text,
    "boolean": lambda _element, _release: st.booleans(),
    "integer": lambda _element, _release: COUNTS,
    "conditions": lambda _element, _release: st.lists(COUNTS, max_size=4).map(tuple),
    "address": _address,
    "recipients": lambda _element, release: _recipients(release),
    "repeated": lambda element, release: _repeated(release, element.group or UserAgent),
    "group": lambda element, release: groups(element.group or Status, release),
    "attributes": lambda element, release: groups(element.group or Status, release),
}


def field(cls: type, element: Element, release: str) -> st.SearchStrategy[Any]:
    """What one field of a class may hold where it is there."""
    chosen = _chosen(cls, element, release)
    return _OF_KIND[element.kind](element, release) if chosen is None else chosen


def _given(cls: type, release: str) -> dict[str, st.SearchStrategy[Any]]:
    fields = {}
    for attribute, element in mm7.elements(cls):
        if element.name_in(release) is not None:
            present = field(cls, element, release)
            needed = element.required_in(release) or element.name == "href"
            fields[attribute] = present if needed else st.none() | present
    return fields


def groups(cls: type, release: str) -> st.SearchStrategy[Any]:
    if cls is CodeStatus:
        return st.builds(CodeStatus, code=st.integers(1, 9999))
    if cls is Status:
        # The schemas give Details elements of other namespaces and no text: there is nothing legal to write.
        return st.builds(Status, code=st.integers(1, 9999), text=TEXTS)
    return st.builds(cls, **_given(cls, release))


def messages(name: str, release: str) -> st.SearchStrategy[Any]:
    """Any message of an operation that a release has."""
    cls = mm7.MESSAGES[name]
    given = _given(cls, release)
    given["transaction_id"] = TOKENS if tokens_only(release) else TEXTS
    given["namespace"] = st.just(mm7.SCHEMA + release)
    if issubclass(cls, ErrorRsp):
        given |= {"fault_code": st.sampled_from(["Client", "Server"]), "fault_string": TEXTS}
    return st.builds(cls, **given)


_NAME_CHARACTERS = st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"], exclude_characters="“”„‟")
FILENAMES = (
    st.text(_NAME_CHARACTERS, min_size=1, max_size=20).map(str.strip).filter(lambda n: n not in ("", "null"))
).filter(lambda name: "=?" not in name)
MEDIA = ("image/png", "image/jpeg", "video/mp4", "audio/amr", "application/octet-stream", "text/x-vcard")
DATA = st.binary(max_size=200) | st.sampled_from(
    [b"", b"\r\n", b"\r", b"\n", b"--", b"\r\n--\r\n", b"\n--x--\n", b"Content-Type: a/b\r\n\r\n", b"\r\n\r\n", b"a: b"]
)


def parts(*, locations: bool = True) -> st.SearchStrategy[mm7.Part]:
    common: dict[str, Any] = {
        "data": DATA,
        "filename": st.none() | FILENAMES,
        "content_id": st.none() | IDS,
        "content_location": st.none() | IDS if locations else st.none(),
    }
    text = st.builds(
        mm7.Part, content_type=st.just("text/plain"), charset=st.sampled_from([None, "utf-8", "iso-8859-1"]), **common
    )
    return text | st.builds(mm7.Part, content_type=st.sampled_from(MEDIA), **common)
