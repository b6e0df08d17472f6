"""`mm7 send`: enqueue a message, and wait for its outcome where asked to."""

import asyncio
import base64
import mimetypes
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from gateway.broker import COMMANDS, Connection, Inbox, Outgoing, Publisher

MAX_ATTACHED_BYTES = 11 * 1024 * 1024  # in base64 it must still fit into one AMQP message of 16 MiB


def command(
    to: Sequence[str], text: str | None, attach: Sequence[Path], subject: str | None, reference: str | None
) -> dict[str, Any]:
    """The command of the options. Raises ValueError for what no command can hold, OSError for unreadable files."""
    for option in filter(None, (*to, text, subject, reference)):
        try:
            option.encode()
        except UnicodeEncodeError:  # the shell handed over bytes of another encoding
            raise ValueError(f"{option!r} is no UTF-8") from None
    parts: list[dict[str, Any]] = [{"content_type": "text/plain", "text": text}] if text is not None else []
    total = 0
    for path in attach:
        data = path.read_bytes()
        total += len(data)
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        parts.insert(0, {"content_type": kind, "data": base64.b64encode(data).decode(), "filename": path.name})
    if total > MAX_ATTACHED_BYTES:
        raise ValueError(f"the attachments have {total} bytes; at most {MAX_ATTACHED_BYTES} fit into a command")
    optional = {"subject": subject, "reference": reference}
    given = {name: value for name, value in optional.items() if value is not None}
    return {"id": str(uuid.uuid4()), "to": list(to), "parts": parts, **given}


async def send(connection: Connection, account: str, body: dict[str, Any]) -> None:
    """Publish a command to an account. Raises PublishFailed."""
    message = Outgoing(
        exchange=COMMANDS,
        routing_key=account,
        body=orjson.dumps(body),
        content_type="application/json",
        correlation_id=body["id"],
    )
    await Publisher(connection).publish(message, within=10.0)


async def send_and_wait(connection: Connection, account: str, body: dict[str, Any], within: float) -> dict[str, Any]:
    """Publish a command and return its outcome event. Raises PublishFailed, or TimeoutError after `within` seconds."""
    async with Inbox(connection, [f"mt.*.{account}.*"]) as inbox:
        await send(connection, account, body)
        async with asyncio.timeout(within):
            async for delivery in inbox:
                if delivery.correlation_id == body["id"]:
                    event: dict[str, Any] = orjson.loads(delivery.body)
                    return event
    raise TimeoutError
