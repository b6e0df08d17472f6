"""The one line of an attempt: the same keys, whatever becomes of it."""

import pytest
from structlog.testing import capture_logs

from gateway.telemetry import canonical
from workers.outcome import Outcome

LATER = Outcome(kind="later", reason="4006 capacity", status_code=4006)
REFUSED = Outcome(kind="refused", reason="2002 no such number", status_code=2002)
UNKNOWN = Outcome(kind="unknown", reason="no answer within 1 s")


@pytest.mark.parametrize(
    ("outcome", "event", "level", "facts"),
    [
        (None, "command.accepted", "info", {"outcome": "accepted", "message_id": "m-1", "code": 1000, "attempts": 1}),
        (LATER, "command.put_off", "info", {"outcome": "put_off", "delay": "10s", "code": 4006, "attempts": 1}),
        (REFUSED, "command.refused", "warning", {"outcome": "refused", "code": 2002, "reason": "provider_refused"}),
        (UNKNOWN, "command.unknown", "warning", {"outcome": "unknown", "reason": "no answer within 1 s"}),
    ],
)
async def test_an_attempt_is_one_line_with_all_of_its_keys(desk, outcome, event, level, facts) -> None:
    if outcome:
        desk.provider.outcomes = [outcome]
    with capture_logs() as lines:
        await desk.handle()
    [line] = [line for line in lines if line["event"].startswith("command.")]
    assert (line["event"], line["log_level"]) == (event, level)
    assert line.keys() - {"event", "log_level"} == canonical.ATTEMPT.keys()
    expected = {"account": "sinch-us", "operation": "submit", "command_id": "order-1"} | facts
    assert {name: line[name] for name in expected} == expected
    assert line["ms"] >= 0
    assert "15553199144" not in str(lines)


async def test_a_command_that_comes_again_and_one_that_is_none_have_the_same_keys(desk) -> None:
    await desk.handle()
    with capture_logs() as lines:
        await desk.handle()
        await desk.handle(b"no command")
    repeated, refused = [line for line in lines if line["event"].startswith("command.")]
    assert (repeated["event"], repeated["outcome"], repeated["message_id"]) == ("command.repeated", "accepted", "m-1")
    assert (refused["event"], refused["reason"], refused["command_id"]) == ("command.refused", "bad_command", None)
    assert repeated.keys() == refused.keys() == canonical.ATTEMPT.keys() | {"event", "log_level"}
