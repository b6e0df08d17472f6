"""Logs, metrics and the admin pages."""

import asyncio
import json
import logging
import re
from collections.abc import Sequence
from typing import Any

import aiohttp
import pytest
from prometheus_client import Counter, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from gateway import admin, mm7
from gateway.broker import State
from gateway.telemetry import canonical, logs
from gateway.telemetry.metrics import RECEIVER, WORKER, Metrics, rows
from tests.conftest import plain_logs

DELIVER = mm7.encode(
    mm7.DeliverReq(
        transaction_id="t-1", mm7_version="6.8.0", sender=mm7.Address("15550001111"), subject="a private matter"
    )
).body
CONTRACT = [
    "mm7_callbacks_total",
    "mm7_answer_seconds",
    "mm7_publish_seconds",
    "mm7_quirks_total",
    "mm7_submits_total",
    "mm7_submit_seconds",
    "mm7_retries_total",
    "mm7_dead_total",
    "mm7_broker_up",
    "mm7_broker_blocked",
]


@pytest.fixture
def configured():
    """Logs as the programs have them; the libraries' are put back afterwards."""
    root, before = logging.getLogger(), logging.getLogger().handlers[:]
    yield logs.configure
    root.handlers[:] = before
    plain_logs()


def lines(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


async def test_a_callback_is_one_line_of_facts_without_a_number_or_a_text(configured, receiving, capsys) -> None:
    configured("info", "json")
    started = await receiving()
    await started.post(DELIVER)
    await started.post(b"<DeliverReq xmlns='urn:mm7'><Subject>a private matter</Subject></DeliverReq>")
    await started.post(DELIVER, path="/nowhere")
    accepted, refused, turned_away = lines(capsys)
    assert (accepted["event"], accepted["level"], accepted["operation"], accepted["status"]) == (
        "callback.accepted",
        "info",
        "DeliverReq",
        200,
    )
    assert accepted["event_id"] == started.publisher.events[0]["id"]
    assert (refused["event"], refused["level"], refused["code"], refused["reason"]) == (
        "callback.refused",
        "warning",
        4004,
        "DeliverReq has no sender",
    )
    assert (turned_away["event"], turned_away["status"], turned_away["peer"]) == (
        "callback.turned_away",
        404,
        "127.0.0.1",
    )
    assert turned_away["reason"] == "no account receives callbacks here"
    assert (accepted["transaction_id"], accepted["kept"], accepted["bytes"]) == ("t-1", "broker", len(DELIVER))
    every_line = {"event", "level", "timestamp", "logger"}
    assert accepted.keys() == refused.keys() == turned_away.keys() == every_line | canonical.CALLBACK.keys()
    for shown in (accepted, refused, turned_away):
        assert "private" not in json.dumps(shown)
        assert "15550001111" not in json.dumps(shown)
        assert shown["timestamp"].endswith("Z")


async def test_the_libraries_lines_have_the_same_keys_and_an_exception_its_traceback(configured, capsys) -> None:
    configured("info", "json")
    logging.getLogger("some.library").warning("it is %s", "so")
    logging.getLogger("some.library").info("and nobody wants to know")
    try:
        _ = {}["a bug of ours"]
    except KeyError:
        logs.get().exception("callback.crashed", account="a")
        logs.of_http().exception("and so the server says")
    library, ours, server = lines(capsys)
    assert (library["event"], library["level"], library["logger"]) == ("it is so", "warning", "some.library")
    assert (ours["event"], ours["level"], ours["account"]) == ("callback.crashed", "error", "a")
    assert "KeyError: 'a bug of ours'" in ours["exception"]
    assert "KeyError: 'a bug of ours'" in server["exception"]


async def test_a_request_that_is_no_http_is_one_line_that_does_not_repeat_it(configured, receiving, capsys) -> None:
    configured("info", "json")
    started = await receiving()
    for garbage in (b"POST /mm7/open HTTP/1.1\r\nAuthoriza\xfftion: Basic Z2VoZWlt\r\n\r\n", b"\x16\x03\x01 hello"):
        reader, writer = await asyncio.open_connection("127.0.0.1", started.port)
        writer.write(garbage + b"\r\n\r\n")
        async with asyncio.timeout(5):
            assert b" 400 " in await reader.read()
        writer.close()
    out = capsys.readouterr().out
    assert "Z2VoZWlt" not in out
    assert "Traceback" not in out
    first = json.loads(out.splitlines()[0])
    assert (first["event"], first["level"]) == ("http.malformed: BadHttpMessage from 127.0.0.1", "warning")


@pytest.mark.parametrize(("level", "seen"), [("debug", 2), ("info", 2), ("warning", 1), ("error", 0)])
def test_the_level_decides_what_is_seen(configured, capsys, level, seen) -> None:
    configured(level, "json")
    logs.get().info("a.happened")
    logs.get().warning("b.happened")
    assert len(lines(capsys)) == seen


def test_console_lines_are_for_people_and_json_is_the_default_off_a_terminal(configured, capsys) -> None:
    configured("info", "console")
    logs.get().info("a.happened", count=1)
    assert "a.happened" in capsys.readouterr().out
    configured("info", None)
    logs.get().info("a.happened", path="/\udcff", odd=object)
    [line] = lines(capsys)
    assert line["event"] == "a.happened"


@pytest.mark.parametrize(
    ("number", "shown"),
    [(None, None), ("15550001111", "…11"), ("111122", "111122"), ("12345678", "12345678"), ("", "")],
)
def test_numbers_are_masked_and_short_codes_are_not(number, shown) -> None:
    assert logs.masked(number) == shown


def test_the_metrics_are_those_of_the_contract() -> None:
    text = Metrics().text().decode()
    for name in CONTRACT:
        assert f"# TYPE {name} " in text


def test_each_program_shows_what_it_has_and_the_process_its_own() -> None:
    receiver, worker = (set(families(Metrics(program))) for program in (RECEIVER, WORKER))
    own = {row.name: row.only for _, _, row in rows()}
    assert {name for name in own if name in receiver} == {name for name, only in own.items() if only != WORKER}
    assert {name for name in own if name in worker} == {name for name, only in own.items() if only != RECEIVER}
    assert {
        "process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "process_start_time_seconds",
        "python_gc_collections_total",
    } <= receiver & worker  # fmt: skip


def test_the_names_are_in_the_form_that_prometheus_asks_for() -> None:
    for _, kind, row in rows():
        assert row.name.startswith("mm7_")
        assert row.name.endswith("_total") == (kind is Counter)
        assert row.name.endswith("_seconds") or kind is not Histogram
        assert row.help.endswith(".")


def test_the_series_of_an_account_stand_at_nothing_from_the_start() -> None:
    for program in (RECEIVER, WORKER):
        found = families(Metrics(program, accounts=["one", "two"]))
        for _, kind, row in rows():
            if "account" in row.labels and "quirk" not in row.labels and row.name in found:
                accounts = {sample.labels["account"] for sample in found[row.name]}
                assert accounts == {"one", "two"}, row.name
                assert {sample.value for sample in found[row.name]} == {0}, (row.name, kind)
        assert sum(map(len, found.values())) < 250, "of two accounts"


@pytest.mark.parametrize("within", [0.5, 1.8, 4.0, 30.0])
def test_the_buckets_lie_round_the_time_to_answer_in(within) -> None:
    found = families(Metrics(RECEIVER, accounts=["one"], answer_within=within))
    assert [sample.value for sample in found["mm7_answer_within_seconds"]] == [within]
    for name in ("mm7_answer_seconds", "mm7_publish_seconds"):
        bounds = [float(sample.labels["le"]) for sample in found[name] if sample.name.endswith("_bucket")]
        assert bounds == sorted(set(bounds))
        assert within in bounds
        assert [bound / within for bound in bounds if 0.7 < bound / within < 1.2] == pytest.approx([0.75, 0.9, 1, 1.1])


def families(metrics: Metrics) -> dict[str, list[Any]]:
    """The series by the name of their metric, as Prometheus reads them."""
    parsed = text_string_to_metric_families(metrics.text().decode())
    return {each.name + ("_total" if each.type == "counter" else ""): each.samples for each in parsed}


def series(metrics: Metrics) -> set[tuple[str, ...]]:
    return {
        (sample.name, *sorted(sample.labels.values()))
        for samples in families(metrics).values()
        for sample in samples
        if sample.name.startswith("mm7_")
    }


HOSTILE = ("15550001111", "x" * 3000, 'a"b\\c', "{}", "DROP TABLE", "Zoë\u2028", "submit\u0000", "-1", "null")


async def test_nothing_that_is_sent_makes_a_series_of_its_own(receiving) -> None:
    started = await receiving()

    async def round_of(words: Sequence[str]) -> None:
        for word in words:
            tag = re.sub(r"[^A-Za-z0-9_.-]", "_", word)
            await started.post(f"<{tag} xmlns='{mm7.REL_6_1_4}'><MM7Version>{tag}</MM7Version></{tag}>")
            await started.post(DELIVER.replace(b"6.8.0", tag.encode()).replace(b"15550001111", tag.encode()))
            await started.post(DELIVER, f"text/xml; charset={tag}", X_Header=tag)
            await started.post(DELIVER, f"application/{tag}")
            await started.post(DELIVER.replace(b"<Subject>", f"<{tag}>".encode()))
            await started.post(word.encode(), path=f"/mm7/{tag}")
            await started.post(DELIVER, Content_Encoding=tag)
            await started.post(DELIVER, Authorization=f"Basic {tag}")
            async with started.session.request(tag[:20], f"http://127.0.0.1:{started.port}/mm7/open") as response:
                await response.read()

    await round_of(HOSTILE[:3])
    before = series(started.metrics)
    await round_of([f"{word}{number}" for word in HOSTILE for number in range(3)])
    new = {each for each in series(started.metrics) - before if each[0] != "mm7_quirks_total"}
    assert new == set()
    quirks = {sample.labels["quirk"] for sample in families(started.metrics)["mm7_quirks_total"]}
    assert quirks <= set(mm7.QUIRKS)
    for sample in families(started.metrics)["mm7_callbacks_total"]:
        assert sample.labels["account"] in ("open", "")
        assert sample.labels["operation"] in {*mm7.MESSAGES, ""}
        assert re.fullmatch("accepted|refused|unavailable|http_4[0-9][0-9]", sample.labels["outcome"])


async def test_a_metric_s_label_is_never_what_was_sent(receiving) -> None:
    started = await receiving()
    await started.post(DELIVER)
    for name in ("Secret15550001111", "x" * 5000):
        await started.post(f"<{name} xmlns='{mm7.REL_6_1_4}'><MM7Version>6.8.0</MM7Version></{name}>")
    await started.post(DELIVER.replace(b"<Subject>", b"<subject>").replace(b"</Subject>", b"</subject>"))
    value = started.metrics.registry.get_sample_value
    labels = {"account": "open", "outcome": "accepted", "operation": "DeliverReq"}
    assert value("mm7_callbacks_total", labels) == 2
    assert value("mm7_callbacks_total", labels | {"operation": "", "outcome": "refused"}) == 2
    assert value("mm7_quirks_total", {"account": "open", "quirk": "name_case"}) == 1
    assert value("mm7_answer_seconds_count", {"account": "open"}) == 4
    assert b"15550001111" not in started.metrics.text()


class Link:
    """As much of a connection as the admin pages ask for."""

    def __init__(self) -> None:
        self.state, self.reason = State.UP, ""


async def test_the_admin_pages_tell_alive_from_ready() -> None:
    link, metrics, degraded = Link(), Metrics(), []
    admin.watch_broker(metrics, link)
    async with (
        admin.serving(
            "127.0.0.1", 0, metrics, lambda: admin.Health(admin.broker_reasons(link), list(degraded))
        ) as port,
        aiohttp.ClientSession() as session,
    ):

        async def get(path: str) -> tuple[int, str]:
            async with session.get(f"http://127.0.0.1:{port}{path}") as response:
                return response.status, await response.text()

        assert await get("/livez") == (200, '{"status":"alive"}')
        assert await get("/readyz") == (200, '{"status":"ready","reasons":[]}')
        degraded.append("slow")
        assert await get("/readyz") == (200, '{"status":"degraded","reasons":["slow"]}')
        for line in ("mm7_ready 1.0", "mm7_degraded 1.0", "mm7_draining 0.0"):
            assert f"{line}\n" in (await get("/metrics"))[1]
        degraded.clear()
        assert "mm7_broker_up 1.0" in (await get("/metrics"))[1]
        link.state, link.reason = State.BLOCKED, "memory alarm"
        assert await get("/readyz") == (503, '{"status":"not ready","reasons":["broker blocked: memory alarm"]}')
        assert "mm7_broker_up 1.0\n" in (await get("/metrics"))[1]
        assert "mm7_broker_blocked 1.0\n" in (await get("/metrics"))[1]
        for line in ("mm7_ready 0.0", "mm7_degraded 0.0"):
            assert f"{line}\n" in (await get("/metrics"))[1]
        for path, status in (("/livez", 200), ("/readyz", 503), ("/metrics", 200)):
            async with session.head(f"http://127.0.0.1:{port}{path}") as response:
                assert (response.status, await response.read()) == (status, b""), "as HAProxy asks"
        link.state = State.DOWN
        assert (await get("/livez"))[0] == 200
        assert "mm7_broker_up 0.0\n" in (await get("/metrics"))[1]
        assert (await get("/elsewhere"))[0] == 404


def test_the_pieces_of_a_page_are_the_page_with_hundreds_of_accounts_too() -> None:
    metrics = Metrics(RECEIVER, accounts=[f"account-{number}" for number in range(300)])
    pieces = list(metrics.pieces())
    assert len(pieces) > len(list(metrics.registry.collect())), "large families come in several"
    ours = [line for line in b"".join(pieces).splitlines() if b"mm7_" in line]
    whole = [line for line in generate_latest(metrics.registry).splitlines() if b"mm7_" in line]
    assert ours == whole
