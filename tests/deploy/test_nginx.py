"""nginx with the shipped configuration before real receivers: the same as HAProxy does, but for folded headers."""

import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import pytest
import pytest_asyncio
from fronts import Nginx

from gateway import answers
from gateway.accounts import Account
from tests.conftest import _running
from tests.deploy import fronting
from tests.deploy.fronting import ALLOWED, STRANGER, Authority, Load, call, ports, started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def receivers(tmp_path_factory) -> AsyncIterator[Any]:
    folder = tmp_path_factory.mktemp("receivers")
    with _running(folder) as run:
        both = [fronting.receiver(run, folder) for _ in range(2)]
        for each in both:
            await each.ready()
        yield both


@pytest.fixture(scope="module")
def authorities(tmp_path_factory) -> tuple[Authority, Authority, Authority]:
    return fronting.authorities(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def front(receivers, authorities, tmp_path_factory) -> Iterator[Nginx]:
    ours, *providers = authorities
    clients = tmp_path_factory.mktemp("nginx") / "clients.pem"
    clients.write_text("".join(each.certificate.read_text() for each in providers))
    wanted = {"~^/mm7/certified/*$": "CN=Sinch Client CA"}
    with started(lambda: Nginx([ports(r)[0] for r in receivers], ours.issue("localhost"), clients, wanted)) as made:
        yield made


def test_the_file_is_valid_as_it_is(authorities) -> None:
    front = Nginx([15001], authorities[0].issue("checked"))
    try:
        done = subprocess.run([*front.command, "-t"], check=False, env=front.env, capture_output=True, text=True)
    finally:
        front.destroy()
    assert (done.returncode, "warn" in done.stderr) == (0, False), done.stderr


def test_a_callback_over_tls_is_received(front, authorities) -> None:
    status, _, text = call(front.port, "open", tls=authorities[0].context())
    assert status == 200
    assert "<StatusCode>1000</StatusCode>" in text


def test_who_needs_a_certificate_shows_one_of_the_right_issuer(front, authorities) -> None:
    ours, right, other = authorities
    none, good, bad = ours.context(), ours.context(right.issue("caller")), ours.context(other.issue("caller"))
    unknown = ours.context(ours.issue("caller"))
    assert call(front.port, "certified", tls=good)[0] == 200
    spellings = ("certified", "certified/", "certified//", "certified?x", "certifie%64", "%63ertified", "certified%2F")
    for spelling in spellings:
        assert call(front.port, spelling, tls=none)[0] == 403, spelling
        assert call(front.port, spelling, tls=bad)[0] == 403, spelling
    assert call(front.port, "open", tls=bad)[0] == 200
    assert call(front.port, "open", tls=unknown)[0] == 400


def test_the_caller_is_judged_by_his_own_address_whatever_he_writes(front, authorities) -> None:
    tls = authorities[0].context()
    assert call(front.port, "guarded", tls=tls, source=ALLOWED)[0] == 200
    assert call(front.port, "guarded", tls=tls, source=STRANGER)[0] == 403
    assert call(front.port, "guarded", tls=tls, source=STRANGER, X_Forwarded_For=ALLOWED)[0] == 403
    assert call(front.port, "guarded", tls=tls, source=ALLOWED, X_Forwarded_For="rubbish")[0] == 200


def test_a_folded_header_is_refused(front, authorities) -> None:
    answer = fronting.raw(front.port, fronting.folded(), authorities[0].context())
    assert answer.startswith("HTTP/1.1 400 ")


def test_what_is_too_large_is_refused_at_once(front, authorities) -> None:
    head = "POST /mm7/open HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 10485761\r\n\r\n"
    assert fronting.raw(front.port, head.encode(), authorities[0].context()).startswith("HTTP/1.1 413 ")


def test_while_no_receiver_is_there_the_provider_keeps_its_callback(authorities) -> None:
    with started(lambda: Nginx([9], authorities[0].issue("localhost"))) as front:
        status, headers, text = call(front.port, "open", tls=authorities[0].context())
    said = answers.unavailable(Account(name="x", profile="generic"), None)
    assert status == 503
    assert headers["Retry-After"] == said.headers["Retry-After"]
    assert headers["Content-Type"] == said.content_type
    assert text == said.body.decode().replace("?>\n", "?>")


def test_a_receiver_whose_host_is_gone_costs_time_and_no_callback(receivers, authorities) -> None:
    tls = authorities[0].context()
    with fronting.gone() as dead:
        places = [dead, ports(receivers[0])[0]]
        with started(lambda: Nginx(places, authorities[0].issue("localhost"))) as front:
            seconds = []
            for _ in range(6):
                begun = time.monotonic()
                assert call(front.port, "open", tls=tls)[0] == 200
                seconds.append(time.monotonic() - begun)
                time.sleep(0.3)  # into the next second, when it is tried anew
    assert max(seconds) > 0.9  # it was tried


@pytest.mark.asyncio(loop_scope="module")
async def test_a_restart_of_each_receiver_refuses_nothing(authorities, tmp_path, eventually) -> None:
    with _running(tmp_path) as run:
        both = [fronting.receiver(run, tmp_path) for _ in range(2)]
        for each in both:
            await each.ready()
        places = [ports(each)[0] for each in both]
        with started(lambda: Nginx(places, authorities[0].issue("localhost"))) as front:
            async with Load(front.port, tls=authorities[0].context()).going() as load:
                for port, old in zip(places, both, strict=True):
                    assert await old.stop() == 0
                    new = await fronting.receiver(run, tmp_path, HTTP_PORT=port).ready()
                    await eventually(partial(new.logged, "callback.accepted"))
    assert set(load.answers) == {200}, load.answers
    assert load.answers[200] > 50
