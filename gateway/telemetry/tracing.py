"""Traces: spans of callbacks, commands and publishes, and the way of a trace through the headers of messages.

Strategy: off is the usual case, and costs a look at one variable: nothing is recorded then, and what a caller says of
its trace (W3C Trace Context) is handed on as it came. OpenTelemetry's own variables switch it on. Spans leave in
batches by a thread of the SDK's and through a bounded queue, so a collector that is away costs spans and nothing else.
Names are those of its semantic conventions (HTTP, messaging); no attribute holds an address or a text.
"""

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gateway import __version__

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

Trace = Mapping[str, str]  # the headers `traceparent` and `tracestate`, as far as there are any
Headers = Mapping[str, str | int]
Value = str | int | float | bool

FLUSH_SECONDS: Final = 2.0  # for what is not exported yet when the program ends
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
_WELL_FORMED: Final = {
    "traceparent": re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"),  # W3C §3.2
    "tracestate": re.compile(r"[\x20-\x7e]{1,512}"),  # §3.3; more need not be handed on
}
NAMES: Final = tuple(_WELL_FORMED)

# In the context and not in the module: every task has it from the program that started it, and no other test has.
_tracer: ContextVar[trace.Tracer | None] = ContextVar("tracer", default=None)


@contextmanager
def configured(service: str, environ: Mapping[str, str]) -> Iterator[None]:
    """Record what happens inside, where OpenTelemetry's variables ask for it; `service` is the name of the program.

    At the end what is recorded is exported, for `FLUSH_SECONDS` at most. Raises ValueError for what cannot be done.
    """
    if not _asked_for(environ):
        yield
        return
    provider = _provider(service)
    try:
        with recorded(provider.get_tracer("mm7-gateway", __version__)):
            yield
    finally:
        # Not by the SDK's own hook at exit, which waits half a minute for a collector that hangs.
        ending = threading.Thread(target=provider.shutdown, name="flush of traces", daemon=True)
        ending.start()
        ending.join(FLUSH_SECONDS)


@contextmanager
def recorded(tracer: trace.Tracer) -> Iterator[None]:
    """Record what happens inside by a tracer of the caller's."""
    token = _tracer.set(tracer)
    try:
        yield
    finally:
        _tracer.reset(token)


def _asked_for(environ: Mapping[str, str]) -> bool:
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporters = {each.strip() for each in environ.get("OTEL_TRACES_EXPORTER", "").split(",")} - {""}
    if unknown := exporters - {"otlp", "none"}:
        raise ValueError(f"OTEL_TRACES_EXPORTER: {', '.join(sorted(unknown))}: only otlp and none are known")
    on = "otlp" in exporters if exporters else any(map(environ.get, _ENDPOINTS))
    protocol = next(filter(None, map(environ.get, _PROTOCOLS)), "http/protobuf")
    if on and protocol != "http/protobuf":
        raise ValueError(f"OTEL_EXPORTER_OTLP_PROTOCOL: {protocol}: only http/protobuf is spoken (port 4318 as a rule)")
    return on


def _provider(service: str) -> "TracerProvider":
    try:  # here and not above: without the extra all else works
        import requests  # noqa: PLC0415  # the exporter's own client
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as error:
        raise ValueError(
            "traces are asked for by OTEL_…: install mm7-gateway[otel], or set OTEL_SDK_DISABLED"
        ) from error
    session = requests.Session()
    session.trust_env = False  # a proxy for the way out is none to the collector
    ours = {"service.name": service, "service.version": __version__}
    resource = Resource.create(ours | dict(OTELResourceDetector().detect().attributes))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(session=session)))
    return provider


@contextmanager
def receiving(method: str, route: str, headers: Trace) -> Iterator[None]:
    """One request that is answered here; `route` is empty where the path is nobody's. Part of the caller's trace."""
    known = method if method in _METHODS else "_OTHER"
    name = f"{known if known in _METHODS else 'HTTP'} {route}".strip()
    with _span(name, SpanKind.SERVER, given(headers), {"http.request.method": known, "http.route": route or None}):
        yield


@contextmanager
def processing(queue: str, trace_: Trace, body_bytes: int) -> Iterator[None]:
    """One delivery that is worked on. Part of the trace that its message belongs to.

    The messaging conventions ask for a link to the message's context, and allow it as the parent where a span is about
    one message: here it is both, so that a command, all its attempts and its outcome are one trace.
    """
    attributes = _messaging("process", queue) | {"messaging.message.body.size": body_bytes}
    with _span(f"process {queue}", SpanKind.CONSUMER, trace_, attributes, linked=True):
        yield


@contextmanager
def sending(exchange: str, headers: Headers, facts: Mapping[str, Value | None]) -> Iterator[Headers]:
    """One publish, from being written to being confirmed; gives the headers that the message goes out with.

    Part of what is being worked on; where that is nothing, as when the spool is drained, of the message's own trace:
    the callback's. So what subscribers get belongs to one trace with the callback, whenever it goes out.
    """
    if _tracer.get() is None:
        yield headers
        return
    own = None if _context().is_valid else given(headers)
    attributes = {**_messaging("send", exchange), **facts}
    if not exchange:  # straight to a queue that somebody has named for the answer
        attributes["messaging.destination.anonymous"] = True
    with _span(f"send {exchange or '(anonymous)'}", SpanKind.PRODUCER, own, attributes):
        kept = {name: value for name, value in headers.items() if name not in _WELL_FORMED}
        yield kept | _current()


@contextmanager
def posting(url: str, body_bytes: int, attempt: int) -> Iterator[None]:
    """One request to a provider, its attempt number `attempt`. Of the url scheme, host, port and path are shown."""
    size, again = {"http.request.body.size": body_bytes}, {"http.request.resend_count": attempt - 1 or None}
    with _span("POST", SpanKind.CLIENT, None, {"http.request.method": "POST", **size, **again, **_shown(url)}):
        yield


def _shown(url: str) -> dict[str, Value | None]:
    """Without user, password and query: they may be secrets."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:  # it is refused when it is used
        return {}
    full = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
    return {"url.full": full, "server.address": parts.hostname, "server.port": port}


def _messaging(operation: str, destination: str) -> dict[str, Value | None]:
    return {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": destination,
    }


@contextmanager
def _span(
    name: str, kind: SpanKind, parent: Trace | None, attributes: Mapping[str, Value | None], *, linked: bool = False
) -> Iterator[None]:
    """A span round what happens inside; without a `parent` it is part of the one that is current."""
    tracer = _tracer.get()
    if tracer is None:
        yield
        return
    above: Context | None = None if parent is None else TraceContextTextMapPropagator().extract(parent, Context())
    origin = trace.get_current_span(above).get_span_context()
    links = [Link(origin)] if linked and origin.is_valid else None
    said = {name: value for name, value in attributes.items() if value is not None}
    with tracer.start_as_current_span(
        name, above, kind, said, links, record_exception=False, set_status_on_exception=False
    ):
        try:
            yield
        except BaseException as error:  # a cancellation too; without its words, which may be anybody's
            failed(type(error).__name__)
            raise


def note(facts: Mapping[str, Value | None]) -> None:
    """Say more of what is being worked on; None is not said."""
    if _tracer.get() is not None:
        said = {name: value for name, value in facts.items() if value is not None}
        trace.get_current_span().set_attributes(said)


def failed(kind: str) -> None:
    """What is being worked on has failed; `kind` is a word for why, of few that there are."""
    if _tracer.get() is not None:
        span = trace.get_current_span()
        span.set_status(StatusCode.ERROR)
        span.set_attribute("error.type", kind)


def answered(status: int) -> None:
    """The request that is being worked on gets this HTTP status."""
    note({"http.response.status_code": status})
    if status >= 500:  # of what is received 4xx is the other side's fault
        failed(str(status))


def given(headers: Mapping[str, object]) -> Trace:
    """The trace that headers name; empty if they name none that is well-formed."""
    found = {name: headers.get(name) for name in _WELL_FORMED}
    good = {name: text for name, text in found.items() if isinstance(text, str) and _WELL_FORMED[name].fullmatch(text)}
    return good if "traceparent" in good else {}


def handed_on(headers: Mapping[str, object]) -> Trace:
    """The trace for what follows from a request: that of what is being worked on; while off, as the request says."""
    return _current() or given(headers)


def ids() -> dict[str, str]:
    """What is being worked on, for its log lines: `trace_id` and `span_id`; nothing while off."""
    context = _context()
    if not context.is_valid:
        return {}
    return {"trace_id": trace.format_trace_id(context.trace_id), "span_id": trace.format_span_id(context.span_id)}


def _context() -> trace.SpanContext:
    return trace.INVALID_SPAN_CONTEXT if _tracer.get() is None else trace.get_current_span().get_span_context()


def _current() -> dict[str, str]:
    headers: dict[str, str] = {}
    if _tracer.get() is not None:
        TraceContextTextMapPropagator().inject(headers)
    return headers
