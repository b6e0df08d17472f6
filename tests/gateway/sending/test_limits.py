"""What a provider takes of a message's parts: how many, of which types, how large in all."""

from dataclasses import replace

import pytest

from gateway import outbound, profiles
from gateway.contract import submission
from gateway.contract.commands import BadCommand, Command
from gateway.profiles import Profile, generic

TEXT = {"content_type": "text/plain", "text": "hello"}
MORE = {"replace": {"message_id": "m-1"}, "extended_replace": {"message_id": "m-1"}, "submit": {"to": ["15553199144"]}}


@pytest.fixture
def limited(make_account, monkeypatch):
    """An account at a provider with limits."""

    def make(**limits):
        monkeypatch.setattr(generic, "PROFILE", replace(generic.PROFILE, **limits))
        profiles.load.cache_clear()
        return make_account()

    yield make
    monkeypatch.undo()
    profiles.load.cache_clear()


def command(*parts, operation="submit", **fields) -> Command:
    given = {"id": "order-1", "operation": operation, "parts": list(parts), **MORE[operation], **fields}
    return Command.model_validate(given)


def told(wanted: Command, account) -> dict[str, str]:
    return {each.path: each.problem for each in submission.problems(wanted, account)}


@pytest.mark.parametrize("operation", MORE)
def test_too_many_parts_are_told_for_every_operation(limited, operation) -> None:
    account = limited(max_parts=2)
    assert told(command(TEXT, TEXT, operation=operation), account) == {}
    assert "takes 2 a message, not 3" in told(command(TEXT, TEXT, TEXT, operation=operation), account)["parts"]


@pytest.mark.parametrize("operation", MORE)
def test_a_type_that_is_not_taken_is_told_by_its_part(limited, operation) -> None:
    account = limited(content_types=frozenset({"text/plain", "image/*"}))
    types = ("TEXT/plain", "image/png", "video/mp4", "Image/WebP", "application/smil", "text/html")
    parts = [{"content_type": each, "text": "<smil/>"} for each in types]
    found = told(command(*parts, operation=operation), account)
    assert set(found) == {"parts[2].content_type", "parts[5].content_type"}
    assert found["parts[2].content_type"].endswith("takes image/*, text/plain, not video/mp4")


def test_a_profile_that_names_no_types_takes_any() -> None:
    assert Profile(title="x").takes("application/x-anything")


def test_a_message_that_is_too_large_is_told_by_its_largest_part(limited) -> None:
    account = limited(max_body_bytes=5000)
    wanted = command(TEXT, {"content_type": "image/png", "data": ""}, TEXT)
    with pytest.raises(BadCommand) as caught:
        outbound.build(wanted, account, [b"x" * 1000, b"x" * 6000, b"x" * 2000])
    (problem,) = caught.value.problems
    assert problem.path == "parts[1]"
    assert problem.problem.endswith("takes 5000 at most; this part, its largest, has 6000")


def test_a_message_that_is_too_large_without_parts_is_told_as_a_whole(limited) -> None:
    with pytest.raises(BadCommand) as caught:
        outbound.build(command(), limited(max_body_bytes=100), [])
    assert [each.path for each in caught.value.problems] == [""]
