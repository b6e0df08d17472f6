"""Parts by url through the real worker: what is allowed is sent as it is, all else is refused by its path and in words."""

import asyncio
import json
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from rundir import free_ports

from gateway.tools.simulator import Simulator, page
from tests.workers.fetch import conftest as web

ACCOUNTS = 12
MAX_BYTES, WITHIN = 100_000, 1.0
FORBIDDEN = "127.0.0.2"  # as private as any other, and not in the networks that are allowed here

site = web.site


@pytest.fixture(scope="module")
def fetching(amqp_url, observe, configure, run_for_all, tmp_path_factory) -> Iterator[SimpleNamespace]:
    """A worker that may fetch from this host by http, up to a size and for a second."""
    unique = secrets.token_hex(3)
    delay = f"{300 + secrets.randbelow(200)}ms"
    names = [f"fetch-{unique}-{number}" for number in range(ACCOUNTS)]
    accounts = {}
    for name, port in zip(names, free_ports(ACCOUNTS), strict=True):
        sending = {"url": f"http://127.0.0.1:{port}/mm7", "sender": "111122", "retry_delays": [delay], "rate": 100}
        accounts[name] = {"profile": "generic", "outbound": sending}
    rules = {
        "FETCH_HOSTS": "http://*:*",
        "FETCH_NETWORKS": "127.0.0.1/32",
        "FETCH_MAX_BYTES": MAX_BYTES,
        "FETCH_WITHIN": WITHIN,
    }
    path = configure(tmp_path_factory.mktemp("fetching") / "config.toml", accounts)
    worker = run_for_all("workers", AMQP_URL=amqp_url, CONFIG=path, **rules)
    asyncio.run(worker.ready(60))
    yield SimpleNamespace(free=iter(accounts.items()))
    assert asyncio.run(worker.stop()) == 0

    async def remove() -> None:
        async with observe(amqp_url) as observer:
            await observer.remove(*names, delays=(delay,))

    asyncio.run(remove())


@pytest.fixture
async def provider(fetching, broker) -> AsyncIterator[Any]:
    """An account's provider. `send` orders one message of these parts; `told` gives what becomes of it."""
    name, settings = next(fetching.free)
    port = int(settings["outbound"]["url"].rpartition(":")[2].partition("/")[0])
    events = await broker.follow(f"*.*.{name}.*")

    async def send(*urls: str) -> None:
        parts = [{"content_type": "image/jpeg", "url": url} for url in urls]
        body = {"id": f"order-{secrets.token_hex(6)}", "to": ["15553199144"], "smil": None, "parts": parts}
        await broker.command(name, body)

    async def told() -> tuple[str, dict[str, Any]]:
        event = json.loads((await events.next()).body)
        return event["type"], event["data"]

    async with Simulator(profile="generic", port=port, report=False) as simulator:
        yield SimpleNamespace(send=send, told=told, simulator=simulator)


async def test_an_allowed_part_arrives_as_it_is_and_is_fetched_once_for_two_attempts(provider, site) -> None:
    photo = b"\xff\xd8\xff\xe0" + os.urandom(MAX_BYTES - 2000)
    provider.simulator.script(page(503))
    await provider.send(site.page("/photo.jpg", photo, Content_Type="image/jpeg"))
    kind, data = await provider.told()
    assert (kind, data["attempts"]) == ("mt.accepted", 2)
    assert [[part.data for part in submit.parts] for submit in provider.simulator.submits] == [[photo], [photo]]
    assert len(site.requests) == 1


def forbidden(site: Any) -> str:
    return str(site.url("/photo.jpg", host=FORBIDDEN))


REFUSED = {
    "private address": (forbidden, "127.0.0.2 is at 127.0.0.2, which is no public address"),
    "redirect to one": (
        lambda site: site.leading("/moved", forbidden(site)),
        "/moved redirects, and there: 127.0.0.2 is at 127.0.0.2, which is no public address",
    ),
    "a gigabyte that is announced": (
        lambda site: site.endless("/huge", b"x" * 10_000, length=10**9),
        f"has 1000000000 bytes, {MAX_BYTES} at most are taken",
    ),
    "a gigabyte that is not": (
        lambda site: site.endless("/huge", b"x" * 10_000),
        f"has more than {MAX_BYTES} bytes, {MAX_BYTES} at most are taken",
    ),
    "wrong scheme": (lambda site: "ftp://photos.example/a.jpg", "ftp:// is not fetched: use https://"),
    "a file of this host": (lambda site: "file:///etc/passwd", "file:// is not fetched: use https://"),
    "a bucket that is not allowed": (lambda site: "s3://other/a.jpg", "the bucket 'other' is not allowed"),
}


@pytest.mark.parametrize(("make", "words"), REFUSED.values(), ids=REFUSED)
async def test_a_part_that_must_not_be_fetched_refuses_the_command(provider, site, make, words) -> None:
    good = site.page("/good.jpg", b"\xff\xd8\xff")
    await provider.send(good, make(site))
    kind, data = await provider.told()
    assert (kind, data["reason"]) == ("mt.refused", "bad_command")
    assert [problem["path"] for problem in data["details"]] == ["parts[1].url"]
    assert words in data["details"][0]["problem"]
    assert provider.simulator.submits == []
    assert site.sent < 10**8, "what is in the buffers on the way, and no gigabyte"


LATER = {
    "slow drip": (lambda site: site.endless("/slow", b"x", pause=0.02), f"/slow did not come within {WITHIN:g} s"),
    "busy": (lambda site: site.page("/busy", status=503), "/busy is answered with HTTP 503"),
}


@pytest.mark.parametrize(("make", "words"), LATER.values(), ids=LATER)
async def test_a_part_that_does_not_come_is_tried_again_and_then_refuses_the_command(
    provider, site, make, words
) -> None:
    await provider.send(make(site))
    kind, data = await provider.told()
    assert (kind, data["reason"], data["attempts"]) == ("mt.refused", "attempts_exhausted", 2)
    assert "parts[0].url: " in json.dumps(data)
    assert words in json.dumps(data)
    assert len(site.requests) == 2
    assert provider.simulator.submits == []
