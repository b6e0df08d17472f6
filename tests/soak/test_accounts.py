from collections import Counter

import pytest

from tests.soak import accounts, report
from tests.soak.accounts import Clock, Kept, Post, Stored
from tests.soak.report import Seen

AT = "2026-03-16T14:00:0{}.000Z"


def post(identity="a", sent=0.0, ended=0.1, status=200, acknowledged=None, receiver="one"):
    return Post(identity, receiver, sent, ended, status, status == 200 if acknowledged is None else acknowledged)


def event(identity="a", event_id="e", kind="mo.received", at="", **data):
    return {
        "id": event_id,
        "type": kind,
        "data": {"transaction_id": identity, "account": "x", "received_at": at} | data,
    }


def seen(**given):
    nothing = dict(
        posts=[], clock=Clock(), kept=[], events=[], ordered=set(), doubled=0, accepted=Counter(), reported={}
    )
    return Seen(**nothing | given)


@pytest.mark.parametrize(
    ["given", "away", "stalls", "found"],
    [
        (post(ended=1.9), [], [], False),
        (post(ended=2.1), [], [], True),
        (post(ended=2.1), [], [(0.5, 0.7)], False),  # it was we who stood still
        (post(ended=2.1), [], [(3.0, 4.0)], True),
        (post(ended=2.1), [(1.0, 1.5)], [], False),  # it was killed meanwhile
        (post(ended=2.1), [(2.2, 3.0)], [], True),
        (post(ended=0.1, status=None), [], [], True),  # a connection that breaks is no answer
        (post(ended=0.1, status=None), [(0.1, float("inf"))], [], False),
        (post(sent=None, ended=9.0, status=None), [], [], False),  # nothing was sent
    ],
)
def test_late_is_what_a_receiver_that_was_up_did_not_answer_in_time(given, away, stalls, found):
    clock = Clock(stalls=stalls)
    clock.away["one"] += away
    assert (accounts.late([given], clock) == [given]) is found


@pytest.mark.parametrize(
    ["places", "posts", "cause"],
    [
        (["broker", "spool"], [], "repeated while the state store did not answer"),
        (["spool", "before"], [], "published unconfirmed, then from the spool"),
        (["broker"], [post(status=503), post()], "published unconfirmed and answered 503, then repeated"),
        (["broker"], [post(status=None), post()], "receiver killed before it could remember"),
        (["broker"], [post()], "unexplained"),
    ],
)
def test_a_duplicate_has_a_cause(places, posts, cause):
    kept = [Kept("e", "one", place) for place in places]
    assert accounts.causes({"a": "e"}, posts, kept) == {cause: 1}


@pytest.mark.parametrize(
    ["order", "seconds"],
    [("abcd", [0, 0, 0, 0]), ("bacd", [0, 1, 0, 0]), ("dabc", [0, 3, 2, 1]), ("abcda", [0, 0, 0, 3]), ("", [])],
)
def test_what_went_through_the_spool_is_expected_in_the_order_of_arrival(order, seconds):
    stored = [Stored(each, "x", AT.format(ord(each) - ord("a"))) for each in order]
    assert accounts.behind(stored, [Kept(each, "one", "spool") for each in "abcd"]) == seconds


def test_order_holds_within_an_account_and_a_receiver_and_for_the_spool_alone():
    stored = [Stored("b", "x", AT.format(2)), Stored("a", "y", AT.format(1)), Stored("c", "x", AT.format(0))]
    assert accounts.behind(stored, [Kept(each, "one", "spool") for each in "ab"]) == [0, 0]
    assert accounts.behind(stored, [Kept("b", "one", "spool"), Kept("c", "two", "spool")]) == [0, 0]


def test_good_accounts_have_no_problems():
    _, problems = report.make(
        seen(
            posts=[post(status=503), post()],
            events=[event(), event("", "o", "mt.accepted", command_id="c")],
            ordered={"c"},
            accepted=Counter(c=1),
        )
    )
    assert problems == []


@pytest.mark.parametrize(
    ["given", "word"],
    [
        ({"posts": [post()]}, "lost"),
        ({"posts": [post(ended=2.1)], "events": [event()]}, "late or never"),
        ({"ordered": {"c"}}, "without an outcome"),
        ({"accepted": Counter(c=2)}, "sent twice"),
        ({"events": [event(kind="mt.unknown", command_id="c", event_id=each) for each in "ab"]}, "two outcomes"),
        ({"events": [event(event_id="e"), event(event_id="f")]}, "two event ids"),
        ({"events": [event(parts=[{"url": "file:///nowhere/at/all", "bytes": 1}])]}, "media store"),
        ({"events": [event(kind="dr.received", command_id="c")], "reported": {"a": "d"}}, "another command"),
    ],
)
def test_bad_accounts_say_what_is_wrong(given, word):
    _, problems = report.make(seen(**given))
    assert len(problems) == 1
    assert word in problems[0]


def test_the_table_has_a_row_for_each_figure():
    figures, _ = report.make(seen())
    lines = report.table("seed 1", figures).splitlines()
    assert len(lines) == 2 + sum(1 + len(group) for group in figures.values())
    assert "| lost | 0 |" in lines
