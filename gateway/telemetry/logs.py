"""Logs: structlog, one JSON object a line on standard output; on a terminal, lines for people.

Strategy: ours go straight through structlog; those of the libraries come through the standard library's root logger
and the same last steps, so that all lines have the same keys.
"""

import json
import logging
import sys
from typing import Any, Literal, cast

import orjson
import structlog

Format = Literal["json", "console"]


def configure(level: str, style: Format | None) -> None:
    """Set up both kinds of loggers; `style` None means: console on a terminal, else json."""
    chosen = style or ("console" if sys.stdout.isatty() else "json")
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Any] = [structlog.dev.ConsoleRenderer()]
    if chosen == "json":
        last = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_dumps)]
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stdout)
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    )
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING), force=True)
    # These two tell at length of what `broker.lost` and `broker.unreachable` say in one line.
    for name in ("aiormq", "aio_pika"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


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


def get() -> structlog.typing.FilteringBoundLogger:
    """The logger."""
    return cast("structlog.typing.FilteringBoundLogger", structlog.get_logger())
