"""The provider's API: one POST, and what came of it. All the HTTP client there is."""

import io

import aiohttp
from yarl import URL

from gateway.outbound import HttpRequest
from gateway.profiles import Profile

from .outcome import Outcome, read_answer

MAX_ANSWER_BYTES = 1024 * 1024
# Short: a pooled connection that the provider closes just as we write cannot be told from one that broke afterwards.
KEEPALIVE_SECONDS = 4.0
CONNECT_SECONDS = 10.0


def make_session() -> aiohttp.ClientSession:
    """The one pooled session of a process. Nothing is added to what `outbound.build` says."""
    # No limit of its own: a wait for a free connection would count against the timeout, as if it had been sent.
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_SECONDS)
    skipped = ("Accept-Encoding", "User-Agent", "Content-Type", "Accept")
    return aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), skip_auto_headers=skipped, trust_env=False
    )


async def submit(session: aiohttp.ClientSession, request: HttpRequest, profile: Profile, *, timeout: float) -> Outcome:  # noqa: ASYNC109  # aiohttp's own
    """POST once. `timeout` is in seconds, for all of it.

    What failed before the request could go out is `later`; what failed after that is `unknown`, for it may have
    arrived.
    """
    # A connection takes half of it at most, name lookup and TLS included: so its failure is told from a late answer.
    limits = aiohttp.ClientTimeout(total=timeout, connect=min(timeout / 2, CONNECT_SECONDS))
    try:
        async with session.post(
            _url(request.url),
            data=io.BytesIO(request.body),  # a megabyte as bytes is worth a warning to aiohttp
            headers=request.headers,
            timeout=limits,
            allow_redirects=False,
        ) as response:
            body = await response.content.read(MAX_ANSWER_BYTES)
            while len(body) < MAX_ANSWER_BYTES and (more := await response.content.read(MAX_ANSWER_BYTES - len(body))):
                body += more
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        return Outcome(kind="later", reason=f"no connection: {_words(error)}")
    except TimeoutError:
        return Outcome(kind="unknown", reason=f"no answer within {timeout:g} s")
    except aiohttp.InvalidURL as error:
        return Outcome(kind="refused", reason=f"the account's url cannot be used: {_words(error)}")
    except (aiohttp.ClientError, OSError) as error:
        return Outcome(kind="unknown", reason=f"the connection broke: {_words(error)}")
    return read_answer(response.status, response.headers, body, profile)


def _url(text: str) -> URL:
    try:
        url = URL(text, encoded=True)
        _ = url.port  # looked at late by itself, and refused then
    except ValueError as error:
        raise aiohttp.InvalidURL(text, str(error)) from error
    return url


def _words(error: BaseException) -> str:
    return str(error).strip() or type(error).__name__
