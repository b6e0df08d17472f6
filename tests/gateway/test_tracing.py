"""Spans and the way of a trace through headers, with a recorder in the place of a collector."""

import asyncio
import threading
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from multidict import CIMultiDict
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, format_span_id, format_trace_id

from gateway import entries, http_file, mm7
from gateway.intake import Callback
from gateway.telemetry import tracing

CALLERS = f"00-{'a' * 32}-{'b' * 16}-01"
DELIVER = mm7.encode(
    mm7.DeliverReq(
        transaction_id="t-1", mm7_version="6.8.0", sender=mm7.Address("15550001111"), subject="a private matter"
    )
).body


@contextmanager
def recording():
    """Spans as they end."""
    spans, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    with tracing.recorded(provider.get_tracer("test")):
        yield spans.get_finished_spans


def headers_of(span) -> str:
    flags = f"{span.context.trace_flags:02x}"  # sampled; and where the SDK has made the trace's id, random (level 2)
    return f"00-{format_trace_id(span.context.trace_id)}-{format_span_id(span.context.span_id)}-{flags}"


async def test_a_callback_is_a_span_of_its_callers_trace_and_its_event_belongs_to_it(receiving) -> None:
    with recording() as spans:
        started = await receiving()
        await started.post(DELIVER, traceparent=CALLERS, tracestate="vendor=1")
        await started.post(DELIVER)
    first, second = spans()
    assert (first.name, first.kind, first.status.is_unset) == ("POST /mm7/open", SpanKind.SERVER, True)
    assert headers_of(first).split("-")[1] == "a" * 32
    assert format_span_id(first.parent.span_id) == "b" * 16
    [event] = started.publisher.events
    assert dict(first.attributes) == {
        "http.request.method": "POST",
        "http.route": "/mm7/open",
        "http.response.status_code": 200,
        "mm7.account": "open",
        "mm7.operation": "DeliverReq",
        "mm7.transaction_id": "t-1",
        "mm7.event_id": event["id"],
        "mm7.outcome": "accepted",
        "mm7.kept": "broker",
    }
    sent = started.publisher.sent[0].headers
    assert (sent["traceparent"], sent["tracestate"]) == (headers_of(first), "vendor=1")
    assert (second.parent, second.attributes["mm7.kept"]) == (None, "before")


@pytest.mark.parametrize(
    ("path", "method", "name", "known", "status"),
    [
        ("/nowhere/15550001111", "POST", "POST", "POST", 404),
        ("/mm7/open", "GET", "GET /mm7/open", "GET", 405),
        ("/mm7/open", "PROPFIND", "HTTP /mm7/open", "_OTHER", 405),
    ],
)
async def test_a_name_of_a_span_is_one_of_few_whatever_is_asked(receiving, path, method, name, known, status) -> None:
    with recording() as spans:
        started = await receiving()
        async with started.session.request(method, f"http://127.0.0.1:{started.port}{path}") as response:
            assert response.status == status
    [span] = spans()
    assert (span.name, span.attributes["http.request.method"]) == (name, known)
    assert (span.attributes["http.response.status_code"], span.status.is_unset) == (status, True)
    assert "15550001111" not in str(dict(span.attributes))


async def test_a_callback_that_is_not_kept_is_a_failed_span_and_says_nothing_of_what_was_sent(receiving) -> None:
    with recording() as spans:
        started = await receiving()
        started.publisher.hold = asyncio.Event().wait
        started.receiver._settings = started.receiver._settings.model_copy(update={"answer_within": 0.1})
        assert (await started.post(DELIVER)).status == 503
    [span] = spans()
    assert (span.attributes["error.type"], span.attributes["mm7.outcome"]) == ("503", "unavailable")
    assert span.status.status_code is StatusCode.ERROR
    assert "private" not in str(dict(span.attributes))
    assert "15550001111" not in str(dict(span.attributes))


def test_a_publish_is_part_of_what_is_worked_on_else_of_its_messages_own_trace() -> None:
    with recording() as spans:
        with (
            tracing.receiving("POST", "/mm7/a", {}),
            tracing.sending(
                "mm7.events", {"traceparent": CALLERS, "tracestate": "v=1", "n": 1}, {"mm7.type": "x"}
            ) as given,
        ):
            assert given.keys() == {"traceparent", "n"}
        with tracing.sending("mm7.events", {"traceparent": CALLERS, "tracestate": "v=1"}, {}) as later:
            assert later["tracestate"] == "v=1"
        with tracing.sending("", {"traceparent": "no trace"}, {}):
            pass
    within, callback, drained, anonymous = spans()
    assert (within.name, within.kind, within.parent.span_id) == (
        "send mm7.events",
        SpanKind.PRODUCER,
        callback.context.span_id,
    )
    assert given["traceparent"] == headers_of(within)
    assert headers_of(drained).split("-")[1] == "a" * 32
    assert format_span_id(drained.parent.span_id) == "b" * 16
    assert later["traceparent"] == headers_of(drained)
    assert (anonymous.name, anonymous.parent) == ("send (anonymous)", None)
    assert within.attributes["messaging.system"] == "rabbitmq"
    assert within.attributes["messaging.operation.type"] == "send"
    assert anonymous.attributes["messaging.destination.anonymous"]


def test_a_delivery_is_part_of_its_messages_trace_and_linked_to_it() -> None:
    with recording() as spans:
        with tracing.processing("mm7.mt.a", {"traceparent": CALLERS}, 12):
            pass
        with tracing.processing("mm7.mt.a", {"traceparent": "00-1-2-01"}, 12):
            pass
    first, second = spans()
    assert (first.name, first.kind) == ("process mm7.mt.a", SpanKind.CONSUMER)
    [link] = first.links
    assert (format_trace_id(link.context.trace_id), format_span_id(first.parent.span_id)) == ("a" * 32, "b" * 16)
    assert first.attributes["messaging.message.body.size"] == 12
    assert (second.parent, second.links) == (None, ())


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (
            "https://me:secret@api.example.net/mm7/v1?key=secret#x",
            {"url.full": "https://api.example.net/mm7/v1", "server.address": "api.example.net", "server.port": 443},
        ),
        ("http://[::1]:8080/a", {"url.full": "http://[::1]:8080/a", "server.address": "::1", "server.port": 8080}),
        ("http://host:port/", {}),
    ],
)
def test_of_a_providers_url_no_secret_is_shown(url, shown) -> None:
    with recording() as spans, tracing.posting(url, 5, 2):
        pass
    [span] = spans()
    expected = {"http.request.method": "POST", "http.request.body.size": 5, "http.request.resend_count": 1}
    assert (span.name, span.kind, dict(span.attributes)) == ("POST", SpanKind.CLIENT, expected | shown)


def test_what_fails_is_named_by_its_class_and_not_by_its_words() -> None:
    with recording() as spans:
        for error in (ValueError("15550001111"), asyncio.CancelledError("15550001111")):
            with pytest.raises(type(error)), tracing.processing("q", {}, 0):
                raise error
    assert [span.attributes["error.type"] for span in spans()] == ["ValueError", "CancelledError"]
    assert not any("15550001111" in span.to_json() for span in spans())


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, {}),
        ({"traceparent": CALLERS}, {"traceparent": CALLERS}),
        ({"traceparent": CALLERS, "tracestate": "a=1"}, {"traceparent": CALLERS, "tracestate": "a=1"}),
        ({"traceparent": CALLERS, "tracestate": "a\udcff"}, {"traceparent": CALLERS}),
        ({"traceparent": CALLERS, "tracestate": "a" * 513}, {"traceparent": CALLERS}),
        ({"traceparent": CALLERS.upper()}, {}),
        ({"traceparent": 5, "tracestate": "a=1"}, {}),
        ({"tracestate": "a=1"}, {}),
    ],
)
def test_what_is_not_well_formed_is_no_trace(headers, expected) -> None:
    assert tracing.given(headers) == tracing.handed_on(headers) == expected


async def test_while_off_a_trace_is_handed_on_as_it_came_and_lines_have_no_ids(receiving) -> None:
    started = await receiving()
    await started.post(DELIVER, traceparent=CALLERS, tracestate="vendor=1")
    sent = started.publisher.sent[0].headers
    assert (sent["traceparent"], sent["tracestate"]) == (CALLERS, "vendor=1")
    headers = {"traceparent": "anything", "n": 1}
    with tracing.sending("mm7.events", headers, {}) as given, tracing.posting("http://h/", 1, 1):
        assert given is headers
        tracing.note({"a": 1})
        tracing.failed("x")
    assert tracing.ids() == {}


def test_a_callback_that_waits_whole_keeps_its_trace_and_one_of_an_older_version_its_callers() -> None:
    headers = CIMultiDict({"traceparent": CALLERS})
    at = datetime(2026, 3, 16, tzinfo=UTC)
    callback = Callback("a", at, "POST / HTTP/1.1", headers, b"x", {"traceparent": f"00-{'c' * 32}-{'d' * 16}-01"})
    assert entries.load(entries.dump(callback)).trace == callback.trace
    from gateway.broker import frames

    older = frames.seal(b"MM7C", {"account": "a", "received_at": at.isoformat()}, callback.file())
    assert http_file.parse(callback.file()).headers["traceparent"] == CALLERS
    assert entries.load(older).trace == {"traceparent": CALLERS}


@pytest.mark.parametrize(
    ("environ", "on"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "x", "OTEL_TRACES_SAMPLER": "always_on"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:9"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}, False),
        ({"OTEL_SDK_DISABLED": " True", "OTEL_TRACES_EXPORTER": "otlp"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, False),
    ],
    ids=str,
)
def test_opentelemetrys_own_variables_switch_it_on(environ, on) -> None:
    threads = threading.active_count()
    with tracing.configured("mm7-test", environ):
        assert (tracing._tracer.get() is not None) is on
        assert (threading.active_count() > threads) is on
    assert tracing._tracer.get() is None


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"OTEL_TRACES_EXPORTER": "otlp,console"}, "console"),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "grpc"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"}, "http/json"),
    ],
)
def test_what_they_ask_for_and_cannot_be_had_is_refused(environ, words) -> None:
    with pytest.raises(ValueError, match=words), tracing.configured("mm7-test", environ):
        pass
