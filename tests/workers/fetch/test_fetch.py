"""Fetching over HTTP, from a real server: what is bounded stays bounded, what is refused is never reached."""

import asyncio
import gzip
import shutil
import ssl
import subprocess

import pytest
from aiohttp import web

from workers.fetch import Fetched, Unreachable
from workers.rules import Refused

GIGABYTE = 1024**3


async def refused(fetcher, url) -> str:
    with pytest.raises(Refused) as caught:
        await asyncio.wait_for(fetcher.get(url), 5)
    return str(caught.value)


async def unreachable(fetcher, url) -> str:
    with pytest.raises(Unreachable) as caught:
        await asyncio.wait_for(fetcher.get(url), 5)
    return str(caught.value)


async def test_what_is_there_is_fetched_with_its_type(fetcher, site) -> None:
    content = bytes(range(256)) * 4000
    url = site.page("/photo.jpg", content, Content_Type="image/jpeg")
    assert await fetcher.get(f"{url}?signature=a%2Bb#x") == Fetched(content, "image/jpeg")
    assert site.requests[0].raw_path == "/photo.jpg?signature=a%2Bb"


async def test_nothing_is_sent_that_tells_of_us(make_fetcher, site, names, monkeypatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    fetcher = await make_fetcher()
    names.addresses = {"site.example": ["127.0.0.1"]}  # an address is given no cookies anyway
    site.page("/photo.jpg", b"x", Set_Cookie="session=1; Path=/")
    url = site.url("/photo.jpg", "site.example")
    await fetcher.get(url)
    await fetcher.get(url)
    for request in site.requests:
        assert set(request.headers) == {"Host", "Connection", "Accept", "Accept-Encoding", "User-Agent"}
        assert request.headers["Accept-Encoding"] == "identity"


async def test_a_private_address_is_refused(make_fetcher, site, names) -> None:
    fetcher = await make_fetcher(networks=())
    for host in ("127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "169.254.169.254"):
        words = await refused(fetcher, site.url("/photo.jpg", host))
        assert "is no public address: serve it from one, or add its network to MM7_FETCH_NETWORKS" in words
    names.addresses = {"inside.example": ["10.0.0.7", "fd00::7"], "localhost.": ["127.0.0.1"]}
    assert "inside.example is at" in await refused(fetcher, site.url("/photo.jpg", "inside.example"))
    assert "at 127.0.0.1" in await refused(fetcher, site.url("/photo.jpg", "localhost."))
    assert site.requests == []


@pytest.mark.parametrize("host", ["0x7f.0.0.1", "0x7f000001", "localhost", "127.0.0.1.", "①②⑦.0.0.1"])
async def test_another_spelling_of_a_private_address_is_refused(make_rules, site, host) -> None:
    from workers.fetch import Fetcher

    async with Fetcher(make_rules(networks=())) as fetcher:  # the system's own resolver
        with pytest.raises((Refused, Unreachable)):  # some systems' resolvers know no such spelling
            await fetcher.get(site.url("/", host))
    assert site.requests == []


@pytest.mark.parametrize("host", ["2130706433", "127.1", "017700000001", "0177.0.0.1", "127.0.0.1."])
async def test_an_odd_spelling_is_refused_where_the_address_itself_is_allowed(fetcher, site, host) -> None:
    assert "mend it" in await refused(fetcher, site.url("/", host))
    assert site.requests == []


async def test_a_redirect_is_followed_and_the_last_page_counts(fetcher, site) -> None:
    site.page("/end", b"there")
    site.leading("/2", "/end", 308)
    site.leading("/1", "2", 301)
    assert (await fetcher.get(site.leading("/0", site.url("/1?a=b"), 307))).data == b"there"


async def test_a_fourth_redirect_is_refused(fetcher, site) -> None:
    url = site.leading("/round", "/round")
    assert "redirects more than 3 times" in await refused(fetcher, url)
    assert len(site.requests) == 4


@pytest.mark.parametrize(
    "target, words",
    [
        ("http://10.0.0.7/secret", "redirects, and there: 10.0.0.7 is at 10.0.0.7, which is no public address"),
        ("http://169.254.169.254/latest/meta-data/", "which is no public address"),
        ("http://inside.example/", "inside.example is at 10.0.0.7"),
        ("//inside.example/", "inside.example is at 10.0.0.7"),
        ("file:///etc/passwd", "redirects, and there: file:// is not fetched"),
        ("s3://photos/a", "s3:// is not fetched"),
        ("ftp://127.0.0.1/", "ftp:// is not fetched"),
        ("http://user:secret@127.0.0.1/", "a user name or password"),
        ("http://127.0.0.1:99999/", "no url that can be read"),
        ("http://a\\b/", "a backslash"),
        ("http://" + "a" * 70 + ".example/", ""),
        ("", "redirects to nowhere"),
    ],
)
async def test_a_redirect_is_judged_like_the_first_request(fetcher, site, names, target, words) -> None:
    names.addresses = {"inside.example": ["10.0.0.7"]}
    url = site.leading("/away", target)
    if not words:
        await unreachable(fetcher, url)
        return
    said = await refused(fetcher, url)
    assert words in said
    assert "secret@" not in said
    assert len(site.requests) == 1


async def test_a_redirect_from_https_to_http_is_refused_where_http_is(make_fetcher, site) -> None:
    fetcher = await make_fetcher(hosts=("http://127.0.0.1:*", "elsewhere.example"))
    url = site.leading("/away", "http://elsewhere.example/a")
    assert "by https alone" in await refused(fetcher, url)


async def test_a_name_is_judged_by_each_of_its_answers(fetcher, site, names) -> None:
    """DNS rebinding: allowed when first looked up, another address the next time."""
    names.addresses = {"rebound.example": [["127.0.0.1"], ["127.0.0.2"]]}
    url = site.url("/", "rebound.example")
    site.leading("/", url)
    assert "rebound.example is at 127.0.0.2" in await refused(fetcher, url)
    assert names.asked == ["rebound.example"] * 2
    assert len(site.requests) == 1


async def test_of_several_addresses_only_those_allowed_are_connected_to(fetcher, site, names) -> None:
    names.addresses = {"mixed.example": ["127.0.0.2", "fd00::1", "127.0.0.1", "10.0.0.7"]}
    site.page("/photo.jpg", b"x")
    assert (await fetcher.get(site.url("/photo.jpg", "mixed.example"))).data == b"x"


async def test_a_gigabyte_that_is_announced_is_not_read(make_fetcher, site) -> None:
    fetcher = await make_fetcher(max_bytes=100_000)
    url = site.endless("/large", bytes(64 * 1024), length=GIGABYTE)
    words = await refused(fetcher, url)
    assert f"{url} has {GIGABYTE} bytes, 100000 at most are taken: make it smaller" in words
    await until_cut_off(site)


async def test_a_gigabyte_that_is_not_announced_is_cut_off(make_fetcher, site) -> None:
    fetcher = await make_fetcher(max_bytes=100_000)
    assert "more than 100000 bytes" in await refused(fetcher, site.endless("/large", bytes(64 * 1024)))
    await until_cut_off(site)


async def until_cut_off(site) -> None:
    """What was sent by then is what fits into the buffers on the way."""
    await asyncio.wait_for(site.cut_off.wait(), 5)
    assert site.sent < 20 * 1024 * 1024


async def test_as_much_as_is_allowed_is_taken(make_fetcher, site) -> None:
    fetcher = await make_fetcher(max_bytes=1000)
    assert len((await fetcher.get(site.page("/just", bytes(1000)))).data) == 1000
    assert "has 1001 bytes" in await refused(fetcher, site.page("/over", bytes(1001)))


async def test_a_compressed_answer_is_refused(fetcher, site) -> None:
    bomb = gzip.compress(bytes(1_000_000))
    for coding in ("gzip", "x-unknown", "identity, gzip"):
        url = site.page("/bomb", bomb, Content_Encoding=coding)
        assert "comes compressed" in await refused(fetcher, url)
    assert (await fetcher.get(site.page("/plain", b"x", Content_Encoding="identity"))).data == b"x"


@pytest.mark.parametrize("status", [201, 204, 206, 300, 304, 400, 401, 403, 404, 410, 451])
async def test_an_answer_that_will_stay_is_refused(fetcher, site, status) -> None:
    words = await refused(fetcher, site.page("/page", status=status))
    assert f"is answered with HTTP {status}: mend the url" in words


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
async def test_an_answer_that_may_pass_is_for_later(fetcher, site, status) -> None:
    assert f"HTTP {status}" in await unreachable(fetcher, site.page("/page", status=status))


async def test_what_cannot_be_reached_is_for_later(fetcher, site, names, unused_port) -> None:
    assert "no connection to 127.0.0.1" in await unreachable(fetcher, f"http://127.0.0.1:{unused_port}/")
    words = await unreachable(fetcher, site.url("/a?token=secret", "unknown.example"))
    assert "no connection to unknown.example: Name or service not known" in words


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"no http\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000,
    ],
)
async def test_a_connection_that_breaks_off_is_for_later(fetcher, answer) -> None:
    async def serve(reader, writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        words = await unreachable(fetcher, f"http://127.0.0.1:{port}/a?token=secret")
    assert "broke off" in words
    assert "secret" not in words


@pytest.fixture
def self_signed(tmp_path) -> ssl.SSLContext:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    named = ["-subj", "/CN=photos.example", "-addext", "subjectAltName=DNS:photos.example"]
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "1",
        "-keyout",
        key,
        "-out",
        certificate,
    ]
    subprocess.run([*made, *named], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return context


async def test_a_certificate_that_nobody_knows_is_refused(make_fetcher, names, self_signed) -> None:
    runner = web.AppRunner(web.Application(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self_signed).start()
        names.addresses = {"photos.example": ["127.0.0.1"]}
        words = await refused(await make_fetcher(), f"https://photos.example:{runner.addresses[0][1]}/")
    finally:
        await runner.cleanup()
    assert "the certificate of photos.example is not trusted" in words
