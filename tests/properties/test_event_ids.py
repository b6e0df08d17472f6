"""An event's id is that of what was said: however it is framed, the same; with anything else in it, another."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import mm7, profiles
from gateway.contract import callbacks
from gateway.contract.callbacks import Receipt
from gateway.contract.parts import Storage
from tests.properties import framing, test_frames, values
from tests.properties.bounds import bounded

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
CALLBACKS = ("DeliverReq", "SubmitReq", "DeliveryReportReq", "ReadReplyReq")


def event_id(decoded: mm7.Decoded, account: str = "a", headers: Mapping[str, str] | None = None, later: int = 0) -> str:
    receipt = Receipt(
        account=account,
        profile_name="generic",
        profile=profiles.load("generic"),
        received_at=BEGAN + timedelta(seconds=later),
        headers=headers or {},
    )
    return callbacks.from_mm7(decoded, receipt, Storage("memory://{}".format)).event.id


@bounded(80)
@given(message=test_frames.MESSAGES, parts=test_frames.PARTS, one=framing.FRAMES, two=framing.FRAMES)
def test_the_same_message_in_two_frames_has_one_id(message, parts, one, two) -> None:
    message = test_frames.with_content(message, parts)
    first = mm7.decode(*test_frames.framed(message, parts, one))
    second = mm7.decode(*test_frames.framed(message, parts, two))
    assert event_id(first) == event_id(second, headers={"X-Any": "1"}, later=60)
    assert event_id(first) != event_id(first, account="b")


@bounded(100)
@given(
    message=test_frames.MESSAGES, parts=test_frames.PARTS, new=st.lists(values.IDS, min_size=3, max_size=3, unique=True)
)
def test_content_ids_made_anew_change_nothing(message, parts, new) -> None:
    message = replace(message, content=mm7.Content("cid:before"))
    renamed = tuple(replace(part, content_id=name) for part, name in zip(parts, new, strict=False))
    again = replace(message, content=mm7.Content("cid:after"))
    assert event_id(mm7.Decoded(message, parts)) == event_id(mm7.Decoded(again, renamed))


@pytest.mark.parametrize("name", CALLBACKS)
@pytest.mark.parametrize("release", [mm7.RELEASES[2], mm7.RELEASES[-1]])
@bounded(12)
@given(data=st.data())
def test_any_other_field_is_another_id(name, release, data) -> None:
    one, two = data.draw(values.messages(name, release)), data.draw(values.messages(name, release))
    first = event_id(mm7.Decoded(one))
    attributes = ["transaction_id", *(attribute for attribute, _ in mm7.elements(type(one)))]
    for attribute in attributes:
        value = getattr(two, attribute)
        if attribute == "content" and value and one.content:
            value = replace(value, href=one.content.href)  # href alone may be made anew for each delivery
        if value != getattr(one, attribute):
            assert event_id(mm7.Decoded(replace(one, **{attribute: value}))) != first, attribute
    assert event_id(mm7.Decoded(replace(one, namespace="urn:other"))) != first
    assert event_id(mm7.Decoded(replace(one, extensions={"X-Any": "1"}))) != first


@bounded(100)
@given(message=test_frames.MESSAGES, parts=test_frames.PARTS.filter(bool), other=values.parts())
def test_any_other_part_is_another_id(message, parts, other) -> None:
    first = event_id(mm7.Decoded(message, parts))
    assert event_id(mm7.Decoded(message, (*parts, other))) != first
    assert event_id(mm7.Decoded(message, parts[1:])) != first
    for attribute in ("data", "content_type", "charset", "filename"):
        value = getattr(other, attribute)
        if value != getattr(parts[0], attribute):
            changed = replace(parts[0], **{attribute: value})
            assert event_id(mm7.Decoded(message, (changed, *parts[1:]))) != first, attribute
    if len(parts) > 1 and replace(parts[0], content_id=None, content_location=None) != replace(
        parts[-1], content_id=None, content_location=None
    ):
        assert event_id(mm7.Decoded(message, (parts[-1], *parts[1:-1], parts[0]))) != first
