"""HAProxy with the shipped configuration before real receivers: TLS, addresses, folded headers, ends and starts."""

import contextlib
import http.client
import ssl
import subprocess
import threading
import urllib.request
from collections.abc import AsyncIterator, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from fronts import HAPROXY_CONFIG, HAProxy, has_ipv6

from gateway import answers
from gateway.accounts import Account
from tests.conftest import _running
from tests.deploy import fronting
from tests.deploy.fronting import ALLOWED, STRANGER, Authority, Load, call, ports, started

DRAIN_SECONDS = 2


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def receivers(tmp_path_factory) -> AsyncIterator[Any]:
    """Two of them, and how to start another."""
    folder = tmp_path_factory.mktemp("receivers")
    with _running(folder) as run:
        both = [fronting.receiver(run, folder, DRAIN_SECONDS=DRAIN_SECONDS) for _ in range(2)]
        for each in both:
            await each.ready()
        yield both


@pytest.fixture(scope="module")
def plain(receivers) -> Iterator[HAProxy]:
    with started(lambda: HAProxy([ports(each) for each in receivers])) as front:
        yield front


@pytest.fixture(scope="module")
def authorities(tmp_path_factory) -> tuple[Authority, Authority, Authority]:
    return fronting.authorities(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def with_tls(receivers, authorities, tmp_path_factory) -> Iterator[HAProxy]:
    folder = tmp_path_factory.mktemp("haproxy")
    ours, *providers = authorities
    issuers = folder / "clients.pem"
    issuers.write_text("".join(each.certificate.read_text() for each in providers))
    names = folder / "issuers.map"
    names.write_text("/mm7/certified  Sinch Client CA\n")
    variables = {
        "MM7_CERTIFICATE": str(ours.issue("localhost")),
        "MM7_CLIENT_CA": str(issuers),
        "MM7_CLIENT_ISSUERS": str(names),
    }
    with started(lambda: HAProxy([ports(each) for each in receivers], variables=variables)) as front:
        yield front


@pytest.mark.parametrize("variables", [{}, {"MM7_PLAIN_HTTP": "1"}, {"MM7_CLIENT_CA": "ca"}])
def test_the_file_is_valid_with_every_choice_of_its_variables(variables, authorities, tmp_path) -> None:
    names = Path(HAPROXY_CONFIG).with_name("mm7-issuers.map")
    given = {"MM7_CERTIFICATE": str(authorities[0].issue("checked")), "MM7_CLIENT_ISSUERS": str(names), **variables}
    if "MM7_CLIENT_CA" in given:
        given["MM7_CLIENT_CA"] = str(authorities[1].certificate)
    front = HAProxy([(15001, 15002)], [15003], given)
    env = {name: value for name, value in front.env.items() if name not in ("MM7_LISTEN", "MM7_STATUS")}
    try:
        done = subprocess.run([*front.command, "-c"], check=False, env=env, capture_output=True, text=True)
    finally:
        front.destroy()
    assert (done.returncode, "WARNING" in done.stderr) == (0, False), done.stderr


def test_a_callback_over_tls_is_received(with_tls, authorities) -> None:
    status, _, text = call(with_tls.port, "open", tls=authorities[0].context())
    assert status == 200
    assert "<StatusCode>1000</StatusCode>" in text


def test_who_needs_a_certificate_shows_one_of_the_right_issuer(with_tls, authorities) -> None:
    ours, right, other = authorities
    none, good, bad = ours.context(), ours.context(right.issue("caller")), ours.context(other.issue("caller"))
    unknown = ours.context(ours.issue("caller"))
    assert call(with_tls.port, "certified", tls=good)[0] == 200
    for spelling in ("certified", "certified/", "certified//", "certified?x"):
        assert call(with_tls.port, spelling, tls=none)[0] == 403, spelling
        assert call(with_tls.port, spelling, tls=bad)[0] == 403, spelling
    for spelling in ("certifie%64", "%63ertified", "certified%2F", "certified;"):
        assert call(with_tls.port, spelling, tls=none)[0] == 404, spelling
    assert call(with_tls.port, "open", tls=bad)[0] == 200
    with pytest.raises((ssl.SSLError, ConnectionError)):
        call(with_tls.port, "open", tls=unknown)


def test_the_caller_is_judged_by_his_own_address_whatever_he_writes(plain, receivers) -> None:
    assert call(plain.port, "guarded", source=ALLOWED)[0] == 200
    assert call(plain.port, "guarded", source=STRANGER)[0] == 403
    assert call(plain.port, "guarded", source=STRANGER, X_Forwarded_For=ALLOWED)[0] == 403
    assert call(plain.port, "guarded", source=ALLOWED, X_Forwarded_For="rubbish")[0] == 200
    port, _ = ports(receivers[0])
    assert call(port, "guarded", source=STRANGER, X_Forwarded_For=ALLOWED)[0] == 403
    peers = {entry["peer"] for each in receivers for entry in each.logged("callback.accepted")}
    assert ALLOWED in peers


async def test_one_check_that_fails_takes_no_receiver_out(eventually) -> None:
    asked: list[str] = []

    class Readiness(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(503 if len(asked) == 4 else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Readiness) as admin:
        threading.Thread(target=admin.serve_forever, daemon=True).start()
        with started(lambda: HAProxy([(9, admin.server_port)])) as front:
            await eventually(lambda: len(asked) > 6)
            page = _told(front)
        admin.shutdown()
    assert 'haproxy_server_check_failures_total{proxy="receivers",server="r9"} 1\n' in page
    assert 'haproxy_server_check_up_down_total{proxy="receivers",server="r9"} 0\n' in page


def test_a_receiver_whose_host_is_gone_costs_time_and_no_callback(receivers) -> None:
    with fronting.gone() as dead, started(lambda: HAProxy([(dead, dead), ports(receivers[0])])) as front:
        assert [call(front.port, "open")[0] for _ in range(6)] == [200] * 6


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_callers_come_by_either_family(receivers) -> None:
    def both() -> HAProxy:
        front = HAProxy([ports(receivers[0])])
        front.env["MM7_LISTEN"] += f",::1:{front.port}"
        return front

    with started(both) as front:
        for host in ("127.0.0.1", "::1"):
            with contextlib.closing(http.client.HTTPConnection(host, front.port, timeout=15)) as connection:
                connection.request("POST", "/mm7/open", fronting.report(), {"Content-Type": "text/xml"})
                assert connection.getresponse().status == 200
    peers = {entry["peer"] for entry in receivers[0].logged("callback.accepted")}
    assert {"127.0.0.1", "::1"} <= peers


def test_a_folded_header_comes_through(plain, receivers) -> None:
    assert fronting.raw(plain.port, fronting.folded()).startswith("HTTP/1.1 200 ")
    port, _ = ports(receivers[0])
    assert fronting.raw(port, fronting.folded()).startswith("HTTP/1.0 400 ")


def test_what_is_too_large_is_refused_at_once(plain) -> None:
    head = "POST /mm7/open HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 10485761\r\n\r\n"
    assert fronting.raw(plain.port, head.encode()).startswith("HTTP/1.1 413 ")


def test_while_no_receiver_is_there_the_provider_keeps_its_callback() -> None:
    with started(lambda: HAProxy([(9, 9)])) as front:
        status, headers, text = call(front.port, "open")
    said = answers.unavailable(Account(name="x", profile="generic"), None)
    assert status == 503
    assert headers["retry-after"] == said.headers["Retry-After"]
    assert headers["content-type"] == said.content_type
    assert text == said.body.decode().replace("?>\n", "?>")


@pytest.mark.asyncio(loop_scope="module")
async def test_a_restart_of_each_receiver_refuses_nothing(tmp_path, eventually) -> None:
    with _running(tmp_path) as run:
        both = [fronting.receiver(run, tmp_path, DRAIN_SECONDS=DRAIN_SECONDS) for _ in range(2)]
        for each in both:
            await each.ready()
        places = [ports(each) for each in both]
        with started(lambda: HAProxy(places)) as front:
            async with Load(front.port).going() as load:
                for place, old in zip(places, both, strict=True):
                    assert await old.stop() == 0
                    new = fronting.receiver(
                        run, tmp_path, DRAIN_SECONDS=DRAIN_SECONDS, HTTP_PORT=place[0], ADMIN_PORT=place[1]
                    )
                    await new.ready()
                    await eventually(partial(_has_back, front, place[0]))
    assert set(load.answers) == {200}, load.answers
    assert load.answers[200] > 50


def _has_back(front: HAProxy, port: int) -> bool:
    """Whether HAProxy gives the receiver work again."""
    return f'haproxy_server_status{{proxy="receivers",server="r{port}",state="UP"}} 1' in _told(front)


def _told(front: HAProxy) -> str:
    """What HAProxy tells Prometheus."""
    with urllib.request.urlopen(f"http://127.0.0.1:{front.status_port}/metrics") as page:
        return page.read().decode()
