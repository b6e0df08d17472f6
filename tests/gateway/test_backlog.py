"""The way out of the spool for callbacks that were kept whole: several at a time, and in their order."""

import asyncio
from datetime import UTC, datetime

from multidict import CIMultiDict

from gateway.backlog import AT_A_TIME, Backlog
from gateway.broker import Outgoing, Progress
from gateway.intake import Callback
from gateway.stores.media import MediaUnavailable

STORE_SECONDS = 0.05


class Slow:
    """Makes an event of a callback in a while, the later ones sooner; fails from the body `away` on."""

    def __init__(self, away: int = 10**9) -> None:
        self.away = away
        self.at_once = self.most = 0

    async def event_of(self, callback: Callback) -> Outgoing:
        number = int(callback.body)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(STORE_SECONDS / (1 + number))
        self.at_once -= 1
        if number >= self.away:
            raise MediaUnavailable("no connection")
        return message(number)


class Recorder:
    def __init__(self) -> None:
        self.sent: list[Outgoing] = []

    async def publish_all(self, chunk, *, within: float) -> Progress:
        self.sent += chunk
        return Progress(len(chunk))


def message(number: int) -> Outgoing:
    return Outgoing(exchange="e", routing_key="k", body=b"%d" % number, content_type="text/plain")


def callbacks(count: int) -> list[Callback]:
    at = datetime(2026, 3, 16, tzinfo=UTC)
    return [Callback("a", at, "POST / HTTP/1.1", CIMultiDict(), b"%d" % number) for number in range(count)]


async def test_some_are_stored_at_a_time_and_all_are_published_in_their_order() -> None:
    intake, publisher = Slow(), Recorder()
    chunk = [*callbacks(3 * AT_A_TIME), message(10**6)]
    assert await Backlog(intake, publisher).publish(chunk) == Progress(3 * AT_A_TIME + 1)
    assert [int(each.body) for each in publisher.sent] == [*range(3 * AT_A_TIME), 10**6]
    assert intake.most == AT_A_TIME


async def test_where_one_cannot_be_stored_those_in_front_go_and_no_more_are_tried_for_long() -> None:
    intake, publisher = Slow(away=AT_A_TIME + 2), Recorder()
    progress = await Backlog(intake, publisher).publish(callbacks(20 * AT_A_TIME))
    assert progress == Progress(AT_A_TIME + 2, "no connection")
    assert [int(each.body) for each in publisher.sent] == [*range(AT_A_TIME + 2)]
    assert intake.at_once == 0
    assert await Backlog(Slow(away=0), publisher).publish(callbacks(3)) == Progress(0, "no connection")
