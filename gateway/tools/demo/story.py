"""What the demo shows: each step says what happens, waits until it has really happened, and is timed."""

import asyncio
import os
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import orjson

from gateway.broker import Connection, Inbox
from gateway.tools import send, words

from .stage import Stage

EVENT_WITHIN = 15.0
SILENCE_SECONDS = 0.5


class StoryError(Exception):
    """Something that should have happened did not."""


class Narrator:
    """Says the steps and keeps their times, in seconds."""

    def __init__(self) -> None:
        self.times: list[tuple[str, float]] = []

    @asynccontextmanager
    async def step(self, title: str) -> AsyncIterator[None]:
        """One step."""
        self.say(f"\n{len(self.times) + 1}. {title}")
        began = time.monotonic()
        yield
        self.times.append((title, time.monotonic() - began))

    def say(self, line: str) -> None:
        """One line, at once."""
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    def tell(self, line: str) -> None:
        """One detail of a step."""
        self.say(f"   {line}")


class Story:
    """The steps on a stage that is up."""

    def __init__(self, stage: Stage, narrator: Narrator, connection: Connection, inbox: Inbox) -> None:
        self._stage = stage
        self._narrator = narrator
        self._connection = connection
        self._inbox = inbox
        self._seen: list[dict[str, Any]] = []

    async def tell(self) -> None:
        """All of it. Raises StoryError for a step that failed."""
        await self._picture()
        await self._quirks()
        await self._retry()
        command_id = await self._submit()
        await self._report(command_id)

    async def _picture(self) -> None:
        tell = self._narrator.tell
        async with self._narrator.step("A picture message arrives (MO), in the shape that Sinch documents"):
            result = await self._stage.sinch.send_mo("Greetings from the lake")
            if not result.delivered:
                raise StoryError("the receiver did not accept the message")
            tell(
                f"the provider POSTed it; the receiver answered {result.http_status},"
                f" StatusCode {result.status_code}, in {result.milliseconds:.0f} ms"
            )
            event = await self._event(lambda e: e["type"] == "mo.received")
            data = event["data"]
            tell(f"RabbitMQ has it as JSON: {words.line(event)}")
            picture = next(part for part in data["parts"] if part["content_type"].startswith("image/"))
            path = Path(unquote(urlsplit(picture["url"]).path))
            stored = path.read_bytes()
            if len(stored) != picture["bytes"]:
                raise StoryError(f"{path} has {len(stored)} bytes, not {picture['bytes']}")
            width, height = (int.from_bytes(stored[at : at + 4]) for at in (16, 20))  # PNG: IHDR
            tell(f"the picture: {width} × {height} pixels, {words.size(picture['bytes'])}, in {os.path.relpath(path)}")
            tell(f"the text: {data['text']!r}, inline in the event")

    async def _quirks(self) -> None:
        tell = self._narrator.tell
        async with self._narrator.step("One from Vibes, whose documentation breaks most XML parsers"):
            result = await self._stage.vibes.send_mo("Hello from Vibes")
            if not result.delivered:
                raise StoryError("the receiver did not accept the message")
            event = await self._event(lambda e: e["data"]["account"] == "demo-vibes")
            tell(f"read all the same: {words.line(event)}")
            tell("every deviation has a name: " + ", ".join(event["data"]["quirks"]))

    async def _retry(self) -> None:
        tell = self._narrator.tell
        first = self._seen[0]
        async with self._narrator.step("The provider repeats the first message, as it does after a timeout"):
            result = await self._stage.sinch.send(self._stage.sinch.results[0].message)
            if not result.delivered:
                raise StoryError("the receiver did not accept the repetition")
            tell(f"it is answered {result.http_status}, StatusCode {result.status_code}, like the first")
            await self._silence(lambda e: e["id"] == first["id"])
            tell("and not published again: the state store remembers what was")

    async def _submit(self) -> str:
        tell = self._narrator.tell
        async with self._narrator.step("A message goes out (MT): a command on RabbitMQ, a SubmitReq to the provider"):
            body = send.command(["15553199144"], "Your parcel has arrived.", [], "Your parcel", "customer 99")
            body["id"] = f"demo-{uuid.uuid4().hex[:8]}"
            await send.send(self._connection, "demo-sinch", body)
            tell(f"command {body['id']} published to mm7.commands, key demo-sinch")
            submit = await self._stage.sinch.next_submit(within=EVENT_WITHIN)
            kinds = ", ".join(part.content_type for part in submit.parts)
            tell(f"the provider received a SubmitReq with {kinds}")
            event = await self._event(lambda e: e["data"].get("command_id") == body["id"])
            if event["type"] != "mt.accepted":
                raise StoryError(f"the command was not accepted: {words.line(event)}")
            tell(f"RabbitMQ has the outcome: {words.line(event)}")
            return str(event["data"]["message_id"])

    async def _report(self, message_id: str) -> None:
        async with self._narrator.step("Its delivery report comes home (DR)"):
            event = await self._event(lambda e: e["type"] == "dr.received" and e["data"]["message_id"] == message_id)
            self._narrator.tell(f"RabbitMQ has it: {words.line(event)}")
            data = event["data"]
            self._narrator.tell(f"and it says of which command: {data['command_id']}, reference {data['reference']!r}")

    async def _silence(self, unwanted: Callable[[dict[str, Any]], bool]) -> None:
        """Half a second without such an event."""
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                await self._event(unwanted)
        except TimeoutError:
            return
        raise StoryError("the repetition was published as well")

    async def _event(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The next event that is wanted; the others pass by."""
        try:
            async with asyncio.timeout(EVENT_WITHIN):
                async for delivery in self._inbox:
                    event: dict[str, Any] = orjson.loads(delivery.body)
                    self._seen.append(event)
                    if wanted(event):
                        return event
        except TimeoutError:
            pass
        raise StoryError(f"no such event within {EVENT_WITHIN:g} s; logs: {self._stage.folder}")
