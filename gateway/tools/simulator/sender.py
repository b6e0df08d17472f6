"""Callbacks on their way: the provider's own timeout, its retries, and what it takes for accepted.

Strategy: `judge` is pure and holds the rule; `Sender` is the loop round it. Sinch's introduction page: HTTP
200 with a proper MM7 response, the same TransactionID and status 1000 within ten seconds, or else five
retries, five minutes apart. Every retry is the same message with the same TransactionID.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import aiohttp

from gateway import mm7

from .intake import Basic
from .messages import Outbound
from .profile import Form, Profile
from .wire import Callback

SUCCESS = 1000
_AT_ONCE = 64  # posts on the way at the same time


@dataclass(frozen=True, slots=True)
class Rules:
    """How patient the provider is: `retries` come after the first attempt."""

    timeout_seconds: float = 10.0
    retries: int = 5
    interval_seconds: float = 300.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one answer to a callback means. `reason` is empty where it was accepted."""

    accepted: bool
    status_code: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One POST of a callback. `retry_in` is in seconds, None where this was the last one."""

    message: Outbound
    number: int
    http_status: int | None
    verdict: Verdict
    milliseconds: float
    retry_in: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of a callback; statuses, milliseconds and reason are those of the last attempt."""

    message: Outbound
    attempts: int
    delivered: bool
    http_status: int | None
    status_code: int | None
    milliseconds: float
    reason: str


def judge(
    message: Outbound,
    callback: Callback,
    *,
    http_status: int,
    content_type: str | None,
    body: bytes,
    empty_accepted: bool,
) -> Verdict:
    """Whether an answer accepts a callback."""
    if http_status != 200:
        return Verdict(accepted=False, status_code=_peek(content_type, body), reason=f"HTTP {http_status}")
    if not body.strip():
        return Verdict(accepted=empty_accepted, reason="" if empty_accepted else "the answer is empty")
    try:
        answer = mm7.decode(content_type, body).message
    except mm7.DecodeError as error:
        return Verdict(accepted=False, reason=f"no MM7 response: {error.text}")
    reason = _objection(message, callback, answer)
    return Verdict(accepted=not reason, status_code=_code(answer), reason=reason)


def _objection(message: Outbound, callback: Callback, answer: mm7.Message) -> str:
    """What is wrong with a readable answer, "" for nothing."""
    if not isinstance(answer, mm7.Response) or answer.operation not in callback.answered_by:
        return f"answered by {answer.operation}"
    if answer.transaction_id != message.transaction_id:
        return "the TransactionID is not the request's"
    return "" if answer.status.code == SUCCESS else answer.status.text or "refused"


def _code(message: mm7.Message) -> int | None:
    return message.status.code if isinstance(message, mm7.Response) else None


def _peek(content_type: str | None, body: bytes) -> int | None:
    """The MM7 status in whatever came, for the record."""
    try:
        return _code(mm7.decode(content_type, body).message)
    except mm7.DecodeError:
        return None


class Sender:
    """Sends callbacks to one URL until they are accepted or the retries are used up."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        profile: Profile,
        form: Form,
        *,
        rules: Rules,
        basic: Basic | None = None,
        observe: Callable[[Attempt], None],
    ) -> None:
        """`url`: the customer's; `basic`: the user and password for it; `observe` is told of each attempt."""
        self._session = session
        self._url = url
        self._profile = profile
        self._form = form
        self._rules = rules
        self._headers = {"Authorization": aiohttp.encode_basic_auth(*basic)} if basic else {}
        self._observe = observe
        self._free = asyncio.Semaphore(_AT_ONCE)

    async def send(self, message: Outbound) -> Result:
        """Send a callback; returns once it is accepted or given up. Never raises for what the peer does."""
        rules = self._rules
        for number in range(1, rules.retries + 2):
            attempt = await self._attempt(message, number)
            again = not attempt.verdict.accepted and number <= rules.retries
            self._observe(replace(attempt, retry_in=rules.interval_seconds if again else None))
            if not again:
                break
            await asyncio.sleep(rules.interval_seconds)
        return Result(
            message=message,
            attempts=attempt.number,
            delivered=attempt.verdict.accepted,
            http_status=attempt.http_status,
            status_code=attempt.verdict.status_code,
            milliseconds=attempt.milliseconds,
            reason=attempt.verdict.reason,
        )

    async def _attempt(self, message: Outbound, number: int) -> Attempt:
        async with self._free:
            began = time.monotonic()
            http_status, verdict = await self._post(message)
            milliseconds = (time.monotonic() - began) * 1000
        return Attempt(
            message=message,
            number=number,
            http_status=http_status,
            verdict=verdict,
            milliseconds=milliseconds,
        )

    async def _post(self, message: Outbound) -> tuple[int | None, Verdict]:
        callback = self._profile.write(message, self._form)
        headers = {**callback.headers, **self._headers}
        timeout = aiohttp.ClientTimeout(total=self._rules.timeout_seconds)
        try:
            async with self._session.post(
                self._url, data=callback.body, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                verdict = judge(
                    message,
                    callback,
                    http_status=response.status,
                    content_type=response.headers.get("Content-Type"),
                    body=await response.read(),
                    empty_accepted=self._profile.takes_empty_answer,
                )
                return response.status, verdict
        except TimeoutError:
            return None, Verdict(accepted=False, reason=f"no answer in {self._rules.timeout_seconds:g} s")
        except (aiohttp.ClientError, OSError) as error:
            return None, Verdict(accepted=False, reason=str(error) or type(error).__name__)
