"""Callbacks whose values are extreme, and samples with bytes changed: always an answer, and always an event for AMQP."""

import io
import random
from pathlib import Path

import pytest

from gateway import http_file, mm7

SAMPLES = sorted((Path(__file__).parents[1] / "samples").glob("*/request.http"))
NUL = b"\x00" * 65_536
LONG = "9" * 200_000


def deliver(children: str = "", sender: str = "<Sender><Number>15550001111</Number></Sender>", tid: str = "t-1") -> str:
    header = f'<s:Header><TransactionID xmlns="{mm7.REL_6_1_4}">{tid}</TransactionID></s:Header>'
    payload = f'<DeliverReq xmlns="{mm7.REL_6_1_4}"><MM7Version>6.8.0</MM7Version>{sender}{children}</DeliverReq>'
    return f'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/">{header}<s:Body>{payload}</s:Body></s:Envelope>'


EXTREME = {
    "sender": deliver(sender=f"<Sender><Number>{LONG}</Number></Sender>"),
    "recipient": deliver(f"<Recipients><To><Number>{LONG}</Number></To></Recipients>"),
    "recipients": deliver("<Recipients>" + "<To><Number>1</Number></To>" * 8000 + "</Recipients>"),
    "service in Arabic": deliver("<Recipients><To><Number>" + "٣" * 128 + "</Number></To></Recipients>"),
    "transaction id": deliver(tid=LONG),
    "transaction id of entities": deliver(tid="&lt;&amp;&gt;]]&gt;&#10;&#13;é\u2028😀"),
    "version": deliver().replace("6.8.0", LONG),
    "subject": deliver(f"<Subject>{LONG}</Subject>"),
    "extensions": deliver("".join(f"<x{n}/>" for n in range(20_000))),
    "time of another age": deliver("<TimeStamp>0001-01-01T00:00:00Z</TimeStamp>"),
    "time of the last day": deliver("<TimeStamp>9999-12-31T23:59:59-14:00</TimeStamp>"),
    "namespace": deliver().replace(mm7.REL_6_1_4, "urn:mm7:" + LONG[:90_000]),
    "namespace that is none": deliver().replace(mm7.REL_6_1_4, "http://[mm7 {x}%"),
    "oldest release": deliver(tid="not a token: <").replace("REL-6-MM7-1-4", "REL-5-MM7-1-0").replace(": <", ": &lt;"),
    "control characters": deliver("<Subject>\x01&#2;\x7f</Subject>", tid="t\x03"),
}
PARTS = {
    "texts of escapes": [b"Content-Type: text/plain\n\n" + NUL] * 99,
    "heads of escapes": [b'Content-Type: a/b; name="' + b"\x01" * 7000 + b'"\n\nx'] * 99,
    "charsets": [
        b"Content-Type: text/plain; charset=%s\n\n\\ud800 +2AA- \xff" % name
        for name in (b"unicode_escape", b"utf-7", b"undefined", b"idna", b"a\x00b", b"\xff", b"hex")
    ],
    "names": [
        b"Content-Disposition: a; filename=%s\n\nx" % name
        for name in (b"=?utf-8?B?a?=", b"=?unicode_escape?Q?=5cud800?=", b"\xff", b"..", b"/etc/passwd")
    ],
    "empty": [b"", b"\n", b"\n\n", b"--", b":"],
}


async def _well(started, body: bytes | str, content_type: str | None) -> int:
    """The status of the answer; the recorder has refused an event that AMQP could not carry."""
    answered = await started.post(io.BytesIO(body) if isinstance(body, bytes) else body, content_type)
    message = mm7.decode(answered.headers["Content-Type"], answered.body).message
    assert message.status.code is not None
    [event] = started.publisher.events
    assert event["data"].get("status_code") != 3000  # a bug of ours, caught in the last place
    return answered.status


@pytest.mark.parametrize("case", EXTREME)
async def test_extreme_values_are_accepted_and_published(receiving, case) -> None:
    assert await _well(await receiving(), EXTREME[case], "text/xml") == 200


@pytest.mark.parametrize("case", PARTS)
async def test_extreme_parts_are_accepted_and_published(receiving, case) -> None:
    sections = [b"Content-Type: text/xml\n\n" + deliver().encode(), *PARTS[case]]
    body = b"".join(b"--b\n" + section + b"\n" for section in sections) + b"--b--"
    assert await _well(await receiving(), body, "multipart/related; boundary=b") == 200


async def test_ten_megabytes_of_parts_are_accepted(receiving) -> None:
    body = b"--b\n\n" + deliver().encode() + b"\n--b\nContent-Type: video/mp4\n\n" + bytes(10_000_000) + b"\n--b--"
    assert await _well(await receiving(), body, "multipart/related; boundary=b") == 200


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.parent.name)
async def test_a_sample_with_bytes_changed_still_gets_an_answer(receiving, path) -> None:
    captured = http_file.parse(path.read_bytes())
    seeded = random.Random(path.parent.name)  # the same changes each time
    alphabet = [
        b"<",
        b">",
        b"&",
        b'"',
        b"\xff",
        b"\x00",
        b"--",
        b"\n",
        b"\r\n\r\n",
        b"]]>",
        b"<!DOCTYPE a>",
        b"&#0;",
        b"{",
        "",
    ]
    started = await receiving()
    statuses = set()
    for _ in range(60):
        body = bytearray(captured.body)
        for _ in range(seeded.randint(1, 6)):
            at = seeded.randrange(len(body))
            body[at : at + seeded.choice((0, 1, 1, 40))] = seeded.choice(alphabet) or seeded.randbytes(4)
        statuses.add(await _well(started, bytes(body), captured.headers["Content-Type"]))
        started.publisher.sent.clear()
        started.state._entries.clear()  # else a change that changes nothing is a repetition
    assert statuses <= {200, 400}


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.parent.name)
def test_a_sample_cut_anywhere_is_read_or_refused(path) -> None:
    captured = http_file.parse(path.read_bytes())
    for end in range(0, len(captured.body), 3):
        try:
            decoded = mm7.decode(captured.headers["Content-Type"], captured.body[:end])
        except mm7.DecodeError as error:
            assert error.status in (2004, 2007, 4003, 4004)
        else:
            assert decoded.message.operation.endswith("Req")
