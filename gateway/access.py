"""Who may send callbacks: networks and Basic credentials of an account, failing closed.

Strategy: pure functions of addresses and headers. All credentials are compared, in constant time, whether or not one
has matched already. Of X-Forwarded-For only what trusted proxies have written is believed, from the right; whatever is
not an address there makes the caller unknown, and an unknown caller is in no network.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Sequence
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address

from gateway.accounts import Inbound, Network

# An address with or without its port: an IPv6 address has brackets then. What it may be, `ip_address` says.
_FORWARDED = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::[0-9]{1,5})?|([0-9A-Fa-f:.]+)", re.ASCII)


class Verdict(Enum):
    """What to answer."""

    ALLOWED = 200
    UNAUTHORISED = 401
    FORBIDDEN = 403


def judge(inbound: Inbound | None, peer: str | None, authorization: str | None) -> Verdict:
    """Networks first, then credentials; each counts where it is configured, and nothing configured is closed."""
    if inbound is None or not (inbound.networks or inbound.basic or inbound.open):
        return Verdict.FORBIDDEN
    if inbound.networks and not _from_networks(inbound, peer):
        return Verdict.FORBIDDEN
    if inbound.basic and not _has_credentials(inbound, authorization):
        return Verdict.UNAUTHORISED
    return Verdict.ALLOWED


def caller(peer: str | None, forwarded: Sequence[str], trusted: Sequence[Network]) -> str | None:
    """Whose request it is: the peer, or, behind `trusted` proxies, the last address that is none of theirs.

    `forwarded`: the values of the X-Forwarded-For headers, in their order. None where a trusted proxy names nobody.
    """
    if not _within(_address(peer), trusted):
        return peer
    found = None
    for text in reversed(",".join(forwarded).split(",")):
        match = _FORWARDED.fullmatch(text.strip(" \t"))
        address = _address(next(filter(None, match.groups()))) if match else None
        if address is None:
            return None
        found = str(address)
        if not _within(address, trusted):
            break
    return found


def _from_networks(inbound: Inbound, peer: str | None) -> bool:
    return _within(_address(peer), inbound.networks)


def _within(address: IPv4Address | IPv6Address | None, networks: Sequence[Network]) -> bool:
    return address is not None and any(address in network for network in networks)


def _address(text: str | None) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address((text or "").partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def _has_credentials(inbound: Inbound, authorization: str | None) -> bool:
    scheme, _, encoded = (authorization or "").strip().partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        given = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return False
    found = False
    for credential in inbound.basic:
        expected = f"{credential.username}:{credential.password.get_secret_value()}".encode()
        found |= hmac.compare_digest(expected, given)
    return found
