"""Parts that stand elsewhere: over HTTP and in other buckets, as far as the rules allow it.

Strategy: no step is left to the client library that a message could be misused by: redirects are followed here, one
by one; addresses are judged where the socket is opened; nothing is decompressed; there are no cookies, credentials or
proxies. The time is the caller's to limit, with `asyncio.timeout`.
"""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from gateway import __version__
from gateway.stores.buckets import Buckets, MediaTooLarge
from gateway.stores.media import MediaNotFound, MediaUnavailable

from .rules import Refused, Rules, bucket_and_key, not_public, parse, shown

MAX_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TEMPORARY = frozenset({408, 425, 429})  # and all of 5xx
_CHUNK_BYTES = 64 * 1024
_LIMIT = "MM7_FETCH_MAX_BYTES"
_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": f"mm7-gateway/{__version__}"}


class Unreachable(Exception):
    """It cannot be fetched just now."""


class Forbidden(OSError):
    """An address that no connection is opened to. All read the same, so that of several one is passed on as it is."""

    def __init__(self, address: str) -> None:
        super().__init__("the address is not allowed")
        self.address = address


@dataclass(frozen=True, slots=True)
class Fetched:
    """`content_type` is what the server says."""

    data: bytes
    content_type: str | None


class Fetcher:
    """The one client of a process for what is fetched. `resolver` stands in for the system's."""

    def __init__(self, rules: Rules, *, resolver: AbstractResolver | None = None) -> None:
        self.rules = rules
        self._resolver = resolver
        self._buckets = Buckets()

    async def __aenter__(self) -> Self:
        # Each connection is looked up, judged and opened anew: they are few, and none outlives its rules.
        connector = aiohttp.TCPConnector(
            limit=0,
            force_close=True,
            use_dns_cache=False,
            resolver=self._resolver,
            socket_factory=_opener(self.rules),
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=_HEADERS,
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
            trust_env=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def get(self, url: str) -> Fetched:
        """What stands at an http, https or s3 URL. Raises Refused or Unreachable."""
        self.rules.check(url)
        return await (self._from_bucket(url) if url.startswith("s3://") else self._from_web(parse(url)))

    async def _from_bucket(self, url: str) -> Fetched:
        try:
            return Fetched(*await self._buckets.read(*bucket_and_key(url), self.rules.max_bytes))
        except MediaTooLarge as error:
            raise self._too_large(url, str(error.size)) from error
        except MediaNotFound as error:
            raise Refused(f"{shown(url)}: {error}") from error
        except MediaUnavailable as error:
            raise Unreachable(f"{shown(url)}: {error}") from error

    async def _from_web(self, url: URL) -> Fetched:
        found = await self._ask(url)
        for _ in range(MAX_REDIRECTS):
            if isinstance(found, Fetched):
                return found
            try:
                self.rules.check_web(found)
                found = await self._ask(found)
            except Refused as error:
                raise Refused(f"{shown(url)} redirects, and there: {error}") from error
        if isinstance(found, Fetched):
            return found
        raise Refused(f"{shown(url)} redirects more than {MAX_REDIRECTS} times: use the url where it ends")

    async def _ask(self, url: URL) -> Fetched | URL:
        """One request: the content, or where the server sends us to."""
        try:
            async with self._session.get(url, allow_redirects=False) as response:
                if response.status in _REDIRECTS:
                    return _target(url, response)
                return Fetched(await self._read(url, response), response.headers.get("Content-Type"))
        except aiohttp.ClientConnectorCertificateError as error:
            raise Refused(f"the certificate of {url.host} is not trusted: {error.certificate_error}") from error
        except aiohttp.ClientConnectorError as error:
            raise _unconnected(url, error.os_error) from error
        except ValueError as error:  # InvalidURL; a name that cannot be encoded to be looked up
            raise Refused(f"{shown(url)} is no url that can be asked: mend it") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(f"{shown(url)} broke off: {type(error).__name__}") from error

    async def _read(self, url: URL, response: aiohttp.ClientResponse) -> bytes:
        """The body, as much of it as is allowed."""
        if response.status >= 500 or response.status in _TEMPORARY:
            raise Unreachable(f"{shown(url)} is answered with HTTP {response.status}")
        if response.status != 200:
            raise Refused(f"{shown(url)} is answered with HTTP {response.status}: mend the url, or its access rights")
        if (coding := response.headers.get("Content-Encoding", "identity").strip().lower()) != "identity":
            raise Refused(f"{shown(url)} comes compressed ({coding[:20]}), though asked not to: serve it as it is")
        if (response.content_length or 0) > self.rules.max_bytes:
            raise self._too_large(url, str(response.content_length))
        content = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
            content += chunk
            if len(content) > self.rules.max_bytes:
                raise self._too_large(url, f"more than {self.rules.max_bytes}")
        return bytes(content)

    def _too_large(self, url: str | URL, size: str) -> Refused:
        limit = self.rules.max_bytes
        return Refused(f"{shown(url)} has {size} bytes, {limit} at most are taken: make it smaller, or raise {_LIMIT}")


def _opener(rules: Rules) -> Callable[[tuple[Any, ...]], socket.socket]:
    """Opens sockets to addresses that are allowed, and to no others; a name's next address may still be."""

    def open_socket(info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, address = info
        if not rules.reach(address[0]):
            raise Forbidden(address[0])
        return socket.socket(family, kind, protocol)

    return open_socket


def _target(url: URL, response: aiohttp.ClientResponse) -> URL:
    location = response.headers.get("Location")
    if not location:
        raise Refused(f"{shown(url)} redirects to nowhere: mend the url")
    return url.join(parse(location))


def _unconnected(url: URL, error: OSError) -> Refused | Unreachable:
    if isinstance(error, Forbidden):
        return Refused(not_public(url.host or "", error.address))
    return Unreachable(f"no connection to {url.host}: {error.strerror or error}")
