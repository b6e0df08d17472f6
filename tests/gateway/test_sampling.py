"""Lines that repeat themselves, and the level that can be changed while a program runs."""

import json
import logging
import warnings

import pytest
import structlog

from gateway.telemetry import canonical, logs, sampling
from gateway.telemetry.sampling import FIRST, MOST_KINDS, WINDOW_SECONDS, Kind, Sampling
from tests.conftest import plain_logs


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(sampling.time, "monotonic", clock)
    monkeypatch.setattr(logs, "Sampling", lambda: Sampling(clock))
    return clock


@pytest.fixture
def configured(clock):
    """Logs as the programs have them; the libraries' are put back afterwards."""
    root, before = logging.getLogger(), logging.getLogger().handlers[:]
    logging.captureWarnings(capture=False)
    yield logs.configure
    logging.captureWarnings(capture=False)
    root.handlers[:] = before
    plain_logs()


def lines(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_first_of_a_kind_are_shown_and_then_their_number(clock) -> None:
    kinds = Sampling(clock)
    shown = [kinds.passes(Kind("a", "one")) for _ in range(FIRST + 5)]
    assert shown == [True] * FIRST + [False] * 5
    assert kinds.passes(Kind("a", "two"))
    assert kinds.left_out() == []
    clock.now += WINDOW_SECONDS
    assert kinds.left_out() == [(Kind("a", "one"), 5)]
    assert kinds.left_out() == []
    assert kinds.passes(Kind("a", "one"))


def test_a_kind_that_goes_on_is_shown_again_after_its_window_whoever_asks(clock) -> None:
    kinds = Sampling(clock)
    for _ in range(FIRST + 7):
        kinds.passes(Kind("a"))
    clock.now += WINDOW_SECONDS
    assert [kinds.passes(Kind("a")) for _ in range(FIRST + 2)] == [True] * FIRST + [False] * 2
    assert kinds.left_out() == [(Kind("a"), 7)]
    clock.now += WINDOW_SECONDS
    assert kinds.left_out() == [(Kind("a"), 2)]


def test_what_befalls_one_queue_hides_nothing_of_another(configured, capsys) -> None:
    configured("info", "json")
    for _ in range(FIRST + 1):
        logs.get().error("handler.crashed", queue="a")
    logs.get().error("handler.crashed", queue="b")
    assert [line["queue"] for line in lines(capsys)] == ["a"] * FIRST + ["b"]


def test_a_reason_that_a_provider_gives_is_short_and_names_no_phone(configured, capsys) -> None:
    configured("info", "json")
    canonical.attempt(logs.get(), "put_off", {"reason": f"4006 handset of +15551230001 is busy {'z' * 9999}"})
    (line,) = lines(capsys)
    assert line["reason"].startswith("4006 handset of … is busy zzz")
    assert len(line["reason"]) <= canonical.MOST_SHOWN


def test_more_kinds_than_can_be_kept_count_as_one(clock) -> None:
    kinds = Sampling(clock)
    for number in range(MOST_KINDS + FIRST + 3):
        kinds.passes(Kind(f"kind {number}"))
    assert len(kinds._windows) <= MOST_KINDS + 1
    assert kinds.left_out(all_of_them=True) == [(sampling.OTHERS, 3)]


def test_a_warning_is_sampled_by_its_account_and_what_was_left_out_is_told(configured, clock, capsys) -> None:
    configured("info", "json")
    log = logs.get("some.module")
    with structlog.contextvars.bound_contextvars(peer="192.0.2.1"):
        for _ in range(FIRST + 3):
            log.warning("spool.publish_failed", account="a")
        log.warning("spool.publish_failed", account="b")
        clock.now += WINDOW_SECONDS
        log.info("thing.happened")
    shown = lines(capsys)
    assert [line["event"] for line in shown[: FIRST + 1]] == ["spool.publish_failed"] * (FIRST + 1)
    assert (shown[FIRST]["account"], shown[FIRST]["logger"]) == ("b", "some.module")
    told, last = shown[FIRST + 1 :]
    assert {name: told.get(name) for name in ("event", "of", "about", "lines", "peer")} == {
        "event": "log.left_out", "of": "spool.publish_failed", "about": "a", "lines": 3, "peer": None,
    }  # fmt: skip
    assert last["event"] == "thing.happened"


def test_what_is_left_out_at_the_end_is_told_then(configured, capsys) -> None:
    tell_left_out = configured("info", "json")
    for _ in range(FIRST + 2):
        logs.get().error("consumer.stalled")
    tell_left_out()
    assert lines(capsys)[-1]["lines"] == 2
    tell_left_out()
    assert lines(capsys) == []


def test_canonical_lines_are_never_sampled_but_for_those_that_anybody_can_cause(configured, capsys) -> None:
    configured("info", "json")
    for word, tell in (
        ("refused", canonical.callback),
        ("unknown", canonical.attempt),
        ("turned_away", canonical.callback),
    ):
        for _ in range(FIRST + 5):
            tell(logs.get(), word, {"account": "a"})
    for _ in range(FIRST + 5):
        logs.get().error("callback.crashed", account="a")
    events = [line["event"] for line in lines(capsys)]
    assert {event: events.count(event) for event in events} == {
        "callback.refused": FIRST + 5, "command.unknown": FIRST + 5, "callback.turned_away": FIRST, "callback.crashed": FIRST,
    }  # fmt: skip


def test_a_librarys_line_is_sampled_by_its_pattern_and_not_by_its_words(configured, capsys) -> None:
    configured("info", "json")
    for number in range(FIRST + 5):
        logging.getLogger("some.library").warning("number %d", number)
    logging.getLogger("some.library").warning("another")
    assert [line["event"] for line in lines(capsys)] == [f"number {n}" for n in range(FIRST)] + ["another"]


def test_every_line_has_the_same_four_keys_whoever_writes_it(configured, capsys) -> None:
    configured("info", "json")
    logs.get("gateway.receiver").info("thing.happened")
    logging.getLogger("asyncio").error("a task %s", "failed")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn("it will go", DeprecationWarning, stacklevel=1)
    ours, library, warned = lines(capsys)
    for line in (ours, library, warned):
        assert {"event", "level", "timestamp", "logger"} <= line.keys()
    assert [line["logger"] for line in (ours, library, warned)] == ["gateway.receiver", "asyncio", "py.warnings"]
    assert "it will go" in warned["event"]


def test_what_the_exporter_complains_of_is_one_line_of_ours_without_a_traceback(configured, capsys) -> None:
    configured("info", "json")
    exporter = logging.getLogger("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    for number in range(FIRST + 5):
        exporter.error("Failed to export span batch: %s", number, exc_info=OSError(number))
    told = lines(capsys)
    assert len(told) == FIRST
    assert (told[0]["event"], told[0]["level"]) == ("traces.not_exported", "warning")
    assert (told[0]["reason"], "exception" in told[0]) == ("Failed to export span batch: 0", False)


@pytest.mark.parametrize("level", ["info", "warning", "debug"])
def test_the_level_is_switched_to_debug_and_back_and_says_so_at_any_level(configured, capsys, level) -> None:
    configured(level, "json")
    log = logs.get()
    log.debug("before")
    for _ in range(2):
        logs.switch(level)
        log.debug("a.detail")
    told = [(line["event"], line.get("now")) for line in lines(capsys)]
    if level == "debug":
        detail = [("a.detail", None)]
        assert told == [("before", None), ("log.level", "debug"), *detail, ("log.level", "debug"), *detail]
    else:
        assert told == [("log.level", "debug"), ("a.detail", None), ("log.level", level)]
    assert logging.getLogger().level == logging.WARNING


def test_a_line_with_a_key_that_is_in_no_table_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="surprise"):
        canonical.callback(logs.get(), "accepted", {"surprise": 1})


def test_a_line_names_the_peer_that_is_bound_for_all_lines_of_its_callback(configured, capsys) -> None:
    configured("info", "json")
    with structlog.contextvars.bound_contextvars(peer="192.0.2.1"):
        canonical.callback(logs.get(), "accepted", {"account": "a"})
    canonical.callback(logs.get(), "accepted", {"account": "a"})
    assert [line["peer"] for line in lines(capsys)] == ["192.0.2.1", None]
