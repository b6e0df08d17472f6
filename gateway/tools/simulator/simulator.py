"""A provider's MMSC, as the documents say one behaves: takes submits, sends reports, messages, read replies.

Strategy: the rules are pure and elsewhere (`intake`, `answers`, the profiles, `sender.judge`). Here is what
lives: the server, the client, and the reports under way.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import aiohttp

from gateway import mm7

from . import picture
from .answers import ACCEPT, Answer
from .ids import Ids
from .intake import Basic, Change, Refusal, Submit
from .messages import PHONE, SHORT_CODE, Mo, Outbound, ReadReply, Report
from .profile import VERSIONS, Form
from .profiles import PROFILES
from .sender import Attempt, Result, Rules, Sender
from .server import Choice, Doors, Server

Observer = Callable[[Attempt | Submit | Change | Refusal], None]

UA_PROF = "Simulated phone"


class Simulator:
    """A simulated provider. `async with Simulator(...) as provider:`, or `start` and `stop`.

    `to`: the customer's callback URL, None sends nothing; `basic`: user and password for it. `host`, `port`:
    where submits are taken, port 0 is any free one, None takes none. `submit_basic`: user and password that
    submits must have. `mm7_version`: 6.8.0, 5.5.0 or 5.3.0. `timeout`, `retries`, `retry_interval` (seconds):
    of callbacks. `report`, `report_after` (seconds), `mm_statuses`: the delivery reports that follow an
    accepted submit, one of each status in turn. `answer`: what submits are answered that `script` has nothing
    for. `observe` is told everything.
    """

    def __init__(
        self,
        *,
        profile: str = "sinch",
        to: str | None = None,
        basic: Basic | None = None,
        host: str = "127.0.0.1",
        port: int | None = 0,
        submit_basic: Basic | None = None,
        mm7_version: str = "6.8.0",
        as_documented: bool = False,
        timeout: float = 10.0,
        retries: int = 5,
        retry_interval: float = 300.0,
        report: bool = True,
        report_after: float = 0.5,
        mm_statuses: Sequence[str] = ("Retrieved",),
        answer: Choice = ACCEPT,
        observe: Observer = lambda _thing: None,
    ) -> None:
        """Nothing is opened yet."""
        self.profile = PROFILES[profile]
        self.results: list[Result] = []
        doors = Doors(host=host, port=port or 0, basic=submit_basic)
        self._server = Server(doors, answer, observe=observe, accepted=self._accepted)
        self.listens = port is not None
        self._form = Form(*VERSIONS[mm7_version], as_documented)
        self._to, self._basic = to, basic
        self._rules = Rules(timeout, retries, retry_interval)
        self._report, self._report_after, self._mm_statuses = report, report_after, tuple(mm_statuses)
        self._observe = observe
        self._ids = Ids()
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None
        self._sender: Sender | None = None

    @property
    def url(self) -> str:
        """Where submits are to be POSTed; any other path does as well."""
        return self._server.url

    @property
    def submits(self) -> list[Submit]:
        """All submits that could be read, in their order, accepted or not."""
        return self._server.submits

    @property
    def changes(self) -> list[Change]:
        """All cancels and replaces that could be read, in their order, accepted or not."""
        return self._server.changes

    async def start(self) -> Self:
        """Listen, and be ready to send. OSError where the port is taken."""
        if self.listens:
            await self._server.start()
        if self._to is not None:
            # Sender has the limit: waiting for a connection would count as the customer's time.
            session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
            rules, basic = self._rules, self._basic
            self._session = session
            self._sender = Sender(
                session, self._to, self.profile, self._form, rules=rules, basic=basic, observe=self._observe
            )
        return self

    async def stop(self) -> None:
        """Stop listening, and give up what is under way: late answers, reports to come, retries."""
        await self._server.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def __aenter__(self) -> Self:
        """Start."""
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        await self.stop()

    def script(self, *answers: Answer) -> None:
        """Answer the next requests with these, one each; after them `answer` counts again."""
        self._server.script.extend(answers)

    async def next_submit(self, within: float | None = 5.0) -> Submit:
        """The next submit not asked for yet, accepted or not; TimeoutError after `within` seconds, if any."""
        return await self._server.next_submit(within)

    async def next_change(self, within: float | None = 5.0) -> Change:
        """The next cancel or replace not asked for yet; TimeoutError after `within` seconds, if any."""
        return await self._server.next_change(within)

    async def idle(self, within: float | None = 5.0) -> None:
        """Return once no report is under way or to come; TimeoutError after `within` seconds."""
        async with asyncio.timeout(within):
            while self._tasks:
                await asyncio.wait(self._tasks)

    async def send(self, message: Outbound) -> Result:
        """Send a callback by the provider's rules; the same value sent again is a provider's duplicate."""
        if self._sender is None:
            raise RuntimeError("the simulator sends nothing: it is not started, or has no callback URL")
        result = await self._sender.send(message)
        self.results.append(result)
        return result

    async def send_mo(
        self,
        text: str | None = "Hello from a simulated phone",
        *,
        sender: str = PHONE,
        recipient: str = SHORT_CODE,
        others: Sequence[str] = (),
        subject: str | None = None,
        attachments: Sequence[mm7.Part] | None = None,
    ) -> Result:
        """Send a message from a phone. `attachments` None is a picture; () and no text is no content."""
        transaction_id = self._transaction_id()
        message = Mo(
            transaction_id=transaction_id,
            linked_id=transaction_id,  # the same, in Sinch's examples
            at=datetime.now(UTC),
            sender=sender,
            recipient=recipient,
            others=tuple(others),
            subject=subject,
            text=text,
            attachments=(await sunset(),) if attachments is None else tuple(attachments),
        )
        return await self.send(message)

    async def send_report(
        self,
        message_id: str,
        *,
        recipient: str = PHONE,
        sender: str = SHORT_CODE,
        mm_status: str = "Retrieved",
        status_text: str | None = None,
    ) -> Result:
        """Send a delivery report on the submit that got this MessageID. `recipient`: the phone."""
        message = Report(
            transaction_id=self._transaction_id(),
            message_id=message_id,
            at=datetime.now(UTC),
            recipient=recipient,
            sender=sender,
            mm_status=mm_status,
            status_text=status_text,
            ua_prof=UA_PROF if mm_status == "Retrieved" else None,
        )
        return await self.send(message)

    async def send_read_reply(
        self, message_id: str, *, recipient: str = PHONE, sender: str = SHORT_CODE, mm_status: str = "Read"
    ) -> Result:
        """Send a read reply on the submit that got this MessageID. `recipient`: the phone."""
        message = ReadReply(
            transaction_id=self._transaction_id(),
            message_id=message_id,
            at=datetime.now(UTC),
            recipient=recipient,
            sender=sender,
            mm_status=mm_status,
        )
        return await self.send(message)

    def _transaction_id(self) -> str:
        return self._ids.new(self.profile.transaction_ids)

    def _accepted(self, submit: Submit, answered: asyncio.Event) -> None:
        asked = submit.message.delivery_report
        wanted = self.profile.reports_unasked if asked is None else asked
        if not (wanted and self._report and self._sender):
            return
        for recipient in submit.recipients:
            sending = self._send_reports(submit, recipient, answered)
            task = asyncio.create_task(sending, name=f"reports on {recipient}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _send_reports(self, submit: Submit, recipient: str, answered: asyncio.Event) -> None:
        assert submit.message_id is not None  # it was accepted
        await answered.wait()
        for mm_status in self._mm_statuses:
            await asyncio.sleep(self._report_after)
            await self.send_report(submit.message_id, recipient=recipient, sender=submit.sender, mm_status=mm_status)


async def sunset() -> mm7.Part:
    """A picture as an attachment; drawn in a thread, for it takes half a second the first time."""
    return mm7.Part(content_type="image/png", data=await asyncio.to_thread(picture.sunset), filename="sunset.png")
