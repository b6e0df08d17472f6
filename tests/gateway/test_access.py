"""Who may send callbacks: one table, closed where nothing is said."""

import base64
from ipaddress import ip_network

import pytest

from gateway.access import Verdict, caller, judge
from gateway.accounts import Inbound

ALLOWED, UNAUTHORISED, FORBIDDEN = Verdict.ALLOWED, Verdict.UNAUTHORISED, Verdict.FORBIDDEN
NETWORKS = {"networks": ["203.0.113.0/24", "2001:db8::/32", "192.0.2.7"]}
BASIC = {"basic": [{"username": "me", "password": "geheim"}, {"username": "ü", "password": "a:b"}]}


def basic(pair: str, charset: str = "utf-8") -> str:
    return "Basic " + base64.b64encode(pair.encode(charset)).decode()


@pytest.mark.parametrize(
    ("peer", "verdict"),
    [
        ("203.0.113.1", ALLOWED),
        ("192.0.2.7", ALLOWED),
        ("192.0.2.8", FORBIDDEN),
        ("2001:db8::1", ALLOWED),
        ("2001:db8::1%eth0", ALLOWED),
        ("2001:db9::1", FORBIDDEN),
        ("::ffff:203.0.113.1", ALLOWED),
        ("::ffff:192.0.2.8", FORBIDDEN),
        ("203.0.113.256", FORBIDDEN),
        ("localhost", FORBIDDEN),
        ("", FORBIDDEN),
        (None, FORBIDDEN),
    ],
)
def test_networks_decide_by_the_peer_s_address(peer, verdict) -> None:
    assert judge(Inbound.model_validate(NETWORKS), peer, None) is verdict


@pytest.mark.parametrize(
    ("authorization", "verdict"),
    [
        (basic("me:geheim"), ALLOWED),
        (basic("me:geheim").replace("Basic", "bASIC  "), ALLOWED),
        (basic("ü:a:b"), ALLOWED),
        (basic("ü:a:b", "latin-1"), UNAUTHORISED),
        (basic("me:geheim!"), UNAUTHORISED),
        (basic("me:"), UNAUTHORISED),
        (basic("me"), UNAUTHORISED),
        (basic(":"), UNAUTHORISED),
        (basic("me:a:b"), UNAUTHORISED),
        (basic("me:geheim").replace("Basic", "Bearer"), UNAUTHORISED),
        ("Basic", UNAUTHORISED),
        ("Basic ", UNAUTHORISED),
        ("Basic bWU6Z2VoZWl", UNAUTHORISED),
        ("Basic bWU6Z2Vo\x00ZWlt", UNAUTHORISED),
        ("Basic é\udcff", UNAUTHORISED),
        ("", UNAUTHORISED),
        (None, UNAUTHORISED),
    ],
)
def test_credentials_decide_by_the_authorization_header(authorization, verdict) -> None:
    assert judge(Inbound.model_validate(BASIC), "192.0.2.1", authorization) is verdict


@pytest.mark.parametrize(
    ("peer", "authorization", "verdict"),
    [
        ("203.0.113.1", basic("me:geheim"), ALLOWED),
        ("203.0.113.1", None, UNAUTHORISED),
        ("198.51.100.1", basic("me:geheim"), FORBIDDEN),
        ("198.51.100.1", None, FORBIDDEN),
    ],
)
def test_networks_and_credentials_both_count(peer, authorization, verdict) -> None:
    assert judge(Inbound.model_validate(NETWORKS | BASIC), peer, authorization) is verdict


def test_open_lets_everybody_in_and_opens_nothing_that_is_guarded() -> None:
    assert judge(Inbound.model_validate({"open": True}), None, None) is ALLOWED
    assert judge(Inbound.model_validate({"open": True} | BASIC), None, None) is UNAUTHORISED
    assert judge(Inbound.model_validate({"open": True} | NETWORKS), None, None) is FORBIDDEN


def test_what_says_nothing_is_closed() -> None:
    assert judge(None, "127.0.0.1", None) is FORBIDDEN
    assert judge(Inbound.model_construct(networks=[], basic=[], open=False), "127.0.0.1", None) is FORBIDDEN


PROXIES = [ip_network(each) for each in ("10.0.0.0/24", "2001:db8:1::/64", "127.0.0.1")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        # The word of a peer that is no proxy of ours does not count.
        ("203.0.113.1", [], "203.0.113.1"),
        ("203.0.113.1", ["198.51.100.1"], "203.0.113.1"),
        ("10.0.1.1", ["198.51.100.1"], "10.0.1.1"),
        (None, ["198.51.100.1"], None),
        # A proxy's does, from the right: what a caller has written himself stands on the left.
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["203.0.113.1, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["203.0.113.1", "198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["203.0.113.1,198.51.100.1 ,\t10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["<script>, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", [",,,198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["10.0.0.2, 10.0.0.3"], "10.0.0.2"),
        ("::ffff:10.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("2001:db8:1::7", ["2001:DB8:2::0001"], "2001:db8:2::1"),
        # With ports, as some proxies write it.
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.0.0.1", ["[2001:db8:2::1]:443"], "2001:db8:2::1"),
        ("10.0.0.1", ["[2001:db8:2::1]"], "2001:db8:2::1"),
        # Whatever is no address is nobody's.
        ("10.0.0.1", [], None),
        ("10.0.0.1", [""], None),
        ("10.0.0.1", ["198.51.100.1,"], None),
        ("10.0.0.1", ["198.51.100.1", ""], None),
        ("10.0.0.1", ["unknown"], None),
        ("10.0.0.1", ["198.51.100.1, unknown"], None),
        ("10.0.0.1", ["198.51.100.1, unknown, 10.0.0.2"], None),
        ("10.0.0.1", ["198.51.100.256"], None),
        ("10.0.0.1", ["198.51.100.01"], None),
        ("10.0.0.1", ["198.51.100.1/32"], None),
        ("10.0.0.1", ["198.51.100.1 203.0.113.1"], None),
        ("10.0.0.1", ["198.51.100.1:"], None),
        ("10.0.0.1", ["198.51.100.1:471100"], None),
        ("10.0.0.1", ["[2001:db8:2::1"], None),
        ("10.0.0.1", ["fe80::1%eth0"], None),
        ("10.0.0.1", ["٢٠٣.0.113.1"], None),
        ("10.0.0.1", ["for=198.51.100.1"], None),
        ("10.0.0.1", ["198.51.100.1\x00"], None),
    ],
)
def test_behind_a_trusted_proxy_the_caller_is_whom_it_names(peer, forwarded, expected) -> None:
    assert caller(peer, forwarded, PROXIES) == expected


def test_without_trusted_proxies_the_peer_is_the_caller() -> None:
    assert caller("127.0.0.1", ["198.51.100.1"], []) == "127.0.0.1"


def test_a_caller_whom_the_proxy_does_not_name_is_in_no_network() -> None:
    everywhere = Inbound.model_validate({"networks": ["0.0.0.0/0", "::/0"]})
    assert judge(everywhere, caller("10.0.0.1", ["unknown"], PROXIES), None) is FORBIDDEN
