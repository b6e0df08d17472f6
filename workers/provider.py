"""The provider's API: one POST, and what came of it. All the HTTP client there is."""

import aiohttp
from yarl import URL

from gateway.outbound import HttpRequest
from gateway.profiles import Profile

from .outcome import Outcome, read_answer

MAX_ANSWER_BYTES = 1024 * 1024
# Short: a pooled connection that the provider closes just as we write cannot be told from one that broke afterwards.
KEEPALIVE_SECONDS = 4.0


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
    limits = aiohttp.ClientTimeout(total=timeout, sock_connect=min(timeout, 10.0))
    try:
        async with session.post(
            URL(request.url, encoded=True),
            data=request.body,
            headers=request.headers,
            timeout=limits,
            allow_redirects=False,
        ) as response:
            body = await response.content.read(MAX_ANSWER_BYTES)
            while len(body) < MAX_ANSWER_BYTES and (more := await response.content.read(MAX_ANSWER_BYTES - len(body))):
                body += more
            return read_answer(response.status, response.headers, body, profile)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        return Outcome(kind="later", reason=f"no connection: {_words(error)}")
    except TimeoutError:
        return Outcome(kind="unknown", reason=f"no answer within {timeout:g} s")
    except aiohttp.InvalidURL as error:
        return Outcome(kind="refused", reason=f"the account's url cannot be used: {_words(error)}")
    except (aiohttp.ClientError, OSError) as error:
        return Outcome(kind="unknown", reason=f"the connection broke: {_words(error)}")


def _words(error: BaseException) -> str:
    return str(error).strip() or type(error).__name__
