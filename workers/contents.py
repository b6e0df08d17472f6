"""The bytes of a command's parts: from the command itself, the media store, the web, other buckets.

Strategy: what is fetched is kept in the media store, and where is remembered, so that another attempt sends the same
and asks nobody. That is a convenience: where a store does not answer it is fetched once more, and nothing else is lost.
All that is wrong for good is told at once; what may pass makes the attempt one of `later`.
"""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gateway.accounts import Account
from gateway.contract import attachments, submission
from gateway.contract.commands import BadCommand, Command, CommandPart
from gateway.contract.parts import Blob
from gateway.contract.problems import Problem
from gateway.stores.media import MediaNotFound, MediaStore, MediaUnavailable
from gateway.stores.state import State, StateUnavailable
from gateway.telemetry import logs

from . import pictures
from .fetch import Fetcher, Unreachable
from .rules import Refused, shown

KEPT_SECONDS = 24 * 3600.0  # of where it was put: longer than the waits between attempts
AT_A_TIME = 4  # parts of one command
SCALED_AT_A_TIME = 2  # pictures of the process: each takes a processor, and hundreds of megabytes

log = logs.get(__name__)


@dataclass(slots=True)
class _Order:
    """A command whose parts are being gathered; `deadline` is the event loop's time, `total` bytes so far."""

    command: Command
    account: str
    image_max_bytes: int | None
    deadline: float
    gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_A_TIME))
    total: int = 0


class Contents:
    """For all accounts. `unavailable` is called for each answer that the state store did not give."""

    def __init__(self, media: MediaStore, state: State, fetcher: Fetcher, *, unavailable: Callable[[], None]) -> None:
        self._media = media
        self._state = state
        self._fetcher = fetcher
        self._rules = fetcher.rules
        self._unavailable = unavailable
        self._scaling = asyncio.Semaphore(SCALED_AT_A_TIME)

    async def of(self, command: Command, account: Account) -> list[bytes]:
        """The bytes of every part, in their order, within the rules' time.

        Raises BadCommand with all that is wrong, before anything is fetched where that can be; MediaUnavailable for
        what may be there later.
        """
        if problems := [*submission.problems(command, account), *self._not_allowed(command)]:
            raise BadCommand(problems)
        assert account.outbound is not None  # refused just now
        deadline = asyncio.get_running_loop().time() + self._rules.within
        order = _Order(command, account.name, account.outbound.image_max_bytes, deadline)
        found = await asyncio.gather(*(self._part(order, part) for part in command.parts), return_exceptions=True)
        return _sorted(found)

    def _not_allowed(self, command: Command) -> list[Problem]:
        """What the URLs alone tell."""
        problems = []
        for number, part in enumerate(command.parts):
            try:
                if part.url is not None and not self._is_ours(part.url):
                    self._rules.check(part.url)
            except Refused as error:
                problems.append(Problem(path=f"parts[{number}].url", problem=str(error)))
        return problems

    def _is_ours(self, url: str) -> bool:
        return url.startswith(f"{self._media.url}/")

    async def _part(self, order: _Order, part: CommandPart) -> bytes:
        async with order.gate:
            content = attachments.inline_content(part)
            if content is None:
                content = await self._by_url(order, part, part.url or "")
            limit = order.image_max_bytes
            if limit is not None and len(content) > limit and part.content_type.lower() in pictures.TYPES:
                async with self._scaling:
                    content = await asyncio.to_thread(pictures.fit, content, limit)
            if part.url is not None:
                order.total += len(content)
                if order.total > self._rules.max_bytes:
                    limit = self._rules.max_bytes
                    raise Refused(f"with it the parts have more than {limit} bytes: send less, or in two messages")
            return content

    async def _by_url(self, order: _Order, part: CommandPart, url: str) -> bytes:
        try:
            async with asyncio.timeout_at(order.deadline):
                if self._is_ours(url):
                    return await _checked(part, await self._media.get(url))
                key = _key(order, url)
                if (known := await self._known(key)) is not None:
                    return await _checked(part, known)
                fetched = await self._fetcher.get(url)
        except TimeoutError:
            raise Unreachable(f"{shown(url)} did not come within {self._rules.within:g} s") from None
        await _checked(part, fetched.data)
        if fetched.content_type and fetched.content_type.partition(";")[0].strip().lower() != part.content_type.lower():
            log.info("part.other_type", url=shown(url), declared=part.content_type, served=fetched.content_type[:100])
        await self._keep(key, part, fetched.data)
        return fetched.data

    async def _known(self, key: str) -> bytes | None:
        """What an earlier attempt has fetched."""
        try:
            where = await self._state.get(key)
            return await self._media.get(where.decode()) if where else None
        except StateUnavailable:
            self._unavailable()
        except (MediaNotFound, MediaUnavailable) as error:
            log.info("part.not_kept", reason=str(error))
        return None

    async def _keep(self, key: str, part: CommandPart, content: bytes) -> None:
        """Keep it for another attempt: first the bytes, then where they are."""
        blob = Blob(await asyncio.to_thread(_sha256, content), part.content_type.lower(), content)
        try:
            await self._media.keep([blob])
            await self._state.put(key, self._media.url_of(blob.sha256).encode(), KEPT_SECONDS, durable=False)
        except StateUnavailable:
            self._unavailable()
        except MediaUnavailable as error:
            log.info("part.not_kept", reason=str(error))


def _sorted(found: Sequence[bytes | BaseException]) -> list[bytes]:
    """The parts, unless one is missing."""
    contents, problems, later = [], [], []
    for number, each in enumerate(found):
        path = f"parts[{number}].url"
        if isinstance(each, bytes):
            contents.append(each)
        elif isinstance(each, (Refused, MediaNotFound)):
            problems.append(Problem(path=path, problem=str(each)))
        elif isinstance(each, (Unreachable, MediaUnavailable)):
            later.append(f"{path}: {each}")
        else:
            raise each
    if problems:
        raise BadCommand(problems)
    if later:
        raise MediaUnavailable("; ".join(later))
    return contents


async def _checked(part: CommandPart, content: bytes) -> bytes:
    if part.sha256 is not None and (found := await asyncio.to_thread(_sha256, content)) != part.sha256:
        raise Refused(f"what is there has the SHA-256 {found}, and not that of the command: mend one of them")
    return content


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _key(order: _Order, url: str) -> str:
    return f"fetched:{order.account}:{_sha256(url.encode())}:{order.command.id}"
