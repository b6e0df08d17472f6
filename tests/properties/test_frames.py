"""However a message is framed — prefixes, boundaries, encodings, line ends, nesting — it is read back exactly."""

from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st

from gateway import mm7
from tests.properties import framing, values
from tests.properties.bounds import bounded
from tests.properties.framing import Frame

NAMESPACES = {
    **{mm7.SCHEMA + release: None for release in mm7.RELEASES},
    "urn:mm7": "namespace_unknown",
    "http://www.3gpp.com/mm7?a=1&amp;b": "namespace_unknown",
}
ADDRESSES = st.builds(
    mm7.Address,
    values.NUMBERS | values.TEXTS,
    st.sampled_from(["Number", "ShortCode", "RFC2822Address"]),
    st.booleans(),
)
SOME = st.lists(ADDRESSES, max_size=2).map(tuple)
MESSAGES = st.builds(
    mm7.DeliverReq,
    transaction_id=values.TEXTS,
    namespace=st.sampled_from([*NAMESPACES]),
    mm7_version=st.sampled_from(["6.8.0", "5.3.0"]),
    linked_id=st.none() | values.TEXTS,
    sender=ADDRESSES,
    recipients=st.builds(mm7.Recipients, SOME, SOME, SOME),
    subject=st.none() | values.TEXTS,
)
PARTS = st.lists(values.parts(), max_size=3).map(tuple)


def framed(message: mm7.DeliverReq, parts: tuple[mm7.Part, ...], frame: Frame) -> tuple[str, bytes]:
    """As `framing.write`, but that no boundary stands in what it separates: no real one does."""
    contents = b"\n".join([framing.envelope(message, frame), *(part.data for part in parts)])
    assume(not any(boundary.encode() in contents for boundary in frame.boundaries))
    return framing.write(message, parts, frame)


def with_content(message: mm7.DeliverReq, parts: tuple[mm7.Part, ...]) -> mm7.DeliverReq:
    """The message with a Content that refers to the first part which has an id, where there is one."""
    known = next((part.content_id for part in parts if part.content_id), None)
    return replace(message, content=mm7.Content(f"cid:{known}")) if known else message


@bounded(250)
@given(message=MESSAGES, parts=PARTS, frame=framing.FRAMES)
def test_any_frame_is_read_back_exactly(message, parts, frame) -> None:
    message = with_content(message, parts)
    content_type, body = framed(message, parts, frame)
    decoded = mm7.decode(content_type, body)
    unescaped = (message.namespace or "").replace("&amp;", "&")
    assert decoded.message.namespace == unescaped
    assert replace(decoded.message, namespace=message.namespace) == message
    assert decoded.parts == parts
    expected = {NAMESPACES[message.namespace], "content_unreferenced" if parts and not message.content else None}
    # Elements stand in any order: a deviation, but not one of the frame.
    assert set(decoded.quirks) - {"element_order"} == expected - {None}
