"""The parts of a command: fetched once, kept for the next attempt, and every problem told by its path."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.accounts import Account
from gateway.contract import commands
from gateway.contract.commands import BadCommand, Command
from gateway.contract.parts import Blob
from gateway.profiles import generic
from gateway.stores.media import MediaStore, MediaUnavailable
from gateway.stores.state import StateUnavailable
from gateway.stores.state_memory import MemoryState
from workers.contents import Contents

PHOTO = b"\xff\xd8\xff photo"


class Case:
    """Stores, a fetcher and an account; `missed` counts what the state store did not answer."""

    def __init__(self, fetcher) -> None:
        self.media, self.state = MediaStore("memory://"), MemoryState()
        self.fetcher = fetcher
        self.missed = 0
        self.account = self.account_with()

    def account_with(self, **outbound: Any) -> Account:
        given = {"url": "http://127.0.0.1:9/mm7", "sender": "111122", **outbound}
        return Account.model_validate({"name": "a", "profile": "generic", "outbound": given})

    @staticmethod
    def command(*parts: dict[str, Any] | str, **fields: Any) -> Command:
        listed = [{"content_type": "image/jpeg", "url": each} if isinstance(each, str) else each for each in parts]
        return Command.model_validate({"id": "order-1", "to": ["15553199144"], "parts": listed, **fields})

    def contents(self) -> Contents:
        return Contents(self.media, self.state, self.fetcher, unavailable=self._miss)  # type: ignore[arg-type]

    def _miss(self) -> None:
        self.missed += 1

    async def of(self, *parts: dict[str, Any] | str, **fields: Any) -> list[bytes]:
        return await self.contents().of(self.command(*parts, **fields), self.account)

    async def refused(self, *parts: dict[str, Any] | str) -> dict[str, str]:
        with pytest.raises(BadCommand) as caught:
            await self.of(*parts)
        return {each.path: each.problem for each in caught.value.problems}

    async def later(self, *parts: dict[str, Any] | str) -> str:
        with pytest.raises(MediaUnavailable) as caught:
            await self.of(*parts)
        return str(caught.value)


@pytest.fixture
async def case(fetcher) -> Case:
    return Case(fetcher)


async def test_parts_come_in_their_order_from_wherever_they_are(case, site) -> None:
    digest = hashlib.sha256(b"ours").hexdigest()
    await case.media.keep([Blob(digest, "image/png", b"ours")])
    found = await case.of(
        {"content_type": "text/plain", "text": "grüße"},
        site.page("/photo.jpg", PHOTO, Content_Type="image/jpeg"),
        {"content_type": "image/png", "data": base64.b64encode(b"inline").decode()},
        {"content_type": "image/png", "url": case.media.url_of(digest)},
    )
    assert found == ["grüße".encode(), PHOTO, b"inline", b"ours"]


async def test_another_attempt_sends_the_same_and_asks_nobody(case, site) -> None:
    url = site.page("/photo.jpg", PHOTO)
    assert await case.of(url) == [PHOTO]
    site.page("/photo.jpg", b"changed")
    assert await case.of(url) == [PHOTO]
    assert len(site.requests) == 1
    assert await case.media.get(case.media.url_of(hashlib.sha256(PHOTO).hexdigest())) == PHOTO


async def test_another_command_or_account_or_url_fetches_for_itself(case, site) -> None:
    url = site.page("/photo.jpg", b"first")
    await case.of(url)
    site.page("/photo.jpg", b"second")
    assert await case.of(url, id="order-2") == [b"second"]
    assert await case.of(f"{url}?v=2") == [b"second"]
    other = case.account.model_copy(update={"name": "b"})
    assert await case.contents().of(case.command(url), other) == [b"second"]


class Away(MemoryState):
    async def get(self, key: str, **_: Any) -> bytes | None:
        raise StateUnavailable("away")

    async def put(self, *_: Any, **__: Any) -> None:
        raise StateUnavailable("away")


async def test_a_state_store_that_is_away_costs_another_fetch(case, site) -> None:
    case.state = Away()
    url = site.page("/photo.jpg", PHOTO)
    assert [await case.of(url), await case.of(url)] == [[PHOTO], [PHOTO]]
    assert (len(site.requests), case.missed) == (2, 4)


async def test_a_media_store_that_is_away_or_has_lost_it_costs_another_fetch(case, site) -> None:
    url = site.page("/photo.jpg", PHOTO)
    await case.of(url)
    case.media = MediaStore("memory://")
    assert await case.of(url) == [PHOTO]

    class Broken(MediaStore):
        async def get(self, url: str) -> bytes:
            raise MediaUnavailable("away")

        async def keep(self, blobs: Any) -> None:
            raise MediaUnavailable("away")

    case.media = Broken("memory://")
    assert await case.of(url) == [PHOTO]
    assert len(site.requests) == 3


async def test_every_problem_is_told_by_its_part_before_anything_is_fetched(case, site) -> None:
    good = site.page("/photo.jpg", PHOTO)
    problems = await case.refused(
        good,
        "ftp://photos.example/a",
        {"content_type": "text/plain", "text": "fine"},
        "s3://photos/a",
        "file:///etc/passwd",
        "http://u:secret@127.0.0.1/",
        "http://10.0.0.7/a",
    )
    assert {path: problem[:20] for path, problem in problems.items()} == {
        "parts[1].url": "ftp:// is not fetche",
        "parts[3].url": "the bucket 'photos' ",
        "parts[4].url": "file:// is not fetch",
        "parts[5].url": "a user name or passw",
        "parts[6].url": "10.0.0.7 is at 10.0.",
    }
    assert site.requests == []


async def test_every_part_that_cannot_be_fetched_is_told_at_once(case, site) -> None:
    problems = await case.refused(
        site.url("/missing?token=secret"),
        site.page("/good", PHOTO),
        site.page("/busy", status=503),
        case.media.url_of("ab" * 32),
    )
    assert set(problems) == {"parts[0].url", "parts[3].url"}
    assert problems["parts[0].url"] == (
        f"{site.url('/missing')} is answered with HTTP 404: mend the url, or its access rights"
    )
    assert "nothing is stored" in problems["parts[3].url"]


async def test_what_may_pass_is_for_later_with_its_part_named(case, site, unused_port) -> None:
    words = await case.later(
        site.page("/good", PHOTO), f"http://127.0.0.1:{unused_port}/?token=secret", site.page("/busy", status=503)
    )
    assert words.startswith("parts[1].url: no connection to 127.0.0.1: ")
    assert words.endswith(f"; parts[2].url: {site.url('/busy')} is answered with HTTP 503")
    assert "secret" not in words


async def test_a_slow_drip_ends_and_the_rest_waits_no_longer(make_fetcher, site) -> None:
    case = Case(await make_fetcher(within=0.5))
    slow = site.endless("/slow", b"x", pause=0.02)
    began = asyncio.get_running_loop().time()
    words = await case.later(*(f"{slow}?{number}" for number in range(9)))
    assert 0.4 < asyncio.get_running_loop().time() - began < 2
    assert words.startswith(f"parts[0].url: {slow} did not come within 0.5 s; parts[1].url: ")
    assert words.count("did not come") == 9
    assert len(site.requests) == 4


async def test_what_came_in_time_is_not_fetched_again_by_the_next_attempt(make_fetcher, site) -> None:
    case = Case(await make_fetcher(within=0.5))
    parts = (site.page("/photo.jpg", PHOTO), site.endless("/slow", b"x", pause=0.02))
    await case.later(*parts)
    site.page("/slow", b"now")
    assert await case.of(*parts) == [PHOTO, b"now"]
    assert [each.path for each in site.requests].count("/photo.jpg") == 1


async def test_four_parts_are_fetched_at_a_time(case, site) -> None:
    here, most = 0, 0

    async def page(_: Any) -> Any:
        from aiohttp import web

        nonlocal here, most
        here += 1
        most = max(most, here)
        await asyncio.sleep(0.02)
        here -= 1
        return web.Response(body=b"x")

    site.pages["/"] = page
    assert await case.of(*(site.url(f"/?{number}") for number in range(12))) == [b"x"] * 12
    assert most == 4


async def test_parts_that_are_too_much_together_are_refused(make_fetcher, site) -> None:
    case = Case(await make_fetcher(max_bytes=1000))
    urls = [site.page(f"/{number}", bytes(600)) for number in range(3)]
    problems = await case.refused(*urls)
    assert len(problems) == 2
    assert set(problems.values()) == {"with it the parts have more than 1000 bytes: send less, or in two messages"}
    assert await case.of(urls[0], {"content_type": "text/plain", "text": "x" * 5000}) == [bytes(600), b"x" * 5000]


async def test_a_part_whose_hash_is_another_is_refused_and_not_kept(case, site) -> None:
    url = site.page("/photo.jpg", b"another")
    part = {"content_type": "image/jpeg", "url": url, "sha256": hashlib.sha256(PHOTO).hexdigest()}
    found = hashlib.sha256(b"another").hexdigest()
    assert found in (await case.refused(part))["parts[0].url"]
    site.page("/photo.jpg", PHOTO)
    assert await case.of(part) == [PHOTO]


async def test_a_type_that_differs_is_logged_and_the_command_s_is_used(case, site) -> None:
    urls = [
        site.page("/a", PHOTO, Content_Type="text/html; charset=utf-8"),
        site.page("/b", PHOTO, Content_Type="Image/JPEG; q=1"),
    ]
    with capture_logs() as logs:
        await case.of(*(f"{url}?token=secret" for url in urls))
    (line,) = logs
    assert (line["event"], line["url"], line["declared"], line["served"]) == (
        "part.other_type",
        urls[0],
        "image/jpeg",
        "text/html; charset=utf-8",
    )


async def test_a_command_that_the_profile_refuses_is_not_fetched_for(case, site, monkeypatch) -> None:
    strict = replace(generic.PROFILE, content_types=frozenset({"image/*", "text/plain"}), max_parts=1)
    monkeypatch.setattr(generic, "PROFILE", strict)
    from gateway import profiles

    profiles.load.cache_clear()
    try:
        problems = await case.refused(site.page("/a"), {"content_type": "video/mp4", "url": site.page("/b")})
    finally:
        profiles.load.cache_clear()
    assert set(problems) == {"parts[1].content_type", "parts"}
    assert site.requests == []


async def test_a_cancelled_gathering_leaves_nothing_running(case, site) -> None:
    before = asyncio.all_tasks()
    slow = site.endless("/slow", b"x", pause=0.02)
    gathering = asyncio.create_task(case.of(slow, f"{slow}?2"))
    while len(site.requests) < 2:
        await asyncio.sleep(0.01)
    gathering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gathering
    ours = {each for each in asyncio.all_tasks() - before if "contents" in str(each.get_coro())}
    assert ours == set()


async def test_pictures_are_scaled_to_the_account_s_limit(case, site) -> None:
    image = pytest.importorskip("PIL.Image")
    file = io.BytesIO()
    image.effect_noise((800, 600), 80).convert("RGB").save(file, "JPEG", quality=95)
    photo, text = file.getvalue(), b"x" * 50_000
    assert len(photo) > 200_000
    case.account = case.account_with(image_max_bytes=20_000)
    found = await case.of(
        {"content_type": "image/jpeg", "data": base64.b64encode(photo).decode()},
        site.page("/photo.jpg", photo),
        {"content_type": "text/plain", "text": text.decode()},
        {"content_type": "application/pdf", "data": base64.b64encode(photo).decode()},
    )
    assert max(map(len, found[:2])) <= 20_000
    assert found[2:] == [text, photo]
    case.account = case.account_with()
    assert await case.of(site.url("/photo.jpg")) == [photo]


def test_a_hash_goes_with_a_url() -> None:
    part = {"content_type": "text/plain", "text": "x", "sha256": "ab" * 32}
    with pytest.raises(BadCommand) as caught:
        commands.parse(_json({"id": "1", "to": ["15553199144"], "parts": [part]}), None, {}, None)
    assert [each.path for each in caught.value.problems] == ["parts[0].sha256"]


@pytest.mark.parametrize("url", ["https://h/" + "a" * 8192, "https://", "no-url", "https://a b"])
def test_a_url_that_is_none_is_refused_when_it_is_read(url) -> None:
    part = {"content_type": "image/png", "url": url}
    with pytest.raises(BadCommand) as caught:
        commands.parse(_json({"id": "1", "to": ["15553199144"], "parts": [part]}), None, {}, None)
    assert [each.path for each in caught.value.problems] == ["parts[0].url"]


def _json(value: object) -> bytes:
    import orjson

    return orjson.dumps(value)
