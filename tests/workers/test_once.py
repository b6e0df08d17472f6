"""A command is sent once, whatever ends a worker and whoever else has the command, and comes to one outcome."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from gateway.stores.correlation import Origin
from gateway.stores.ledger import Outcome, Sending
from gateway.stores.state import StateUnavailable, open_state
from workers import once, pulse

KEY = ("sinch-us", "order-1")
GHOST = Sending(worker="ghost", attempt=2, began="2026-01-01T00:00:00.000Z")


async def settle() -> None:
    """Let whatever would happen wrongly happen: some hundred steps, and a few polls of the ledger."""
    for _ in range(10):
        await asyncio.sleep(0.001)
        for _ in range(20):
            await asyncio.sleep(0)


async def test_a_command_is_marked_before_its_post_and_its_outcome_written_before_it_is_published(desk) -> None:
    seen = []

    async def submit(request):
        seen.append(await desk.ledger.look(*KEY))
        return await desk.provider(request)

    async def publish(outgoing, *, within: float) -> None:
        seen.append((await desk.ledger.look(*KEY), await desk.correlation.find("sinch-us", "m-1")))
        await confirmed(outgoing, within=within)

    desk.submitter._submit = submit
    confirmed, desk.broker.publish = desk.broker.publish, publish
    await desk.handle({"reference": "r", "metadata": {"a": [1]}})
    mark, (outcome, origin) = seen
    assert (mark.worker, mark.attempt) == (desk.pulse.worker, 1)
    assert isinstance(outcome, Outcome)
    assert origin == Origin(command_id="order-1", reference="r", metadata={"a": [1]})


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def two_stores(request, tmp_path):
    """One store as two processes have it."""
    url = request.getfixturevalue("redis_url") if request.param == "redis" else f"sqlite://{tmp_path}/state.db"
    if request.param == "memory":
        one = two = open_state("memory://")
    else:
        one, two = open_state(url), open_state(url)
    yield one, two
    await one.close()
    await two.close()


async def test_of_two_workers_that_have_a_command_one_sends_it_and_both_tell_its_outcome(
    make_desk, two_stores, eventually, unique
) -> None:
    one = make_desk(state=two_stores[0])
    two = make_desk(state=two_stores[1], beside=one)
    one.provider.gate.clear()
    async with one.pulse.beating(), two.pulse.beating():
        both = [asyncio.create_task(desk.handle({"id": unique})) for desk in (one, two)]
        await eventually(lambda: one.provider.posts)
        await asyncio.sleep(0.05)  # a second POST would have come
        one.provider.gate.set()
        await asyncio.gather(*both)
    assert len(one.provider.posts) == 1
    first, second = one.broker.to("mm7.events")
    assert first.body == second.body
    assert one.steps.count("ack") == 2


async def test_what_a_dead_worker_was_sending_is_unknown_and_not_sent(desk) -> None:
    await desk.ledger.begin(*KEY, GHOST)
    await desk.handle(redelivered=True, headers={"mm7-attempts": 1})
    assert desk.steps == ["mm7.events", "mm7.dead", "ack"]
    (event,) = desk.broker.events
    assert (event.type, event.data["reason"]) == ("mt.unknown", "the worker ended while it was sent")
    assert event.data["attempts"] == 2
    (letter,) = desk.broker.to("mm7.dead")
    (attempt,) = json.loads(letter.headers["mm7-history"])
    assert (attempt["outcome"], attempt["at"]) == ("unknown", event.time)
    await desk.handle()
    assert desk.provider.posts == []


async def test_what_a_dead_worker_was_sending_is_sent_again_where_the_account_says_so(make_desk) -> None:
    desk = make_desk(on_unknown="resend", delays="10s 60s 5m")
    await desk.ledger.begin(*KEY, GHOST)
    await desk.handle(redelivered=True, headers={"mm7-attempts": 1})
    assert desk.steps == ["mm7.wait.60s", "ack"]
    (letter,) = desk.broker.sent
    assert letter.headers["mm7-attempts"] == 2
    await desk.handle(headers=letter.headers)
    assert len(desk.provider.posts) == 1
    assert desk.broker.events[0].data["attempts"] == 3


@pytest.mark.parametrize("end", ["outcome", "gone", "dead"])
async def test_a_command_that_another_is_sending_is_waited_for(make_desk, end: str) -> None:
    one = make_desk()
    other = make_desk(beside=one)
    mark = Sending(worker=other.pulse.worker, attempt=1, began="now")
    await other.pulse.beat()
    await other.ledger.begin(*KEY, mark)
    waiting = asyncio.create_task(one.handle())
    await settle()
    assert one.steps == []
    if end == "outcome":
        third = make_desk()
        await third.handle()
        recorded = await third.ledger.look(*KEY)
        await other.ledger.finish(*KEY, mark, recorded.event)
    elif end == "gone":
        await other.ledger.forget(*KEY, mark)
    else:
        await other.ledger.leave(other.pulse.worker)
    await waiting
    expected = {
        "outcome": ["mm7.events", "ack"],
        "gone": ["POST", "mm7.events", "ack"],
        "dead": ["mm7.events", "mm7.dead", "ack"],
    }
    assert one.steps == expected[end]


async def test_a_worker_that_has_just_begun_to_work_is_not_taken_for_dead(make_desk, eventually) -> None:
    desk = make_desk()  # it does not beat by itself here
    desk.provider.gate.clear()
    first = asyncio.create_task(desk.handle())
    await eventually(lambda: desk.provider.posts)
    second = asyncio.create_task(make_desk(beside=desk).handle())
    await settle()
    assert desk.steps == ["POST"]
    desk.provider.gate.set()
    await asyncio.gather(first, second)
    assert {event.type for event in desk.broker.events} == {"mt.accepted"}


async def test_a_mark_that_a_living_worker_has_lost_holds_nobody_up_for_ever(make_desk, monkeypatch) -> None:
    monkeypatch.setattr(once, "OUTCOME_WITHIN", 0.1)
    desk = make_desk(timeout=0.1)
    other = make_desk(beside=desk)
    await other.pulse.beat()
    await other.ledger.begin(*KEY, Sending(worker=other.pulse.worker, attempt=1, began="now"))
    began = asyncio.get_running_loop().time()
    await desk.handle()
    assert asyncio.get_running_loop().time() - began > 0.2
    assert desk.broker.events[0].type == "mt.unknown"
    assert desk.provider.posts == []


async def test_a_worker_that_took_its_mark_away_before_it_ended_leaves_nothing_unknown(desk) -> None:
    async def is_over(_: str) -> bool:
        await desk.ledger.forget(*KEY, GHOST)  # its last word, between two looks of ours
        return True

    await desk.ledger.begin(*KEY, GHOST)
    desk.pulse.is_over = is_over
    await desk.handle()
    assert desk.steps == ["POST", "mm7.events", "ack"]


async def test_an_outage_of_the_ledger_makes_nobody_impatient(make_desk, monkeypatch) -> None:
    monkeypatch.setattr(once, "OUTCOME_WITHIN", 0.2)
    monkeypatch.setattr(once, "PAUSE_SECONDS", 0.01)
    desk = make_desk(timeout=0.1)
    other = make_desk(beside=desk)
    mark = Sending(worker=other.pulse.worker, attempt=1, began="now")
    await other.pulse.beat()
    await other.ledger.begin(*KEY, mark)
    waiting = asyncio.create_task(desk.handle())
    await settle()
    desk.state.down = True
    await asyncio.sleep(0.5)
    desk.state.down = False
    await settle()
    assert desk.steps == []
    await other.ledger.forget(*KEY, mark)
    await waiting
    assert desk.steps == ["POST", "mm7.events", "ack"]


async def test_while_the_ledger_does_not_answer_nothing_is_sent_and_then_it_is_sent_once(desk, eventually) -> None:
    desk.state.down = True
    handling = asyncio.create_task(desk.handle())
    await settle()
    assert desk.steps == []
    assert desk.metrics.registry.get_sample_value("mm7_state_unavailable_total", {"use": "ledger"}) > 2
    desk.state.down = False
    await handling
    assert desk.steps == ["POST", "mm7.events", "ack"]


@pytest.mark.parametrize("trouble", ["fails", "loses"])
async def test_a_mark_that_may_or_may_not_have_been_set_is_set_again_with_a_turn_of_its_own(desk, trouble: str) -> None:
    getattr(desk.state, trouble).append("swap command")
    await desk.handle()
    assert desk.steps == ["POST", "mm7.events", "ack"]
    assert desk.state.calls.count("pace rate") == 2


async def test_a_mark_that_was_set_in_vain_is_taken_away(desk, eventually) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=0.2)).isoformat().replace("+00:00", "Z")
    desk.state.loses = desk.state.holds = ["swap command"]
    handling = asyncio.create_task(desk.handle({"not_after": soon}))
    await eventually(lambda: "swap command" in desk.state.calls)
    assert await desk.ledger.look(*KEY)
    desk.state.down = True
    desk.state.gate.set()
    await asyncio.sleep(0.25)
    desk.state.down = False
    await handling
    assert desk.broker.events[0].data["reason"] == "expired"
    assert await desk.ledger.look(*KEY) is None
    await desk.handle()
    assert desk.broker.events[1].type == "mt.accepted"


async def test_a_shutdown_while_the_mark_is_being_set_leaves_no_mark(desk, eventually) -> None:
    desk.state.holds = ["swap command"]
    handling = asyncio.create_task(desk.handle())
    await eventually(lambda: "swap command" in desk.state.calls)
    assert await desk.ledger.look(*KEY)
    handling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await handling
    assert desk.provider.posts == []
    assert await desk.ledger.look(*KEY) is None


async def test_what_a_shutdown_cut_off_amid_its_post_is_unknown_to_the_next_worker(make_desk, eventually) -> None:
    desk = make_desk()
    desk.provider.gate.clear()
    async with desk.pulse.beating():
        handling = asyncio.create_task(desk.handle())
        await eventually(lambda: desk.provider.posts)
        handling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await handling
    await make_desk(beside=desk).handle(redelivered=True)
    assert desk.steps == ["POST", "mm7.events", "mm7.dead", "ack"]
    assert desk.broker.events[0].type == "mt.unknown"


async def test_an_outcome_is_written_as_soon_as_the_ledger_answers_and_published_only_then(desk, eventually) -> None:
    desk.provider.gate.clear()
    handling = asyncio.create_task(desk.handle())
    await eventually(lambda: desk.provider.posts)
    desk.state.down = True
    desk.provider.gate.set()
    await settle()
    assert desk.steps == ["POST"]
    desk.state.down = False
    await handling
    assert desk.steps == ["POST", "mm7.events", "ack"]


async def test_a_worker_that_was_taken_for_dead_tells_what_its_heir_has_told(make_desk, eventually) -> None:
    desk = make_desk()
    desk.provider.gate.clear()
    handling = asyncio.create_task(desk.handle())
    await eventually(lambda: desk.provider.posts)
    desk.state.offset = 11  # it has not beaten for so long
    await make_desk(beside=desk).handle(redelivered=True)
    desk.provider.gate.set()
    await handling
    one, two = desk.broker.to("mm7.events")
    assert (one.type, one.body) == ("mt.unknown", two.body)
    assert len(desk.provider.posts) == 1


@pytest.mark.parametrize(("kind", "letters"), [("accepted", 0), ("refused", 1), ("unknown", 1)])
async def test_a_worker_that_ends_between_post_and_publish_leaves_the_outcome_to_the_next(
    make_desk, outcome_of, failing, eventually, kind: str, letters: int
) -> None:
    desk = make_desk()
    desk.provider.outcomes = [outcome_of(kind, status_code=1000, message_id="m")]
    desk.broker.refuse["mm7.events"] = failing
    handling = asyncio.create_task(desk.handle({"metadata": {"big": 2**70, "f": 1e22, "e": [0.1, -0.0, None]}}))
    while not isinstance(recorded := await desk.ledger.look(*KEY), Outcome):
        await asyncio.sleep(0)
    handling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await handling
    desk.broker.refuse.clear()
    await make_desk(beside=desk).handle(redelivered=True)
    assert desk.steps == ["POST", "mm7.events", *["mm7.dead"] * letters, "ack"]
    (message,) = desk.broker.to("mm7.events")
    assert json.loads(message.body) == json.loads(recorded.event)
    assert message.type == f"mt.{kind}"


@pytest.mark.parametrize("answers", [True, False])
async def test_without_correlation_the_outcome_is_told_all_the_same(desk, answers: bool) -> None:
    desk.state.fails = ["put message"]
    if not answers:
        desk.correlation._state = type(desk.state)()
        desk.correlation._state.down = True
    await desk.handle()
    assert desk.steps == ["POST", "mm7.events", "ack"]
    assert (await desk.ledger.look(*KEY)) is not None
    assert desk.metrics.registry.get_sample_value("mm7_state_unavailable_total", {"use": "correlation"}) > 0
    if answers:
        assert await desk.correlation.find("sinch-us", "m-1") == Origin(command_id="order-1")


async def test_a_fault_of_ours_behind_a_post_is_an_unknown_outcome_when_it_comes_again(desk) -> None:
    async def remember(*_: object) -> None:
        raise RuntimeError("a fault")

    desk.correlation.remember = remember
    with pytest.raises(RuntimeError):
        await desk.handle()
    await desk.handle(redelivered=True)
    assert desk.steps == ["POST", "mm7.events", "mm7.dead", "ack"]
    assert desk.broker.events[0].type == "mt.unknown"


async def test_what_was_never_sent_may_be_mended_and_sent_under_its_id(desk) -> None:
    await desk.handle({"priority": "urgent"})
    await desk.handle({"not_after": "2020-01-01T00:00:00Z"})
    await desk.handle({"not_after": None})
    reasons = [event.data.get("reason") for event in desk.broker.events]
    assert reasons == ["bad_command", "expired", None]
    assert len(desk.provider.posts) == 1


async def test_what_expires_before_its_turn_while_another_sends_it_has_the_outcome_of_that(make_desk) -> None:
    desk = make_desk(rate=2)
    other = make_desk(rate=2, beside=desk)
    await desk.pace.turn()
    late = (datetime.now(UTC) + timedelta(seconds=0.75)).isoformat().replace("+00:00", "Z")
    await asyncio.gather(desk.handle({"not_after": late}), other.handle({"not_after": late}, redelivered=True))
    one, two = desk.broker.to("mm7.events")
    assert (one.type, one.body) == ("mt.accepted", two.body)


async def test_what_expired_after_an_attempt_is_not_sent_under_its_id(desk) -> None:
    await desk.handle({"not_after": "2020-01-01T00:00:00Z"}, headers={"mm7-attempts": 1})
    await desk.handle()
    one, two = desk.broker.to("mm7.events")
    assert one.body == two.body
    assert desk.provider.posts == []


async def test_a_command_that_waits_for_the_ledger_for_long_goes_to_a_wait_queue_as_it_came(desk, monkeypatch) -> None:
    monkeypatch.setattr(once, "HOLD_SECONDS", 0.01)
    desk.state.down = True
    soon = "2026-11-22T00:00:00.000Z"
    await desk.handle(headers={"mm7-attempts": 1, "mm7-not-before": soon})
    assert desk.steps == ["mm7.wait.60s", "ack"]
    (letter,) = desk.broker.sent
    assert (letter.headers["mm7-attempts"], letter.headers["mm7-not-before"]) == (1, soon)
    assert "mm7-history" not in letter.headers


@pytest.mark.parametrize("why", ["it may be marked", "no wait queue"])
async def test_a_command_that_cannot_be_put_off_goes_on_waiting_for_the_ledger(
    make_desk, monkeypatch, eventually, why: str
) -> None:
    monkeypatch.setattr(once, "HOLD_SECONDS", 0.01)
    desk = make_desk(delays="10s" if why == "it may be marked" else "")
    desk.state.loses = desk.state.holds = ["swap command"]
    handling = asyncio.create_task(desk.handle())
    await eventually(lambda: "swap command" in desk.state.calls)
    desk.state.down = True
    desk.state.gate.set()
    await asyncio.sleep(0.1)
    assert desk.steps == []
    desk.state.down = False
    await handling
    assert desk.steps == ["POST", "mm7.events", "ack"]


async def test_a_ledger_that_can_be_read_and_not_written_holds_a_command_no_longer(desk, monkeypatch) -> None:
    async def put(*_: object, **__: object) -> None:
        raise StateUnavailable("full")

    monkeypatch.setattr(once, "HOLD_SECONDS", 0.01)
    desk.state.put = put
    await desk.handle()
    assert desk.steps == ["mm7.wait.60s", "ack"]


async def test_a_mark_that_was_seen_not_to_stand_keeps_no_command_from_being_put_off(desk, monkeypatch) -> None:
    async def turn() -> None:
        desk.state.down = "swap command" in desk.state.calls  # from the second turn on

    monkeypatch.setattr(once, "HOLD_SECONDS", 0.01)
    monkeypatch.setattr(pulse, "FRESH_SECONDS", -1)
    desk.pace.turn = turn
    desk.state.fails = ["swap command"]
    await desk.handle()
    assert desk.steps == ["mm7.wait.60s", "ack"]


class TestDraining:
    """A worker that is to end."""

    @pytest.mark.parametrize("waits_for", ["turn", "ledger", "another", "mark"])
    async def test_begins_no_post_and_leaves_what_waits_to_others(self, make_desk, eventually, waits_for: str) -> None:
        desk = make_desk(rate=1)
        if waits_for == "turn":
            await desk.pace.turn()
        elif waits_for == "ledger":
            desk.state.down = True
        elif waits_for == "another":
            await desk.ledger.beat("w2")
            await desk.ledger.begin(*KEY, Sending(worker="w2", attempt=1, began="now"))
        else:
            desk.state.holds = ["swap command"]
        handling = asyncio.create_task(desk.handle())
        await eventually(lambda: waits_for != "mark" or "swap command" in desk.state.calls)
        await settle()
        desk.submitter._once.drain()
        await asyncio.wait({handling}, timeout=1)
        assert handling.cancelled()
        assert handling.cancelling(), "or the consumer takes it for a crash"
        assert desk.steps == []
        known = await desk.state._store.get("command:sinch-us:order-1")
        assert (known is None) is (waits_for != "another")

    async def test_sends_nothing_that_comes_after_it(self, desk) -> None:
        desk.submitter._once.drain()
        handling = asyncio.create_task(desk.handle())
        await asyncio.wait({handling}, timeout=1)
        assert handling.cancelled()
        assert handling.cancelling()
        assert desk.steps == []

    async def test_finishes_what_it_has_begun(self, desk, eventually, failing) -> None:
        desk.provider.gate.clear()
        desk.broker.failures = [failing]
        handling = asyncio.create_task(desk.handle())
        await eventually(lambda: desk.provider.posts)
        desk.submitter._once.drain()
        await settle()
        desk.provider.gate.set()
        await handling
        assert desk.steps == ["POST", "mm7.events", "ack"]


def replay_of(event, token: str = "token-1") -> dict[str, str]:
    """The headers of a replay of the letter that an event had."""
    return {"mm7-replay": token, "mm7-replay-of": event.id}


class TestReplay:
    """A command that somebody sends once more on purpose."""

    async def test_is_sent_once_and_its_outcome_is_the_newest_of_the_command(self, desk, outcome_of) -> None:
        desk.provider.outcomes = [outcome_of("unknown"), outcome_of("unknown"), outcome_of("accepted", message_id="m")]
        await desk.handle()
        one = replay_of(desk.broker.events[0], "token-1")
        await desk.handle(headers=one)
        two = replay_of(desk.broker.events[1], "token-2")
        for headers in (one, two, one, two, {}):
            await desk.handle(headers=headers)
        assert len(desk.provider.posts) == 3
        first, second, again, *rest = (message.body for message in desk.broker.to("mm7.events"))
        assert again == second
        assert len({first, second, *rest}) == 3, "a second unknown outcome is another event; the last is repeated"
        assert desk.broker.events[-1].type == "mt.accepted"

    async def test_outcome_is_repeated_for_a_later_duplicate_of_the_command(self, desk, outcome_of) -> None:
        desk.provider.outcomes = [outcome_of("refused"), outcome_of("accepted")]
        await desk.handle()
        await desk.handle(headers=replay_of(desk.broker.events[0]))
        await desk.handle()
        assert [event.type for event in desk.broker.events] == ["mt.refused", "mt.accepted", "mt.accepted"]

    async def test_keeps_what_it_is_through_the_wait_queues(self, desk, outcome_of) -> None:
        desk.provider.outcomes = [outcome_of("unknown"), outcome_of("later"), outcome_of("accepted")]
        await desk.handle()
        headers = replay_of(desk.broker.events[0])
        huge = {f"h{number}": "x" * 1000 for number in range(100)}
        await desk.handle(headers=huge | headers | {"mm7-replays": 1})
        (letter,) = desk.broker.to("mm7.wait.10s")
        assert headers.items() <= letter.headers.items()
        assert letter.headers["mm7-replays"] == 1
        await desk.handle()
        assert desk.broker.events[1].type == "mt.unknown", "what was before it stands while it waits"
        await desk.handle(headers=letter.headers)
        await desk.handle(headers=headers)
        assert len(desk.provider.posts) == 3
        assert desk.broker.events[-1].type == "mt.accepted"

    async def test_of_a_bad_command_is_refused_with_another_event(self, desk) -> None:
        await desk.handle(b"no json", message_id="a")
        await desk.handle(b"no json", message_id="a", headers={"mm7-replay": "token-1"})
        one, two = desk.broker.events
        assert one.id != two.id

    async def test_of_a_command_that_was_never_remembered_is_sent(self, desk) -> None:
        await desk.handle({"priority": "urgent"})
        await desk.handle(headers=replay_of(desk.broker.events[0]))
        assert [event.type for event in desk.broker.events] == ["mt.refused", "mt.accepted"]

    async def test_waits_for_the_command_that_is_being_sent_and_repeats_its_outcome(self, desk, eventually) -> None:
        await desk.handle({"not_after": "2020-01-01T00:00:00Z"})
        desk.provider.gate.clear()
        plain = asyncio.create_task(desk.handle())
        await eventually(lambda: desk.provider.posts)
        replay = asyncio.create_task(desk.handle(headers=replay_of(desk.broker.events[0])))
        await settle()
        desk.provider.gate.set()
        await asyncio.gather(plain, replay)
        assert len(desk.provider.posts) == 1
        assert [event.type for event in desk.broker.events] == ["mt.refused", "mt.accepted", "mt.accepted"]

    @pytest.mark.parametrize("kind", ["accepted", "unknown", "refused"])
    async def test_of_a_letter_from_before_the_last_outcome_repeats_that_and_sends_nothing(
        self, desk, outcome_of, kind: str
    ) -> None:
        desk.provider.outcomes = [outcome_of(kind, message_id="m")]
        await desk.handle({"not_after": "2020-01-01T00:00:00Z"})
        await desk.handle()
        await desk.handle(headers=replay_of(desk.broker.events[0]))
        assert len(desk.provider.posts) == 1
        _, first, again = (message.body for message in desk.broker.to("mm7.events"))
        assert first == again

    @pytest.mark.parametrize("headers", [{}, {"mm7-replay-of": "another"}])
    async def test_of_a_letter_that_the_broker_wrote_repeats_what_has_become_of_it(
        self, desk, outcome_of, headers: dict
    ) -> None:
        desk.provider.outcomes = [outcome_of("unknown")]
        await desk.handle()
        await desk.handle(headers={"mm7-replay": "token-1", **headers})
        assert len(desk.provider.posts) == 1

    async def test_of_which_there_are_two_at_once_is_sent_once(self, make_desk, outcome_of, eventually) -> None:
        desk = make_desk()
        desk.provider.outcomes = [outcome_of("unknown")]
        await desk.handle()
        (first,) = desk.broker.events
        desk.provider.gate.clear()
        both = [asyncio.create_task(desk.handle(headers=replay_of(first, token))) for token in ("one", "two")]
        await eventually(lambda: len(desk.provider.posts) == 2)
        await settle()
        desk.provider.gate.set()
        await asyncio.gather(*both)
        assert len(desk.provider.posts) == 2
        assert len({event.id for event in desk.broker.events}) == 2

    @pytest.mark.parametrize("heir", ["replay", "duplicate"])
    async def test_that_a_dead_worker_was_sending_is_unknown_and_not_sent_again(
        self, make_desk, outcome_of, eventually, heir: str
    ) -> None:
        desk = make_desk()
        desk.provider.outcomes = [outcome_of("unknown")]
        await desk.handle()
        headers = replay_of(desk.broker.events[0])
        desk.provider.gate.clear()
        sending = asyncio.create_task(desk.handle(headers=headers))
        await eventually(lambda: len(desk.provider.posts) == 2)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await desk.ledger.leave(desk.pulse.worker)
        other = make_desk(beside=desk)
        await other.handle(redelivered=True, headers=headers if heir == "replay" else {})
        await other.handle(redelivered=True, headers=headers)
        assert len(desk.provider.posts) == 2
        first, one, two = desk.broker.events
        assert one == two
        assert (one.type, one.id == first.id) == ("mt.unknown", False)
