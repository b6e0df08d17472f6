"""What can happen to bytes on their way: values, so that a fuzzer draws them and a property test shrinks them."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

# What readers look at: as noise these are found once in a lifetime.
WORDS = (
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"--", b"\0", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b" ", b"\t", b";", b":", b"=",
    b'"', b"<", b">", b"</", b"/>", b"&", b"&#0;", b"&#xD800;", b"&#99999999999;", b"&lt;", b"&nope;", b"]]>", b"<![CDATA[",
    b"<!--", b"-->", b"<?", b"?>", b"<!DOCTYPE x>", b"xmlns=", b'xmlns:a=""', b"xmlns:a='a b'", b'encoding="utf-16"',
    b'encoding="punycode"', b"charset=idna", b"charset=utf-7", b"charset=undefined", b"=?utf-7?B?2AA=?=", b"=?x?Q?=ED=A0=80?=",
    b"filename*=utf-8''%ED%A0%80", b"name*0=a", b"boundary=", b'boundary=""', b"Content-Type: multipart/mixed; boundary=a",
    b"Content-Transfer-Encoding: base64\r\n", b"Content-Transfer-Encoding: quoted-printable\r\n", b"Content-ID: <", b"cid:",
    b"%00", b"%ZZ", b"start=", b"Envelope", b"Header", b"Body", b"Fault", b"detail", b"TransactionID", b"DeliverReq",
    b"SubmitReq", b"DeliveryReportReq", b"ReadReplyReq", b"extendedCancelReq", b"RSErrorRsp", b"Sender", b"Recipients",
    b"Content", b"MM7Version", b"0000-00-00T99:99:99Z", b"9999-12-31T23:59:59-14:00", b"0001-01-01T00:00:00+14:00",
    b"-P", b"1e999", b"-1", b"9" * 40, b"A" * 300, b"(" * 50, b"<a>" * 50, "“”".encode(), "\u0660\u0661".encode(),
    "İ".encode(), b"\xed\xa0\x80",
)  # fmt: skip


@dataclass(frozen=True)
class Mutation:
    """One change. `at` and `to` are places as fractions of the length, `size` is in bytes."""

    kind: str
    at: float
    to: float
    size: int
    data: bytes

    def apply(self, given: bytes, other: bytes) -> bytes:
        """The bytes changed; `other` is another sample, for splices."""
        return KINDS[self.kind](self, given, other)


def _place(fraction: float, data: bytes) -> int:
    return int(fraction * len(data))


def _flip(change: Mutation, data: bytes, _other: bytes) -> bytes:
    if not data:
        return data
    at = min(_place(change.at, data), len(data) - 1)
    return data[:at] + bytes([data[at] ^ 1 << change.size % 8]) + data[at + 1 :]


def _cut(change: Mutation, data: bytes, _other: bytes) -> bytes:
    at = _place(change.at, data)
    return data[:at] + data[at + change.size :]


def _end(change: Mutation, data: bytes, _other: bytes) -> bytes:
    return data[: _place(change.at, data)]


def _insert(change: Mutation, data: bytes, _other: bytes) -> bytes:
    at = _place(change.at, data)
    return data[:at] + change.data + data[at:]


def _overwrite(change: Mutation, data: bytes, _other: bytes) -> bytes:
    at = _place(change.at, data)
    return data[:at] + change.data + data[at + len(change.data) :]


def _duplicate(change: Mutation, data: bytes, _other: bytes) -> bytes:
    at, to = _place(change.at, data), _place(change.to, data)
    return data[:to] + data[at : at + change.size] * (1 + change.size % 7) + data[to:]


def _splice(change: Mutation, data: bytes, other: bytes) -> bytes:
    return data[: _place(change.at, data)] + other[_place(change.to, other) :]


def _line(change: Mutation, data: bytes, _other: bytes) -> bytes:
    """Drop, double or move one line."""
    lines = data.splitlines(keepends=True)
    if not lines:
        return data
    taken = lines.pop(min(int(change.at * len(lines)), len(lines) - 1))
    for _ in range(change.size % 3):
        lines.insert(int(change.to * len(lines)), taken)
    return b"".join(lines)


KINDS = {
    "flip": _flip,
    "cut": _cut,
    "end": _end,
    "insert": _insert,
    "overwrite": _overwrite,
    "duplicate": _duplicate,
    "splice": _splice,
    "line": _line,
}


def draw(random: Random) -> Mutation:
    """Any mutation."""
    data = random.choice(WORDS) if random.random() < 0.8 else random.randbytes(random.randint(1, 20))
    size = random.choice((1, 2, 7, 40, 300))
    return Mutation(random.choice([*KINDS]), random.random(), random.random(), size, data)


def mutate(given: bytes, samples: Sequence[bytes], random: Random) -> bytes:
    """The bytes after a few mutations; now and then a great many."""
    for _ in range(random.choice((1, 1, 2, 3, 8, 30))):
        given = draw(random).apply(given, random.choice(samples))
    return given[: 1 << 20]
