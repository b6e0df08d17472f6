"""Where a command's parts may be fetched from, and how much of it. Pure.

Strategy: a URL is judged by scheme, host and port before each request, the first and every redirect; the address is
judged when the socket to it is opened, so neither a name's answers that change nor an odd spelling leaves a gap.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Self

from yarl import URL

from gateway.accounts import FETCH_HOST
from gateway.settings import Settings

_DEFAULT_PORTS = {"https": 443, "http": 80}
_HOST = re.compile(r"[a-z0-9_.-]+|[0-9a-f:.]+")  # no % above all: neither a scope id nor a letter in disguise
_VISIBLE = re.compile(r"[!-~]+")
_CONTROL = re.compile(r"[\x00-\x20\x7f\\]")
_MAX_SHOWN = 200
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")

Address = IPv4Address | IPv6Address


class Refused(Exception):
    """It is not fetched, now or later; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class HostRule:
    """One of `fetch_hosts`. `port` None: the scheme's own; 0: any."""

    host: str
    plain: bool
    port: int | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """`photos.example.net`, `*.example.net`, `*`, `host:8443`, `host:*`, `http://host`."""
        match = re.fullmatch(FETCH_HOST, text)
        assert match is not None  # the settings have looked at it
        port = match["port"]
        number = None if port is None else 0 if port == "*" else int(port)
        return cls(match["host"].lower().strip("[]").rstrip("."), match["scheme"] == "http", number)

    def names(self, host: str) -> bool:
        """Whether the host is meant."""
        if self.host.startswith("*"):
            return host.endswith(self.host[1:])
        return host == self.host

    def takes_port(self, scheme: str, port: int | None) -> bool:
        """Whether the port is."""
        return self.port == 0 or port == (self.port or _DEFAULT_PORTS[scheme])


_ANY_PUBLIC = (HostRule("*", plain=False, port=None),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """`hosts` empty: any, by https. `networks`: private ones that are allowed all the same. `buckets` empty: none.

    `max_bytes`: of a part, and of all of a command's together. `within`: seconds for all parts of a command.
    """

    hosts: tuple[HostRule, ...] = ()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    buckets: frozenset[str] = frozenset()
    max_bytes: int = 10 * 1024 * 1024
    within: float = 20.0

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """As the settings have them."""
        return cls(
            hosts=tuple(map(HostRule.parse, settings.fetch_hosts)),
            networks=tuple(settings.fetch_networks),
            buckets=frozenset(settings.fetch_buckets),
            max_bytes=settings.fetch_max_bytes,
            within=settings.fetch_within,
        )

    def check(self, text: str) -> None:
        """Raises Refused for a URL that is not fetched, whatever stands there."""
        if text.startswith("s3://"):
            bucket, key = bucket_and_key(text)
            if bucket not in self.buckets:
                raise Refused(f"the bucket {bucket!r} is not allowed: add it to MM7_FETCH_BUCKETS")
            if not key:
                raise Refused("it names a bucket and nothing in it: write s3://bucket/key")
        else:
            self.check_web(parse(text))

    def check_web(self, url: URL) -> None:
        """The same of http and https."""
        if url.scheme not in _DEFAULT_PORTS:
            raise Refused(f"{url.scheme}:// is not fetched: use https://, s3:// or a url of the media store")
        if url.raw_user is not None or url.raw_password is not None:
            raise Refused("a user name or password in a url is not sent: take it out")
        host = (url.raw_host or "").lower().rstrip(".")
        if not _HOST.fullmatch(host):
            raise Refused(f"{shown(url)} has no host that can be looked up: mend the url")
        named = [rule for rule in self.hosts or _ANY_PUBLIC if rule.names(host)]
        if not named:
            raise Refused(f"the host {host} is not allowed: add it to MM7_FETCH_HOSTS")
        spoken = [rule for rule in named if rule.plain or url.scheme == "https"]
        if not spoken:
            raise Refused(f"{host} is allowed by https alone: use that, or add http://{host} to MM7_FETCH_HOSTS")
        if not any(rule.takes_port(url.scheme, url.port) for rule in spoken):
            raise Refused(f"port {url.port} of {host} is not allowed: add {host}:{url.port} to MM7_FETCH_HOSTS")
        if _is_address(host) and not self.reach(host):  # which is looked at again when the socket is opened
            raise Refused(not_public(host, host))

    def reach(self, text: str) -> bool:
        """Whether a connection to an address may be opened."""
        if "%" in text:  # an interface of this very host
            return False
        address = ip_address(text)
        meant = _meant(address)
        return any(address in network or meant in network for network in self.networks) or _is_public(meant)


def not_public(host: str, address: str) -> str:
    """What is said of a host that no connection is opened to."""
    return (
        f"{host} is at {address}, which is no public address: "
        "serve it from one, or add its network to MM7_FETCH_NETWORKS"
    )


def parse(text: str) -> URL:
    """A URL as it is sent: nothing is respelt in one that is spelt for the wire, for it may be signed."""
    if _CONTROL.search(text):
        raise Refused("the url holds a blank, a backslash or a control character: mend it")
    try:
        url = URL(text, encoded=bool(_VISIBLE.fullmatch(text)))
        _ = url.port  # looked at late by itself
    except ValueError:
        raise Refused("it is no url that can be read: mend it") from None
    return url.with_fragment(None)


def bucket_and_key(url: str) -> tuple[str, str]:
    """`s3://bucket/a/b` → its bucket, and the key as it is: in a key nothing is escaped."""
    bucket, _, key = url.removeprefix("s3://").partition("/")
    return bucket, key


def shown(url: str | URL) -> str:
    """A URL for logs and events: scheme, host and path, for the rest may hold secrets."""
    text = str(url).partition("#")[0].partition("?")[0]
    scheme, separator, rest = text.partition("://")
    netloc, slash, path = rest.partition("/")
    whole = f"{scheme}{separator}{netloc.rpartition('@')[2]}{slash}{path}"
    return whole if len(whole) <= _MAX_SHOWN else f"{whole[:_MAX_SHOWN]}…"


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _meant(address: Address) -> Address:
    """The IPv4 address that an IPv6 one leads to: mapped, 6to4 (RFC 3056), NAT64 (RFC 6052)."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour or address


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address):
        return address in _GLOBAL_UNICAST and address.is_global
    return address.is_global and not address.is_multicast
