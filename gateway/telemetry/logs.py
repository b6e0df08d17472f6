"""Logs: structlog, one JSON object a line on standard output; on a terminal, lines for people.

Strategy: ours go straight through structlog; those of the libraries come through the standard library's root logger
and the same last steps, so that all lines have the same keys: `event`, `level`, `timestamp`, `logger`. What repeats
itself is sampled in both; the canonical lines are not, save for callers at the door: anybody can cause those.
"""

import contextlib
import contextvars
import io
import json
import logging
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, cast

import orjson
import structlog

from . import canonical, tracing
from .sampling import WINDOW_SECONDS, Kind, Sampling

Format = Literal["json", "console"]

_SAMPLED_LEVELS = ("warning", "error", "exception", "critical")
_NEVER_SAMPLED = {*canonical.LEVELS, "log.left_out"} - {"callback.turned_away"}
_ABOUT = ("account", "name", "queue", "connection")  # of whom a line speaks: each is sampled by himself
_EXPORTERS = ("opentelemetry.exporter.", "opentelemetry.sdk._shared_internal")


def configure(level: str, style: Format | None) -> Callable[[], None]:
    """Set up both kinds of loggers; `style` None means: console on a terminal, else json.

    Gives what is to be called at the end: it tells how many lines were left out and not told of yet.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # what its encoding lacks is written all the same
    chosen = style or ("console" if sys.stdout.isatty() else "json")
    sampling = Sampling()
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _with_trace,
    ]
    # Not with the values of local variables, which its own choice shows: they are what must not stand in a log.
    last: list[Any] = [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    if chosen == "json":
        last = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_dumps)]
    structlog.configure(
        processors=[_sampled(sampling), *shared, *last],
        logger_factory=_Logger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stdout)
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    )
    handler.setFormatter(formatter)
    handler.addFilter(_not_exported)
    handler.addFilter(lambda record: sampling.passes(Kind(f"{record.name}: {str(record.msg)[:100]}")))
    logging.basicConfig(handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    set_level(level)
    # These two tell at length of what `broker.lost` and `broker.unreachable` say in one line.
    for name in ("aiormq", "aio_pika"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return lambda: _tell_left_out(sampling, all_of_them=True)


class _Logger(structlog.PrintLogger):
    """Writes lines; `name` is the module's.

    One that cannot be written is left out: its reader is gone, its disk is full. No answer, no message and no
    connection may depend on a line.
    """

    def __init__(self, name: str = "gateway") -> None:
        super().__init__(sys.stdout)
        self.name = name

    def msg(self, message: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            super().msg(message)

    log = debug = info = warn = warning = msg
    fatal = failure = err = error = critical = exception = msg


def set_level(level: str) -> None:
    """Show lines of this level and above; of the libraries warnings at least: their debugging shows what is sent."""
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(number))
    logging.getLogger().setLevel(max(number, logging.WARNING))


def switch(configured: str) -> None:
    """From the configured level to debug, and back."""
    level = configured if get().is_enabled_for(logging.DEBUG) else "debug"
    set_level("info")  # that it has changed is said at any level
    get(__name__).info("log.level", now=level, configured=configured)
    set_level(level)


def _with_trace(_logger: object, _method: str, line: dict[str, Any]) -> dict[str, Any]:
    line.update(tracing.ids())
    return line


def _sampled(sampling: Sampling) -> Any:
    """The step that drops lines of ours; it comes first, so that what is dropped costs little."""

    def sampled(_logger: object, method: str, line: dict[str, Any]) -> dict[str, Any]:
        event = str(line["event"])
        _tell_left_out(sampling)
        sampled_too = method in _SAMPLED_LEVELS and event not in _NEVER_SAMPLED
        about = next(filter(None, map(line.get, _ABOUT)), None)
        if sampled_too and not sampling.passes(Kind(event, about)):
            raise structlog.DropEvent
        return line

    return sampled


def _tell_left_out(sampling: Sampling, *, all_of_them: bool = False) -> None:
    for kind, lines in sampling.left_out(all_of_them=all_of_them):
        facts = {"of": kind.event, "about": kind.about, "lines": lines, "within_seconds": WINDOW_SECONDS}
        _warn("log.left_out", **facts)


def _warn(event: str, **facts: object) -> None:
    """In a context of its own: it is not about what is being worked on."""
    contextvars.Context().run(partial(get(__name__).warning, event, **facts))


def _not_exported(record: logging.LogRecord) -> bool:
    """What the exporter of traces complains of becomes one line of ours, sampled, without a traceback."""
    if not record.name.startswith(_EXPORTERS):
        return True
    _warn("traces.not_exported", reason=record.getMessage())
    return False


def of_http() -> logging.Logger:
    """The logger of an HTTP server. A request that is no HTTP is answered 400 and takes one line of it."""
    logger = logging.getLogger("gateway.http")
    logger.addFilter(_without_request)
    return logger


def _without_request(record: logging.LogRecord) -> bool:
    """Without aiohttp's traceback, which shows the line of the request that is wrong: it may hold a password."""
    error = record.exc_info[1] if record.exc_info else None
    if type(error).__module__ == "aiohttp.http_exceptions":
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.msg, record.exc_info = f"http.malformed: {type(error).__name__} from %s", None
    return True


def _dumps(value: object, **_: object) -> str:
    try:
        return orjson.dumps(value, default=str).decode()
    except TypeError:  # half a surrogate pair, from bytes that are no text: no reason to fail for want of a log line
        return json.dumps(value, default=str)


def masked(number: str | None) -> str | None:
    """A phone number as logs show it: its last two digits."""
    return None if number is None else "…" + number[-2:] if len(number) > 8 else number  # short codes whole


def get(name: str = "gateway") -> structlog.typing.FilteringBoundLogger:
    """The logger of a module."""
    return cast("structlog.typing.FilteringBoundLogger", structlog.get_logger(name))
