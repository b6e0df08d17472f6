"""Dead letters as values: what one says, which are meant, what is sent again."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from gateway.broker import Delivery
from gateway.contract import headers
from gateway.tools import letters, selection, words
from gateway.tools.selection import Selection

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
COMMAND = b'{"id": "in-body", "to": ["15553199144"], "parts": [{"content_type": "text/plain", "text": "x"}]}'
REFUSED = {
    headers.OUTCOME: "mt.refused",
    headers.REASON: "provider_refused",
    headers.CAUSE: "no such number",
    headers.EVENT_ID: "e1",
    headers.AT: "2026-11-21T10:00:00.000Z",
    headers.STATUS_CODE: 2002,
    headers.STATUS_TEXT: "Address Error",
    headers.COMMAND_ID: "order-1",
    headers.ATTEMPTS: 3,
    headers.HISTORY: '[{"at": "2026-11-21T10:00:00Z", "outcome": "refused"}]',
}
BY_BROKER = {
    "x-death": [{"reason": "delivery_limit", "queue": "mm7.mt.one", "time": NOW - timedelta(hours=3), "count": 1}],
    "x-first-death-reason": "delivery_limit",
    headers.REASON: "of an earlier attempt",
}


def letter(found=REFUSED, body=COMMAND, account="one", **properties):
    return letters.read(Delivery(body=body, headers=found, **properties), account)


def test_a_letter_of_the_worker_says_everything():
    read = letter()
    assert letters.facts(read) == {
        "letter": read.key[:12], "account": "one", "at": "2026-11-21T10:00:00.000Z", "command_id": "order-1",
        "event_id": "e1", "outcome": "mt.refused", "reason": "provider_refused", "cause": "no such number",
        "status_code": 2002, "status_text": "Address Error", "attempts": 3, "replays": 0, "bytes": len(COMMAND),
    }  # fmt: skip


def test_a_letter_of_the_broker_is_read_as_far_as_it_goes():
    read = letter(BY_BROKER)
    assert (read.outcome, read.reason, read.cause) == ("", "delivery_limit", "put here by the broker, from mm7.mt.one")
    assert (read.command_id, read.at) == ("in-body", NOW - timedelta(hours=3))


@pytest.mark.parametrize(
    ("body", "message_id", "expected"),
    [
        (b'{"to": []}', "m1", "m1"),
        (b"\xff\x00", "m1", "m1"),
        (b"\xff\x00", None, ""),
        (b'{"id": 7}', None, ""),
        (b'{"specversion": "1.0", "id": "ce", "data": {"to": []}}', "m1", "ce"),
    ],
)
def test_the_id_of_a_command_that_no_worker_has_read_is_what_the_worker_would_read(body, message_id, expected):
    assert letter({}, body, message_id=message_id).command_id == expected


@pytest.mark.parametrize("value", [None, True, -1, 1.5, b"\xff", [], {}, "x", NOW, 2**63])
def test_no_header_of_anybodys_is_too_strange(value):
    names = [*headers.OF_DEATH, headers.ATTEMPTS, headers.HISTORY, headers.REPLAYS, headers.REPLAY, headers.COMMAND_ID]
    names += [headers.REPLAY_OF]
    for death in (value, [value], [{"reason": value, "queue": value, "time": value}]):
        delivery = Delivery(body=b"\x00", headers=dict.fromkeys(names, value) | {"x-death": death, "own": value})
        read = letters.read(delivery, "one")
        assert words.sheet(letters.facts(read) | letters.contents(delivery))
        assert letters.replayed(read, delivery).headers[headers.REPLAY] == read.key


@pytest.mark.parametrize(
    ("chosen", "taken"),
    [
        ({}, True),
        ({"ids": {"order-1"}}, True),
        ({"ids": {"e1", "other"}}, True),
        ({"ids": {letter().name}}, True),
        ({"ids": {"order-2"}}, False),
        ({"ids": {""}}, False),
        ({"outcomes": {"mt.refused"}}, True),
        ({"outcomes": {"mt.unknown"}}, False),
        ({"reasons": {"expired", "provider_refused"}}, True),
        ({"reasons": {"expired"}}, False),
        ({"codes": {2002, 3000}}, True),
        ({"codes": {3000}}, False),
        ({"since": NOW - timedelta(hours=2)}, True),
        ({"since": NOW - timedelta(hours=1)}, False),
        ({"until": NOW - timedelta(hours=2)}, True),
        ({"until": NOW - timedelta(hours=3)}, False),
        ({"since": NOW - timedelta(hours=3), "until": NOW}, True),
        ({"codes": {2002}, "reasons": {"expired"}}, False),
    ],
)
def test_a_letter_is_meant_if_it_fits_everything_that_was_said(chosen, taken):
    sets = {name: frozenset(value) if isinstance(value, set) else value for name, value in chosen.items()}
    assert selection.takes(Selection(**sets), letter()) is taken


@pytest.mark.parametrize("chosen", [{"since": NOW}, {"until": NOW}, {"codes": frozenset({0})}])
def test_a_letter_that_says_nothing_is_in_no_span_and_has_no_code(chosen):
    assert not selection.takes(Selection(**chosen), letter({}, b""))
    assert selection.takes(Selection(), letter({}, b""))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        ("15m", NOW - timedelta(minutes=15)),
        ("2h", NOW - timedelta(hours=2)),
        ("3d", NOW - timedelta(days=3)),
        ("2026-11-21T10:00:00Z", NOW - timedelta(hours=2)),
        ("2026-11-21T11:00:00+01:00", NOW - timedelta(hours=2)),
        ("2026-11-21", NOW - timedelta(hours=12)),
    ],
)
def test_a_time_or_how_long_ago(text, moment):
    assert selection.moment(text, NOW) == moment


@pytest.mark.parametrize("text", ["", "h", "2 h", "-2h", "1w", "999999d", "yesterday", "0001-01-01T00:00:00+23:00"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ValueError, match="neither a time"):
        selection.moment(text, NOW)


@pytest.mark.parametrize(
    ("found", "options", "why"),
    [
        (REFUSED, {}, ""),
        (REFUSED | {headers.OUTCOME: "mt.unknown"}, {}, letters.MAY_HAVE_ARRIVED),
        (REFUSED | {headers.OUTCOME: "mt.unknown"}, {"unknown": True}, ""),
        (BY_BROKER, {}, letters.MAY_HAVE_ARRIVED),
        ({}, {}, letters.MAY_HAVE_ARRIVED),
        ({}, {"unknown": True}, ""),
        (REFUSED | {headers.REPLAYS: 2}, {}, ""),
        (REFUSED | {headers.REPLAYS: 3}, {}, letters.REPLAYED_OFTEN),
        (REFUSED | {headers.REPLAYS: 3}, {"again": True}, ""),
        (REFUSED | {headers.REPLAYS: 3, headers.OUTCOME: "mt.unknown"}, {"again": True}, letters.MAY_HAVE_ARRIVED),
        (REFUSED | {headers.REPLAYS: 3, headers.OUTCOME: "mt.unknown"}, {"unknown": True}, letters.REPLAYED_OFTEN),
    ],
)
def test_what_may_have_arrived_or_comes_back_again_and_again_is_held_back(found, options, why):
    assert letters.held_back(letter(found), **{"unknown": False, "again": False} | options) == why


def test_what_no_broker_takes_is_held_back_whatever_is_said():
    assert letters.held_back(letter(body=bytes(2**24 + 1)), unknown=True, again=True) == letters.TOO_LARGE


def test_a_command_is_sent_again_as_it_was_and_without_what_became_of_it():
    own = {"own": "x", "n": 1, "traceparent": "00-1", headers.REPLAYS: 1, headers.NOT_BEFORE: "2026-11-22T00:00:00Z"}
    broker = {"x-death": [], "x-delivery-count": 4, "list": [1]}
    delivery = Delivery(
        body=b"body", headers=REFUSED | own | broker, content_type="application/x", type="t",
        correlation_id="c", reply_to="answers", message_id="of-the-attempt",
    )  # fmt: skip
    read = letters.read(delivery, "one")
    again = letters.replayed(read, delivery)
    assert (again.exchange, again.routing_key, again.body) == ("mm7.commands", "one", b"body")
    assert (again.content_type, again.type, again.correlation_id) == ("application/x", "t", "c")
    assert again.headers == {
        "own": "x", "n": 1, "traceparent": "00-1", headers.COMMAND_ID: "order-1", headers.REPLY_TO: "answers",
        headers.REPLAY: read.key, headers.REPLAY_OF: "e1", headers.REPLAYS: 2,
    }  # fmt: skip


def test_a_replay_that_the_broker_gave_up_is_still_to_undo_what_it_was_to():
    delivery = Delivery(body=b"{}", headers=BY_BROKER | {headers.REPLAY: "token", headers.REPLAY_OF: "event-1"})
    again = letters.replayed(letters.read(delivery, "one"), delivery)
    assert again.headers[headers.REPLAY_OF] == "event-1"
    assert again.headers[headers.REPLAY] != "token"


def test_the_id_that_only_the_message_had_goes_with_the_command():
    delivery = Delivery(body=b'{"to": ["15553199144"]}', headers=BY_BROKER, message_id="m1")
    again = letters.replayed(letters.read(delivery, "one"), delivery)
    assert again.headers[headers.COMMAND_ID] == "m1"
    assert headers.REASON not in again.headers


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({headers.AT: "2026-11-21T10:00:01.000Z"}, True),  # written again after a crash
        ({headers.EVENT_ID: "e2"}, False),
        ({headers.REPLAYS: 1}, False),
    ],
)
def test_one_outcome_has_one_token_until_it_was_replayed(change, same):
    assert (letter(REFUSED | change).key == letter().key) is same


def test_of_several_letters_of_a_command_the_latest_alone_is_replayed():
    old = letter(REFUSED | {headers.EVENT_ID: "e0", headers.AT: "2026-11-20T10:00:00Z"})
    other, undated = letter(REFUSED | {headers.COMMAND_ID: "order-2", headers.EVENT_ID: "e3"}), letter({})
    nameless = [letter({}, b"a"), letter({}, b"b")]
    for found in ([old, letter(), other, undated, *nameless], [letter(), old]):
        assert letters.superseded(found) == {old.key}
    assert letters.superseded([letter(), letter()]) == set(), "written twice by a crash, it is one"
    assert letters.superseded([letter(account="two"), old]) == set(), "each account has its own ids"


def test_letters_without_an_outcome_are_told_apart_by_what_they_are():
    keys = {
        letter({}, body, account, message_id=message_id).key
        for body in (b"a", b"b")
        for account in ("one", "two")
        for message_id in ("m1", "m2")
    }
    assert len(keys) == 8
    assert letter({}, b"a").key == letter({}, b"a").key


def test_the_base64_of_a_command_is_shortened_and_the_rest_is_whole():
    data = "QUJD" * 100
    command = {"id": "a", "parts": [{"data": data}, {"text": data}, 1], "metadata": {"data": data}}
    for body in (command, {"specversion": "1.0", "data": command}):
        shown = letters.contents(Delivery(body=json.dumps(body).encode()))["command"]
        shown = shown.get("data", shown)
        assert shown["parts"] == [{"data": f"{data[:60]}… (400 characters)"}, {"text": data}, 1]
        assert shown["metadata"] == {"data": data}


@pytest.mark.parametrize("body", [b"\xff\x1b[2J", b"[" * 400 + b"]" * 400, b"{", b"", b'{"data": {"parts": 1}}', b"1"])
def test_any_body_can_be_shown(body):
    shown = words.sheet(letters.contents(Delivery(body=body, headers={"h": b"\xff", "d": {"a": NOW}})))
    assert "\x1b" not in shown
    assert "\\xff" in shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(-1, "0 s"), (119, "119 s"), (120, "2 min"), (7300, "2 h"), (86400 * 3, "3 d")]
)
def test_an_age_is_shown_in_the_unit_that_fits(seconds, shown):
    assert words.age(seconds) == shown
