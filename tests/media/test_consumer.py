"""A subscriber with clients of its own fetches every part by its reference, and has what the phone has sent."""

import asyncio
import base64
import hashlib
import json
import os
import quopri
import secrets
from pathlib import Path
from urllib.parse import unquote, urlsplit

import aiohttp
import boto3
import pytest

from gateway import mm7
from gateway.tools.simulator.wire import multipart
from tests.faults.stage import Stage

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01" + os.urandom(200_000) + b"\xff\xd9"
PNG = b"\x89PNG\r\n\x1a\n" + os.urandom(40_000) + b"\r\n--\r\n\r\n"
SMIL = b'<smil><body><par dur="4s"><img src="cid:p1"/></par><par><text src="cid:t1"/></par></body></smil>'
HTML = "<p>Grüße = <b>50 %</b>   \r\n</p>".encode("iso-8859-1")
LONG = ("Lorem ipsum — " * 6000).encode()
MIXED = 'multipart/mixed; boundary="inner"'
ALTERNATIVE = 'multipart/alternative; boundary="innermost"'
# Content-Type, Content-Transfer-Encoding, content: as they stand in the message, the nested ones in their place.
SENT = [
    ("application/smil\nContent-ID: <smil>", "8bit", SMIL),
    ("image/jpeg; name=a.jpg\nContent-ID: <p1>", "base64", JPEG),
    ("image/png; name=b.png", "binary", PNG),
    ("text/plain; charset=utf-8\nContent-ID: <t1>", "8bit", "Grüße, 日本".encode()),
    ("text/plain; charset=iso-8859-15", "8bit", "10 €".encode("iso-8859-15")),
    ("text/plain; charset=utf-16", "base64", "Привет".encode("utf-16")),
    ("text/plain; charset=shift_jis", "quoted-printable", "こんにちは".encode("shift_jis")),
    ("text/plain; charset=x-unheard-of", "base64", b"\xff\x00\xfe"),
    ("text/plain; charset=utf-8", "8bit", LONG),
    ("text/html; charset=iso-8859-1", "quoted-printable", HTML),
    ("image/png; name=again.png", "base64", PNG),
    ("application/octet-stream", "binary", b""),
]
INNERMOST, INNER = SENT[9:11], SENT[8:9]
ENCODERS = {"base64": base64.encodebytes, "quoted-printable": lambda data: quopri.encodestring(data, quotetabs=True)}


def section(kind, encoding, content):
    head = f"Content-Type: {kind}\nContent-Transfer-Encoding: {encoding}"
    return head, ENCODERS.get(encoding, bytes)(content)


def written(transaction_id):
    """The message of a phone, by hand: multiparts three deep."""
    sender, content = mm7.Address("15553199144"), mm7.Content("cid:mms")
    request = mm7.DeliverReq(transaction_id=transaction_id, mm7_version="6.8.0", sender=sender, content=content)
    innermost = multipart("innermost", [section(*each) for each in INNERMOST])
    inner = multipart(
        "inner", [*(section(*each) for each in INNER), (f"Content-Type: {ALTERNATIVE}", innermost), section(*SENT[11])]
    )
    related = multipart("related", [*(section(*each) for each in SENT[:8]), (f"Content-Type: {MIXED}", inner)])
    head = 'Content-Type: multipart/related; type="application/smil"; boundary="related"\nContent-ID: <mms>'
    root = ("Content-Type: text/xml; charset=utf-8\nContent-ID: <root>", mm7.encode(request).body)
    kind = 'multipart/related; type="text/xml"; start="<root>"; boundary="outer"'
    return kind, multipart("outer", [root, (head, related)])


def fetched(url, s3_env):
    """What is under a reference: by the file system, or by Amazon's own client."""
    found = urlsplit(url)
    if found.scheme == "file":
        return Path(unquote(found.path)).read_bytes()
    client = boto3.client(
        "s3",
        endpoint_url=s3_env["AWS_ENDPOINT_URL"],
        aws_access_key_id=s3_env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=s3_env["AWS_SECRET_ACCESS_KEY"],
        region_name=s3_env["AWS_REGION"],
    )
    return client.get_object(Bucket=found.netloc, Key=found.path[1:])["Body"].read()


@pytest.fixture(params=["file", "s3"])
def media_url(request, folder):
    return request.getfixturevalue("bucket_url") if request.param == "s3" else folder.as_uri()


@pytest.fixture
async def stage(run, node, tmp_path, media_url):
    async with Stage(run, tmp_path, brokers=[node.port]) as stage:
        await stage.begin(workers=0, MEDIA_URL=media_url)
        yield stage


async def test_a_subscriber_fetches_every_part_and_has_what_the_phone_has_sent(stage, observe, s3_server):
    async with observe(stage.direct_url()) as observer, aiohttp.ClientSession() as session:
        events = await observer.follow(f"mo.received.{stage.account}.*")
        kind, body = written(secrets.token_hex(6))
        url = stage.callback_url(stage.account)
        async with session.post(url, data=body, headers={"Content-Type": kind}) as answer:
            assert answer.status == 200
        data = (await events.event())["data"]
    parts = data["parts"]
    assert [part["content_type"] for part in parts] == [each.partition("\n")[0].partition(";")[0] for each, *_ in SENT]
    for part, (_, _, content) in zip(parts, SENT, strict=True):
        assert (part["bytes"], part["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
        if part["url"] is not None:
            assert await asyncio.to_thread(fetched, part["url"], s3_server.env) == content
        else:
            assert part["text"].encode(part["charset"]) == content
    inline = [number for number, part in enumerate(parts) if part["url"] is None]
    assert inline == [3, 4, 5, 6, 9]
    assert parts[2]["url"] == parts[10]["url"], "the same picture twice is one blob"
    assert data["slides"] == [{"seconds": 4.0, "parts": [1]}, {"seconds": None, "parts": [3]}]
    assert json.dumps(data["text"], ensure_ascii=False).startswith('"Grüße, 日本\\n10 €\\nПривет\\nこんにちは')
