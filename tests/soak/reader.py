"""A subscriber: takes everything out of the stage's shelf, all the time, whatever becomes of the broker."""

import asyncio
import contextlib
import json
from typing import Any

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from tests import published
from tests.faults.stage import AWAY, Stage

LOOK_EVERY, OPEN_WITHIN = 0.5, 5.0


class Reader:
    """`events`, in the order in which they came.

    One is taken down before it is acknowledged. What a broken connection makes come again is known by its message_id,
    which is another one for each publish.
    """

    def __init__(self, stage: Stage) -> None:
        self.events: list[dict[str, Any]] = []
        self._stage = stage
        self._seen: set[str] = set()

    async def read(self) -> None:
        """For ever."""
        while True:
            try:
                await self._one_connection()
            except AWAY:
                pass
            except asyncio.CancelledError:  # the library raises it too, where a connection is half open
                if (task := asyncio.current_task()) is None or task.cancelling():
                    raise
            await asyncio.sleep(LOOK_EVERY)

    async def _one_connection(self) -> None:
        async with asyncio.timeout(OPEN_WITHIN):
            connection = await aio_pika.connect(self._stage.direct_url(), heartbeat=5)
        try:
            async with asyncio.timeout(OPEN_WITHIN):
                channel = await connection.channel()
                await channel.set_qos(prefetch_count=500)
                queue = await channel.get_queue(self._stage.shelf.name, ensure=False)
                await queue.consume(self._take)
            while not connection.is_closed and not channel.is_closed:
                await asyncio.sleep(LOOK_EVERY)
        finally:
            with contextlib.suppress(Exception):  # whatever it is, another one is opened
                await asyncio.wait_for(connection.close(), 1)

    async def _take(self, message: AbstractIncomingMessage) -> None:
        assert message.message_id
        if message.message_id not in self._seen:
            self._seen.add(message.message_id)
            published.look(message)
            self.events.append(json.loads(message.body))
        with contextlib.suppress(*AWAY):
            await message.ack()
