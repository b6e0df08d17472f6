"""Traces of the real programs, at a real OTLP receiver: what belongs together is one trace, whatever came between."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from rundir import free_ports

from gateway.telemetry import canonical
from gateway.tools.simulator import Simulator, refuse

pytestmark = pytest.mark.usefixtures("tidy")

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GIVEN = f"00-{TRACE}-{PARENT}-01"
EXTRA_MISSING = """
import sys
sys.modules["opentelemetry.sdk"] = sys.modules["opentelemetry.exporter"] = None
from {module}.__main__ import main
main()
"""


class Collector:
    """Takes OTLP over HTTP in protobuf, or answers with `status`, or not while `hangs`."""

    def __init__(self) -> None:
        self.spans: list[SimpleNamespace] = []
        self.status = 200
        self.asked = 0
        self.hangs = False
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        self.asked += 1
        body = await request.read()
        if self.hangs:
            await asyncio.sleep(60)
        if self.status == 200:
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                service = _values(resource.resource.attributes)["service.name"]
                for scope in resource.scope_spans:
                    self.spans += [_simple(span, service) for span in scope.spans]
        return web.Response(status=self.status, content_type="application/x-protobuf")

    def of(self, name: str) -> list[SimpleNamespace]:
        """The spans of a name, in the order of their beginnings."""
        return sorted((span for span in self.spans if span.name == name), key=lambda span: span.began)


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


def _simple(span: Span, service: str) -> SimpleNamespace:
    return SimpleNamespace(
        name=span.name,
        kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        service=service,
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        links=[(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
        attributes=_values(span.attributes),
        failed=span.status.code == Status.STATUS_CODE_ERROR,
        began=span.start_time_unix_nano,
    )


@pytest.fixture
async def collector(monkeypatch) -> AsyncIterator[Collector]:
    """A collector that the programs of the test are told of."""
    found = Collector()
    app = web.Application()
    app.router.add_post("/v1/traces", found.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.url)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9/")  # for the way out, which this is not
    yield found
    await runner.cleanup()


def header(message: Any) -> tuple[str, str]:
    """Trace and span of a message's header."""
    _, trace, span, _ = message.headers["traceparent"].split("-")
    return trace, span


async def test_a_callback_is_one_trace_from_its_caller_to_its_subscriber(
    run, settings, amqp_url, broker, name, report, caller, collector, eventually
):
    receiver = await run("gateway", AMQP_URL=amqp_url, CONFIG=settings()).ready()
    events = await broker.follow(f"*.*.{name}.*")
    headers = {"Content-Type": "text/xml", "traceparent": GIVEN, "tracestate": "vendor=1"}
    url = f"http://127.0.0.1:{receiver.port}/mm7/{name}"
    async with caller.session.post(url, data=report("t-1"), headers=headers) as response:
        assert response.status == 200
    message = await events.next("dr.received")
    [callback] = await eventually(lambda: collector.of(f"POST /mm7/{name}"))
    [publish] = await eventually(lambda: collector.of("send mm7.events"))
    assert (callback.kind, callback.trace, callback.parent) == ("SERVER", TRACE, PARENT)
    assert (publish.kind, publish.trace, publish.parent) == ("PRODUCER", TRACE, callback.id)
    assert header(message) == (TRACE, publish.id)
    assert message.headers["tracestate"] == "vendor=1"
    assert callback.service == publish.service == "mm7-gateway"
    event = json.loads(message.body)
    assert callback.attributes["mm7.event_id"] == event["id"]
    assert callback.attributes["http.response.status_code"] == 200
    assert publish.attributes["messaging.destination.name"] == "mm7.events"
    assert publish.attributes["mm7.type"] == "dr.received"
    [line] = receiver.logged("callback.accepted")
    assert (line["trace_id"], line["span_id"]) == (TRACE, callback.id)
    assert canonical.CALLBACK.keys() <= line.keys()
    assert "15553199144" not in str(collector.spans)
    assert await receiver.stop() == 0


async def test_what_waited_in_the_spool_is_published_within_its_callbacks_trace(
    run, settings, amqp_url, broker, name, caller, collector, eventually, tmp_path
):
    options = {"CONFIG": settings(), "SPOOL_DIR": tmp_path / "spool"}
    first = await run("gateway", AMQP_URL="amqp://127.0.0.1:9/", **options).listening()
    assert (await caller.call(first.port, name)).status == 200
    [line] = first.logged("callback.accepted")
    assert line["kept"] == "spool"
    first.process.kill()
    await first.ended()
    events = await broker.follow(f"*.*.{name}.*")
    await run("gateway", AMQP_URL=amqp_url, **options).ready()
    message = await events.next("dr.received", 20)
    [publish] = await eventually(lambda: collector.of("send mm7.events"))
    assert (publish.trace, publish.parent) == (line["trace_id"], line["span_id"])
    assert header(message) == (line["trace_id"], publish.id)


async def test_a_command_and_all_its_attempts_and_its_outcome_are_one_trace(
    run, settings, amqp_url, broker, name, delay, collector, eventually
):
    async with Simulator() as provider:
        provider.script(refuse(4006, "capacity"))
        url = provider.url
        worker = await run("workers", AMQP_URL=amqp_url, CONFIG=settings(f"{url}?key=secret")).ready()
        events = await broker.follow(f"mt.*.{name}.*")
        answers = await broker.queue("mm7.events")
        replies = await broker.read(answers)
        command = {"id": "order-1", "to": ["15553199144"]}
        await broker.command(name, command, headers={"traceparent": GIVEN}, reply_to=answers.name)
        outcome, reply = await events.next("mt.accepted"), await replies.next("mt.accepted")
        await eventually(lambda: len(collector.of(f"process mm7.mt.{name}")) == 2)
    first, second = collector.of(f"process mm7.mt.{name}")
    one, two = collector.of("POST")
    [wait], [event], [answer] = (
        collector.of(f"send {to}") for to in (f"mm7.wait.{delay}", "mm7.events", "(anonymous)")
    )
    assert {span.trace for span in collector.spans} == {TRACE}
    assert {span.service for span in collector.spans} == {"mm7-worker"}
    assert (first.kind, first.parent, first.links) == ("CONSUMER", PARENT, [(TRACE, PARENT)])
    assert (one.kind, one.parent, wait.parent) == ("CLIENT", first.id, first.id)
    assert (wait.kind, second.parent, second.links) == ("PRODUCER", wait.id, [(TRACE, wait.id)])
    assert (two.parent, event.parent, answer.parent) == (second.id,) * 3
    assert (header(outcome), header(reply)) == ((TRACE, event.id), (TRACE, answer.id))
    assert (one.attributes["mm7.code"], one.attributes["error.type"], one.failed) == (4006, "4006", True)
    assert (two.attributes["mm7.outcome"], two.attributes["http.response.status_code"], two.failed) == (
        "accepted",
        200,
        False,
    )
    assert (two.attributes["http.request.resend_count"], two.attributes["url.full"]) == (1, url)
    assert (first.attributes["mm7.outcome"], second.attributes["mm7.outcome"]) == ("put_off", "accepted")
    assert second.attributes["mm7.command_id"] == "order-1"
    assert second.attributes["mm7.turn_seconds"] >= 0
    [put_off], [accepted] = worker.logged("command.put_off"), worker.logged("command.accepted")
    for line, span in ((put_off, first), (accepted, second)):
        assert (line["trace_id"], line["span_id"]) == (TRACE, span.id)
        assert canonical.ATTEMPT.keys() <= line.keys()
    assert (put_off["delay"], put_off["code"], accepted["attempts"]) == (delay, 4006, 2)
    assert "15553199144" not in str(collector.spans) + worker.log
    assert await worker.stop() == 0


async def test_a_dead_letter_and_a_command_of_a_cloud_event_belong_to_their_trace_too(
    run, settings, amqp_url, broker, name, collector, eventually
):
    worker = await run("workers", AMQP_URL=amqp_url, CONFIG=settings()).ready()
    event = {
        "specversion": "1.0",
        "id": "order-2",
        "type": "mt",
        "source": "/x",
        "traceparent": GIVEN,
        "data": {"to": []},
    }
    await broker.command(name, event, content_type="application/cloudevents+json")
    letter = await broker.take(f"mm7.dead.{name}")
    [dead] = await eventually(lambda: collector.of("send mm7.dead"))
    [consumed] = await eventually(lambda: collector.of(f"process mm7.mt.{name}"))
    assert (consumed.trace, consumed.parent, dead.parent) == (TRACE, PARENT, consumed.id)
    assert header(letter) == (TRACE, dead.id)
    assert worker.logged("command.refused")[0]["trace_id"] == TRACE


@pytest.mark.parametrize("trouble", ["away", "hangs", "refuses"])
async def test_a_collector_that_fails_costs_no_callback_and_no_time_and_is_a_warning(
    run, settings, amqp_url, name, caller, collector, eventually, monkeypatch, trouble
):
    collector.hangs, collector.status = trouble == "hangs", 400 if trouble == "refuses" else 200
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    if trouble == "away":
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{free_ports(1)[0]}")
    receiver = await run("gateway", AMQP_URL=amqp_url, CONFIG=settings()).ready()
    for _ in range(20):
        answered = await caller.call(receiver.port, name)
        assert (answered.status, answered.seconds < 1.0) == (200, True)
    await eventually(lambda: receiver.logged("traces.not_exported"))
    await caller.call(receiver.port, name)
    began = time.monotonic()
    assert await receiver.stop() == 0
    assert time.monotonic() - began < 5
    assert all(line["level"] == "warning" for line in receiver.logged("traces.not_exported"))


async def test_a_collector_that_hangs_at_the_end_is_not_waited_for(
    run, settings, amqp_url, name, caller, collector, eventually
):
    collector.hangs = True
    receiver = await run("gateway", AMQP_URL=amqp_url, CONFIG=settings()).ready()
    await caller.call(receiver.port, name)
    await eventually(lambda: collector.asked)
    await caller.call(receiver.port, name)
    began = time.monotonic()
    assert await receiver.stop() == 0
    assert time.monotonic() - began < 5  # not the thirty seconds of the SDK, nor the ten of a request


@pytest.mark.parametrize(("module", "program"), [("gateway", "mm7-gateway"), ("workers", "mm7-worker")])
def test_what_is_asked_for_and_not_installed_is_a_sentence_and_exit_code_2(module, program, settings, monkeypatch):
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    monkeypatch.setenv("MM7_CONFIG", str(settings()))
    code = EXTRA_MISSING.format(module=module)
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=False)
    assert (ended.returncode, "install mm7-gateway[otel]" in ended.stderr) == (2, True), ended.stderr
    assert "Traceback" not in ended.stderr


async def test_mm7_send_begins_the_trace_of_its_command(
    run, settings, amqp_url, broker, name, collector, eventually, monkeypatch
):
    async with Simulator() as provider:
        config = settings(provider.url)
        await run("workers", AMQP_URL=amqp_url, CONFIG=config).ready()
        events = await broker.follow(f"mt.*.{name}.*")
        monkeypatch.setenv("MM7_CONFIG", str(config))
        monkeypatch.setenv("MM7_AMQP_URL", amqp_url)
        line = ["send", "--account", name, "--to", "15553199144", "--text", "Hello"]
        code = "from gateway.tools.cli import main; main()"
        sent = await asyncio.create_subprocess_exec(sys.executable, "-c", code, *line, stdout=subprocess.DEVNULL)
        assert await sent.wait() == 0
        outcome = await events.next("mt.accepted")
    [send] = await eventually(lambda: collector.of("send mm7.commands"))
    [consumed] = await eventually(lambda: collector.of(f"process mm7.mt.{name}"))
    assert (send.service, send.kind, send.parent) == ("mm7", "PRODUCER", "")
    assert (consumed.parent, header(outcome)[0]) == (send.id, send.trace)
