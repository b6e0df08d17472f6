"""Who may send callbacks: networks and Basic credentials of an account, failing closed.

Strategy: pure functions of the peer's address and the Authorization header. All credentials are compared, in constant
time, whether or not one has matched already.
"""

import base64
import binascii
import hmac
from enum import Enum
from ipaddress import IPv6Address, ip_address

from gateway.accounts import Inbound


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


def _from_networks(inbound: Inbound, peer: str | None) -> bool:
    try:
        address = ip_address((peer or "").partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in network for network in inbound.networks)


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
