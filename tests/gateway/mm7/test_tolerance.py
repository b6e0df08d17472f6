"""What real senders write, one row for each habit: what is read of it, and the quirks that say so.

Strategy: rows are grouped by where the deviation stands: 1 envelope, 2 namespaces, 3 names, 4 encodings, 5 MIME,
6 root part, 7 content, 8 values, 9 HTTP. Each row has bytes of its own; those of 9 go through the real server.
"""

import asyncio
import base64
import quopri
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest

from gateway import mm7, profiles
from gateway.contract import callbacks
from gateway.contract.callbacks import Receipt
from gateway.contract.parts import Storage

NS, OLD = mm7.REL_6_1_4, mm7.REL_5_1_2
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
VERSION = "<MM7Version>6.8.0</MM7Version>"
SENDER = "<Sender><Number>15550001111</Number></Sender>"
CONTENT = '<Content href="cid:c"/>'
TEXT = "Content-Type: text/plain\r\nContent-ID: <c>\r\n\r\nhello"
XML, RELATED = "text/xml", 'multipart/related; type="text/xml"; boundary="b"'


def deliver(
    children: str = "", *, ns: str = NS, soap: str = SOAP, header: str | None = None, sender: str = SENDER
) -> str:
    identity = f'<s:Header><TransactionID xmlns="{ns}">t-1</TransactionID></s:Header>' if header is None else header
    payload = f'<DeliverReq xmlns="{ns}">{VERSION}{sender}{children}</DeliverReq>'
    return f'<s:Envelope xmlns:s="{soap}">{identity}<s:Body>{payload}</s:Body></s:Envelope>'


def to(recipient: str) -> str:
    return deliver(f"<Recipients><To>{recipient}</To></Recipients>")


def report(status: str = "Retrieved", children: str = "", *, date: str = "<Date>2014-03-24T10:11:12Z</Date>") -> str:
    body = f"<MessageID>m</MessageID><Recipient><Number>15550002222</Number></Recipient>{SENDER}{date}"
    return deliver(sender=f"{body}<MMStatus>{status}</MMStatus>{children}").replace("DeliverReq", "DeliveryReportReq")


def timed(text: str) -> str:
    return deliver(f"<TimeStamp>{text}</TimeStamp>")


def declared(encoding: str, document: str) -> str:
    return f'<?xml version="1.0" encoding="{encoding}"?>{document}'


def multipart(
    *parts: str | bytes, root: str | bytes | None = None, boundary: str = "b", head: str = "Content-Type: text/xml"
) -> bytes:
    document = deliver(CONTENT) if root is None else root
    sections = [head.encode() + b"\r\n\r\n" + (document if isinstance(document, bytes) else document.encode())]
    sections += [part if isinstance(part, bytes) else part.encode() for part in parts or (TEXT,)]
    delimiter = f"--{boundary}".encode()
    return b"".join(delimiter + b"\r\n" + section + b"\r\n" for section in sections) + delimiter + b"--\r\n"


def nested(kind: str, inner: str = "i") -> str:
    return (
        f"Content-Type: {kind}; boundary={inner}\r\nContent-ID: <c>\r\n\r\n"
        f"--{inner}\r\nContent-Type: text/plain\r\n\r\nhello\r\n--{inner}--"
    )


class Row(NamedTuple):
    """`fields`: names of the event's data and what they are; `a.b` goes into an object, `a.0` into a list."""

    line: int
    habit: str
    content_type: str | None
    body: str | bytes
    fields: dict[str, Any]
    quirks: set[str] = set()  # noqa: RUF012  # never changed


WAP = "Content-Type: application/vnd.wap.multipart.related\r\nContent-ID: <c>\r\n\r\n"
ID, HELLO = {"transaction_id": "t-1", "sender.address": "15550001111"}, {"text": "hello"}
NO_ID, KOREAN, CHINESE = {"transaction_id": None, "sender.address": "15550001111"}, "안녕", "你好"
SUBJECT = {"subject": KOREAN}


def hangul(encoding: str, written: str, text: str = KOREAN) -> bytes:
    return declared(encoding, deliver(f"<Subject>{text}</Subject>")).encode(written)


UNBOUND = deliver().replace("<s:", "<soap-env:").replace("</s:", "</soap-env:").replace("xmlns:s=", "xmlns:env=")
ENVELOPE = [
    Row(
        1,
        "prefix env",
        XML,
        deliver().replace("s:", "env:").replace("xmln" + "env:", "xmlns:").replace("xmlns:s=", "xmlns:env="),
        ID,
    ),
    Row(
        1, "no prefix at all", XML, deliver().replace("<s:", "<").replace("</s:", "</").replace("xmlns:s", "xmlns"), ID
    ),
    Row(1, "unbound prefix", XML, UNBOUND, ID, {"unbound_prefix"}),
    Row(1, "unbound, two colons", XML, UNBOUND.replace("soap-env:Header", "soap-env::Header"), ID, {"unbound_prefix"}),
    Row(1, "bound, two colons", XML, deliver().replace("s:Header", "s::Header"), ID, {"unbound_prefix"}),
    Row(1, "no slash", XML, deliver(soap=SOAP.rstrip("/")), ID, {"soap_namespace"}),
    Row(1, "blank behind", XML, deliver(soap=SOAP + " "), ID, {"namespace_blank"}),
    Row(1, "https", XML, deliver(soap=SOAP.replace("http:", "https:")), ID, {"soap_namespace"}),
    Row(1, "soap-envelope", XML, deliver(soap="http://schemas.xmlsoap.org/soap/soap-envelope"), ID, {"soap_namespace"}),
    Row(1, "SOAP 1.2", XML, deliver(soap="http://www.w3.org/2003/05/soap-envelope"), ID, {"soap_namespace"}),
    Row(
        1,
        "no SOAP namespace",
        XML,
        deliver().replace(f' xmlns:s="{SOAP}"', "").replace("<s:", "<").replace("</s:", "</"),
        ID,
        {"soap_namespace"},
    ),
    Row(1, "no Header", XML, deliver(header=""), NO_ID, {"transaction_id_missing"}),
    Row(1, "no TransactionID", XML, deliver(header="<s:Header/>"), NO_ID, {"transaction_id_missing"}),
    Row(
        1,
        "elements in Body without the operation",
        XML,
        deliver()
        .replace(f'<DeliverReq xmlns="{NS}">', "")
        .replace("</DeliverReq>", "")
        .replace("xmlns:s", f'xmlns="{NS}" xmlns:s'),
        ID | {"operation": "DeliverReq"},
        {"operation_missing"},
    ),
    Row(
        1,
        "a report's elements in Body without the operation",
        XML,
        report()
        .replace(f'<DeliveryReportReq xmlns="{NS}">', "")
        .replace("</DeliveryReportReq>", "")
        .replace("xmlns:s", f'xmlns="{NS}" xmlns:s'),
        {"operation": "DeliveryReportReq", "message_id": "m"},
        {"operation_missing"},
    ),
    Row(
        1,
        "a read reply's elements in Body without the operation",
        XML,
        report("Read")
        .replace("Date>", "TimeStamp>")
        .replace(f'<DeliveryReportReq xmlns="{NS}">', "")
        .replace("</DeliveryReportReq>", "")
        .replace("xmlns:s", f'xmlns="{NS}" xmlns:s'),
        {"operation": "ReadReplyReq", "status": "read"},
        {"operation_missing"},
    ),
    Row(
        1,
        "message without Body",
        XML,
        deliver().replace("<s:Body>", "").replace("</s:Body>", ""),
        ID,
        {"soap_body_missing"},
    ),
    Row(
        1,
        "no SOAP at all",
        XML,
        f'<DeliverReq xmlns="{NS}">{VERSION}{SENDER}</DeliverReq>',
        NO_ID,
        {"soap_envelope_missing", "transaction_id_missing"},
    ),
    Row(
        1,
        "a vendor's request beside it",
        XML,
        deliver().replace("<DeliverReq", '<v:Extra xmlns:v="urn:v"/><DeliverReq'),
        ID,
    ),
]
NAMESPACES = [
    *(
        Row(
            2,
            release,
            XML,
            deliver(ns=mm7.SCHEMA + release).replace("6.8.0", "5.3.0"),
            {"namespace": mm7.SCHEMA + release},
        )
        for release in mm7.RELEASES
    ),
    *(
        Row(2, name, XML, deliver(ns=name), ID | {"namespace": name}, {"namespace_unknown"})
        for name in (
            mm7.SCHEMA + "REL-5-MM7-1",
            mm7.SCHEMA + "REL-6-MM7-6-7",
            NS.replace("3gpp.org", "3gpp.com"),
            "urn:mm7",
        )
    ),
    Row(2, "none", XML, deliver(ns=""), ID | {"namespace": None}, {"namespace_missing"}),
    Row(2, "blank behind", XML, deliver(ns=NS + " "), ID | {"namespace": NS}, {"namespace_blank"}),
    Row(
        2,
        "header and body differ",
        XML,
        deliver(header=f'<s:Header><TransactionID xmlns="{OLD}">t-1</TransactionID></s:Header>'),
        ID | {"namespace": NS},
        {"header_namespace"},
    ),
    Row(
        2,
        "header in none",
        XML,
        deliver(header="<s:Header><TransactionID>t-1</TransactionID></s:Header>"),
        ID | {"namespace": NS},
        {"header_namespace"},
    ),
    Row(
        2,
        "children unqualified",
        XML,
        deliver().replace("<DeliverReq xmlns=", "<m:DeliverReq xmlns:m=").replace("</Del", "</m:Del"),
        ID | {"namespace": NS},
        {"children_namespace"},
    ),
]
NAMES = [
    Row(
        3,
        "number",
        XML,
        to("<number>15550002222</number>"),
        {"recipients.0.address": "15550002222", "recipients.0.kind": "number"},
        {"name_case"},
    ),
    Row(
        3,
        "LinkedId",
        XML,
        deliver().replace(SENDER, f"<LinkedId>7</LinkedId>{SENDER}"),
        {"linked_id": "7"},
        {"name_case"},
    ),
    Row(
        3,
        "mm7:href",
        RELATED,
        multipart(root=deliver('<Content xmlns:mm7="urn:x" mm7:href="cid:c"/>')),
        HELLO,
        {"name_variant"},
    ),
    Row(3, "HREF", RELATED, multipart(root=deliver('<Content HREF="cid:c"/>')), HELLO, {"name_case"}),
    Row(
        3,
        "displayonly",
        XML,
        to('<Number displayonly="true">15550002222</Number>'),
        {"recipients.0.display_only": True},
        {"name_case"},
    ),
    Row(
        3,
        "mm7:displayOnly",
        XML,
        to('<Number xmlns:m="urn:x" m:displayOnly="true">1555</Number>'),
        {"recipients.0.display_only": True},
        {"name_variant"},
    ),
    *(
        Row(3, name, XML, deliver(f"<{name}>x</{name}>"), {"extensions": {name: "x"}}, {"unknown_element"})
        for name in ("X-SKT-Service", "KisaOrigCode", "CallBack", "CPID")
    ),
    Row(
        3,
        "MMSStatusErrorCode",
        XML,
        report(children="<MMSStatusErrorCode>0</MMSStatusErrorCode><StatusText>1000</StatusText>"),
        {"extensions": {"MMSStatusErrorCode": "0"}, "status": "retrieved", "status_text": "1000"},
        {"unknown_element"},
    ),
    Row(
        3,
        "a vendor's element in a namespace of its own",
        XML,
        deliver('<v:CPID xmlns:v="urn:v">x</v:CPID>'),
        {"extensions": {"CPID": "x"}},
        {"unknown_element"},
    ),
    Row(
        3,
        "order",
        XML,
        deliver("<Subject>x</Subject><LinkedID>7</LinkedID>"),
        {"subject": "x", "linked_id": "7"},
        {"element_order"},
    ),
    Row(
        3,
        "To again and again",
        XML,
        deliver("<Recipients><To><Number>15550002222</Number></To><To><Number>15550003333</Number></To></Recipients>"),
        {"recipients.1.address": "15550003333"},
    ),
    Row(
        3,
        "TimeStamp in a report",
        XML,
        report(date="<TimeStamp>2014-03-24T10:11:12Z</TimeStamp>"),
        {"reported_at": "2014-03-24T10:11:12.000Z"},
        {"name_variant"},
    ),
    Row(3, "deliverReq", XML, deliver().replace("DeliverReq", "deliverReq"), ID, {"name_case"}),
]
ENCODINGS = [
    Row(4, "utf-16 on UTF-8", XML, hangul("utf-16", "utf-8"), SUBJECT, {"encoding_mismatch"}),
    Row(4, "utf-16 that is", XML, hangul("utf-16", "utf-16"), SUBJECT),
    Row(
        4,
        "part says UTF-8, declaration EUC-KR, bytes UTF-8",
        "text/xml; charset=utf-8",
        hangul("euc-kr", "utf-8"),
        SUBJECT,
        {"charset_contradiction"},
    ),
    Row(
        4,
        "part says EUC-KR, declaration UTF-8, bytes EUC-KR",
        "text/xml; charset=euc-kr",
        hangul("utf-8", "euc-kr"),
        SUBJECT,
        {"charset_contradiction", "encoding_mismatch"},
    ),
    Row(
        4,
        "part says UTF-8, declaration Latin-1, bytes UTF-8",
        "text/xml; charset=utf-8",
        hangul("iso-8859-1", "utf-8"),
        SUBJECT,
        {"charset_contradiction"},
    ),
    Row(
        4,
        "part of a multipart contradicts",
        RELATED,
        multipart(
            root=declared("utf-8", deliver(f"<Subject>{KOREAN}</Subject>{CONTENT}")),
            head="Content-Type: text/xml; charset=euc-kr",
        ),
        SUBJECT | HELLO,
        {"charset_contradiction"},
    ),
    *(
        Row(4, name, XML, hangul(name, "euc-kr"), SUBJECT)
        for name in ("EUC-KR", "ksc5601", "ks_c_5601-1987", "KS_C_5601-1987")
    ),
    *(
        Row(4, f"{name} beyond EUC-KR", XML, hangul(name, "cp949", "똠방"), {"subject": "똠방"})
        for name in ("EUC-KR", "ksc5601", "ks_c_5601-1987")
    ),
    Row(4, "EUC-KR on UTF-8", XML, hangul("EUC-KR", "utf-8"), SUBJECT, {"encoding_mismatch"}),
    Row(
        4,
        "charset alone says EUC-KR",
        "text/xml; charset=euc-kr",
        deliver(f"<Subject>{KOREAN}</Subject>").encode("euc-kr"),
        SUBJECT,
    ),
    *(Row(4, name, XML, hangul(name, "gb2312", CHINESE), {"subject": CHINESE}) for name in ("GB2312", "gb2312", "GBK")),
    Row(4, "GB2312 beyond it", XML, hangul("GB2312", "gbk", "镕"), {"subject": "镕"}),
    Row(4, "GB2312 on UTF-8", XML, hangul("GB2312", "utf-8", CHINESE), {"subject": CHINESE}, {"encoding_mismatch"}),
    Row(
        4,
        "quoted-printable",
        RELATED,
        multipart(
            root=quopri.encodestring(deliver(CONTENT + f"<!-- {KOREAN} -->").encode()),
            head="Content-Type: text/xml\r\nContent-Transfer-Encoding: quoted-printable",
        ),
        ID | HELLO,
    ),
    Row(
        4,
        "base64",
        RELATED,
        multipart(
            root=base64.encodebytes(deliver(CONTENT).encode()),
            head="Content-Type: text/xml\r\nContent-Transfer-Encoding: base64",
        ),
        ID | HELLO,
    ),
    Row(
        4,
        "typographic quotes",
        XML,
        deliver("<Subject>“x”</Subject>").replace(f'"{NS}"', f"“{NS}”"),
        ID | {"subject": "“x”"},
        {"typographic_quotes"},
    ),
]
FRAMINGS = [
    Row(5, "other boundary", RELATED, multipart(boundary="other"), HELLO, {"boundary_mismatch"}),
    Row(5, "boundary with spaces", RELATED.replace('"b"', '"a b"'), multipart(boundary="a b"), HELLO),
    Row(
        5,
        "boundary with =, bare",
        "multipart/related; boundary=a=b",
        multipart(boundary="a=b"),
        HELLO,
        {"content_type_malformed"},
    ),
    Row(5, "boundary with =, quoted", RELATED.replace('"b"', '"a=b"'), multipart(boundary="a=b"), HELLO),
    Row(5, "boundary with dashes", RELATED.replace('"b"', '"----b"'), multipart(boundary="----b"), HELLO),
    Row(5, "blank behind the delimiter", RELATED, multipart().replace(b"--b\r\n", b"--b \t\r\n"), HELLO),
    Row(5, "blank lines before", RELATED, b"\r\n\r\n" + multipart(), HELLO),
    Row(5, "preamble", RELATED, b"This is MIME.\r\n\r\n" + multipart(), HELLO),
    Row(
        5,
        "no closing delimiter",
        RELATED,
        multipart().removesuffix(b"\r\n--b--\r\n"),
        HELLO,
        {"closing_delimiter_missing"},
    ),
    Row(5, "LF alone", RELATED, multipart().replace(b"\r\n", b"\n"), HELLO),
    Row(5, "no blank line", RELATED, multipart().replace(b"\r\n\r\n", b"\r\n"), HELLO, {"part_headers_unfinished"}),
    Row(
        5,
        "bad folding",
        RELATED,
        multipart(TEXT.replace("text/plain", 'text/plain;\r\nname="a.txt"')),
        HELLO | {"parts.0.filename": "a.txt"},
        {"header_folding"},
    ),
    Row(
        5,
        "good folding",
        RELATED,
        multipart(TEXT.replace("text/plain", 'text/plain;\r\n\tname="a.txt"')),
        HELLO | {"parts.0.filename": "a.txt"},
    ),
    Row(5, "no space behind the colon", RELATED, multipart(head="Content-Type:text/xml"), HELLO),
    Row(
        5,
        "unquoted type",
        "multipart/related; type=text/xml; boundary=b",
        multipart(),
        HELLO,
        {"content_type_malformed"},
    ),
    Row(
        5,
        "empty parameter",
        RELATED,
        multipart(TEXT.replace("text/plain", "image/gif;")),
        {"parts.0.content_type": "image/gif"},
        {"content_type_malformed"},
    ),
    Row(
        5,
        "parameter names in capitals",
        RELATED.replace("boundary", "BOUNDARY"),
        multipart(TEXT.replace("plain", "plain; Charset=utf-8")),
        HELLO | {"parts.0.charset": "utf-8"},
    ),
    Row(
        5,
        "Transfer-Encoding of a part",
        RELATED,
        multipart(TEXT.replace("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n")),
        HELLO,
        {"part_transfer_encoding"},
    ),
    Row(
        5,
        "multipart without boundary on bare XML",
        'multipart/related; type="text/xml"',
        deliver(),
        ID,
        {"body_without_multipart"},
    ),
    Row(
        5, "multipart without boundary", 'multipart/related; type="text/xml"', multipart(), HELLO, {"boundary_missing"}
    ),
    Row(5, "no Content-Type", None, deliver(), ID, {"content_type_missing"}),
    Row(
        5,
        "no Content-Type on a multipart",
        None,
        multipart(),
        HELLO,
        {"content_type_missing", "content_type_unexpected", "boundary_missing"},
    ),
    *(
        Row(5, kind, kind, deliver(), ID, {"content_type_unexpected"})
        for kind in (
            "application/x-www-form-urlencoded",
            "text/html",
            "application/xml",
            "application/soap+xml",
            "text/plain",
        )
    ),
]
NAMED_ROOT = "Content-Type: text/xml\r\nContent-ID: <soap>"
ROOTS = [
    Row(6, "start with brackets", f'{RELATED}; start="<soap>"', multipart(head=NAMED_ROOT), HELLO),
    *(
        Row(6, f"start={start}", f'{RELATED}; start="{start}"', multipart(head=NAMED_ROOT), HELLO, {"start_form"})
        for start in ("soap", "<cid:soap>", "cid:soap")
    ),
    Row(6, "start absent", RELATED, multipart(head=NAMED_ROOT), HELLO),
    Row(6, "start that is nowhere", f'{RELATED}; start="<no>"', multipart(head=NAMED_ROOT), HELLO, {"start_unmatched"}),
    Row(
        6,
        "start that names the picture",
        f'{RELATED}; start="<c>"',
        multipart(head=NAMED_ROOT),
        HELLO,
        {"start_unmatched"},
    ),
    Row(
        6,
        "first part that is XML",
        RELATED,
        b"--b\r\n" + TEXT.encode() + b"\r\n" + multipart().replace(b"--b\r\n" + TEXT.encode() + b"\r\n", b""),
        HELLO,
    ),
]


def content(href: str, part: str = TEXT) -> bytes:
    return multipart(part, root=deliver(f'<Content href="{href}"/>'))


CONTENTS = [
    Row(7, "cid:x", RELATED, content("cid:c"), HELLO),
    *(Row(7, href, RELATED, content(href), HELLO, {"href_form"}) for href in ("cid: c", "cid c", "c", "cid:&lt;c&gt;")),
    Row(7, "percent-encoded", RELATED, content("cid:c%40x", TEXT.replace("<c>", "<c@x>")), HELLO),
    Row(
        7,
        "Content-Location",
        RELATED,
        content("cid:a.txt", TEXT.replace("ID: <c>", "Location: a.txt")),
        HELLO,
        {"content_by_name"},
    ),
    Row(
        7, "name", RELATED, content("cid:a.txt", TEXT.replace("plain", "plain; name=a.txt")), HELLO, {"content_by_name"}
    ),
    Row(
        7,
        "filename",
        RELATED,
        content("cid:a.txt", TEXT.replace("ID: <c>", "Disposition: attachment; filename=a.txt")),
        HELLO,
        {"content_by_name"},
    ),
    Row(7, "no match", RELATED, content("cid:z"), HELLO, {"content_unmatched"}),
    Row(7, "no Content", RELATED, multipart(root=deliver()), HELLO, {"content_unreferenced"}),
    Row(7, "no part", XML, deliver(CONTENT), ID | {"parts": []}, {"content_missing"}),
    Row(7, "<<a>-<b>>", RELATED, content("cid:a-b", TEXT.replace("<c>", "<<a>-<b>>")), HELLO, {"content_id_form"}),
    Row(7, "unbracketed", RELATED, content("cid:c", TEXT.replace("<c>", "c")), HELLO, {"content_id_form"}),
    Row(
        7,
        "no Content-ID",
        RELATED,
        content("cid:c", TEXT.replace("\r\nContent-ID: <c>", "")),
        HELLO,
        {"content_unmatched"},
    ),
    *(
        Row(7, kind, RELATED, multipart(nested(kind)), HELLO)
        for kind in ("multipart/mixed", "multipart/related", "multipart/alternative")
    ),
    Row(
        7,
        "related with SMIL",
        RELATED,
        multipart(
            nested("multipart/related").replace(
                "--i--", "--i\r\nContent-Type: application/smil\r\n\r\n<smil/>\r\n--i--"
            )
        ),
        HELLO | {"parts.1.content_type": "application/smil"},
    ),
    Row(
        7,
        "binary application/vnd.wap.multipart.related",
        RELATED,
        multipart(WAP + "\x01\x0b\x05text/plain\0hello"),
        HELLO,
        {"wap_multipart"},
    ),
    Row(
        7,
        "binary application/vnd.wap.multipart.related, cut off",
        RELATED,
        multipart(WAP + "\x01\x0b\x05text/plain\0hell"),
        {"parts.0.content_type": "application/vnd.wap.multipart.related"},
        {"wap_multipart_unreadable"},
    ),
    Row(
        7,
        "textual application/vnd.wap.multipart.mixed",
        RELATED,
        multipart(nested("application/vnd.wap.multipart.mixed")),
        HELLO,
        {"wap_multipart_as_mime"},
    ),
    Row(
        7,
        'filename="null"',
        RELATED,
        multipart(TEXT.replace("plain", 'plain; name="null"')),
        HELLO | {"parts.0.filename": None},
        {"filename_null"},
    ),
    *(
        Row(
            7,
            f"text in {charset}",
            RELATED,
            multipart(
                f"Content-Type: text/plain; charset={charset}\r\nContent-ID: <c>\r\n\r\n".encode()
                + text.encode(charset)
            ),
            {"text": text},
        )
        for charset, text in (
            ("euc-kr", KOREAN),
            ("gb2312", CHINESE),
            ("big5", CHINESE),
            ("shift_jis", "今日"),
            ("utf-16", "é"),
            ("iso-8859-1", "é"),
        )
    ),
    Row(
        7,
        "bytes with --",
        RELATED,
        multipart(b"Content-Type: image/png\r\nContent-ID: <c>\r\n\r\n\r\n--\r\n--bb\r\n --b\n-- b"),
        {"parts.0.bytes": 21},
    ),
]
AT = {"sent_at": "2014-03-24T10:11:12.000Z", "sent_at_raw": None}
BLANKS = (
    deliver("<Recipients><To><Number>15550002222</Number></To></Recipients><Subject>x</Subject>")
    .replace("<s:", "\n\t <s:")
    .replace("</s:", "\n</s:")
)


def number(
    written: str, address: str, kind: str = "number", element: str = "Number", quirks: set[str] = frozenset()
) -> Row:  # type: ignore[assignment]
    inner = f"<{element}>{written}</{element}>" if element else written
    return Row(
        8,
        f"{element} {written}",
        XML,
        to(inner),
        {"recipients.0.address": address, "recipients.0.kind": kind, "recipients.0.raw": written},
        set(quirks),
    )


VALUES = [
    number("+15550002222/TYPE=PLMN", "15550002222"),
    number("88888/TYPE=PLMN", "88888", "shortcode", "ShortCode"),
    number("0015550002222", "15550002222"),
    number("#3030", "#3030"),
    number("15550002222/TYPE=PLMN@mmsc.example.com", "15550002222", "number", "RFC2822Address"),
    number("15550002222", "15550002222", "text", "", {"address_untyped"}),
    Row(
        8,
        "bare sender",
        XML,
        deliver(sender="<Sender>15550001111</Sender>"),
        {"sender.address": "15550001111", "sender.kind": "text"},
        {"address_untyped"},
    ),
    Row(8, "…Z", XML, timed("2014-03-24T10:11:12Z"), AT),
    Row(8, "±hh:mm", XML, timed("2014-03-24T12:11:12+02:00"), AT),
    Row(8, "+0000", XML, timed("2014-03-24T10:11:12+0000"), AT, {"time_format"}),
    Row(
        8,
        "no zone",
        XML,
        timed("2014-03-24T10:11:12"),
        AT | {"sent_at_raw": "2014-03-24T10:11:12"},
        {"time_without_zone"},
    ),
    Row(8, "milliseconds", XML, timed("2014-03-24T10:11:12.345Z"), AT | {"sent_at": "2014-03-24T10:11:12.345Z"}),
    Row(8, "single digits", XML, timed("2014-3-24T10:11:12Z"), AT, {"time_format"}),
    Row(
        8,
        "single digits in the hour",
        XML,
        timed("2014-3-24T1:1:2Z"),
        AT | {"sent_at": "2014-03-24T01:01:02.000Z"},
        {"time_format"},
    ),
    Row(
        8,
        "digits alone",
        XML,
        timed("20140324101112"),
        AT | {"sent_at_raw": "20140324101112"},
        {"time_format", "time_without_zone"},
    ),
    Row(8, "RFC 822", XML, timed("Mon, 24 Mar 2014 10:11:12 GMT"), AT, {"time_format"}),
    Row(
        8,
        "localised",
        XML,
        timed("24 mars 2014 10:11:12"),
        {"sent_at": None, "sent_at_raw": "24 mars 2014 10:11:12"},
        {"time_unreadable"},
    ),
    *(
        Row(
            8,
            f"boolean {text}",
            XML,
            to(f'<Number displayOnly="{text}">1555</Number>'),
            {"recipients.0.display_only": True},
            quirks,
        )
        for text, quirks in (("true", set()), ("1", set()), ("True", {"boolean_case"}), ("TRUE", {"boolean_case"}))
    ),
    *(
        Row(
            8,
            f"MM7Version {text}",
            XML,
            deliver().replace("6.8.0", text),
            ID | {"mm7_version": text},
            {"version_unknown"},
        )
        for text in ("6.7.0", "5.2.0", "1.0", "1.6", "9999.1")
    ),
    Row(
        8,
        "blanks round every text",
        XML,
        BLANKS.replace(">15550", ">\n 15550")
        .replace("1111<", "1111 \n<")
        .replace("2222<", "2222\t<")
        .replace(">t-1<", "> t-1\n<")
        .replace(">6.8.0<", "> 6.8.0 <")
        .replace(">x<", "> x <"),
        ID | {"subject": "x", "mm7_version": "6.8.0", "recipients.0.address": "15550002222"},
    ),
    Row(
        8,
        "empty elements",
        XML,
        deliver("<Recipients><To><Number/></To></Recipients><TimeStamp/><Priority/><Subject></Subject>"),
        ID | {"recipients": [], "subject": None, "priority": None, "sent_at": None},
    ),
    Row(
        8,
        "status in other letters",
        XML,
        report("RETRIEVED"),
        {"status": "retrieved", "raw_status": "RETRIEVED", "final": True},
        {"status_nonstandard"},
    ),
    *(
        Row(
            8,
            f"MMStatus {text}",
            XML,
            report(text),
            {"status": "unknown", "raw_status": text, "final": False},
            {"status_nonstandard"},
        )
        for text in ("1000", "Third:User Retrieved")
    ),
    Row(
        8,
        "Unrecognized",
        XML,
        report("Unrecognized"),
        {"status": "unrecognised", "final": True},
        {"status_nonstandard"},
    ),
]
ROWS = [*ENVELOPE, *NAMESPACES, *NAMES, *ENCODINGS, *FRAMINGS, *ROOTS, *CONTENTS, *VALUES]


def part_of(data: Any, path: str) -> Any:
    for step in path.split("."):
        data = data[int(step)] if step.isdecimal() else data[step]
    return data


@pytest.mark.parametrize("row", ROWS, ids=[f"{row.line} {row.habit}" for row in ROWS])
def test_it_is_read_and_every_deviation_has_its_name(row: Row) -> None:
    receipt = Receipt(
        account="a", profile_name="generic", profile=profiles.load("generic"), received_at=datetime.now(UTC), headers={}
    )
    decoded = mm7.decode(row.content_type, row.body if isinstance(row.body, bytes) else row.body.encode())
    data = callbacks.from_mm7(decoded, receipt, Storage(lambda digest: f"memory:///{digest}")).event.model_dump()[
        "data"
    ]
    assert {path: part_of(data, path) for path in row.fields} == row.fields
    assert set(data["quirks"]) == row.quirks


STATUS = "<StatusCode>4004</StatusCode><StatusText>bad</StatusText>"
RSP = f'<SubmitRsp xmlns="{NS}">{VERSION}{{}}</SubmitRsp>'


def answered(payload: str) -> str:
    return deliver().replace(deliver()[deliver().index("<DeliverReq") : deliver().index("</s:Body>")], payload)


def fault(detail: str, *, code: str = "s:Client") -> str:
    return f"<s:Fault><faultcode>{code}</faultcode><faultstring>no</faultstring><detail>{detail}</detail></s:Fault>"


ERROR = f'<RSErrorRsp xmlns="{NS}">{VERSION}<Status>{STATUS}</Status></RSErrorRsp>'
ANSWERS: list[tuple[int, str, str, mm7.Status, set[str]]] = [
    (
        1,
        "Fault outside Body",
        answered(fault(ERROR)).replace("<s:Body>", "").replace("</s:Body>", ""),
        mm7.Status(code=4004, text="bad"),
        {"fault_outside_body"},
    ),
    (1, "Fault", answered(fault(ERROR)), mm7.Status(code=4004, text="bad"), set()),
    (1, "Fault without a prefix", answered(fault(ERROR, code="Client")), mm7.Status(code=4004, text="bad"), set()),
    (
        1,
        "Fault with Status alone",
        answered(fault(f'<Status xmlns="{NS}">{STATUS}</Status>')),
        mm7.Status(code=4004, text="bad"),
        {"operation_missing", "children_namespace"},
    ),
    (
        1,
        "Fault with StatusCode alone",
        answered(fault(STATUS)),
        mm7.Status(code=4004, text="bad"),
        {"operation_missing", "status_shape"},
    ),
    (
        3,
        "Detail",
        answered(RSP.format(f"<Status>{STATUS}<Detail>why</Detail></Status>")),
        mm7.Status(code=4004, text="bad", details="why"),
        {"name_variant"},
    ),
    (
        3,
        "Details with elements",
        answered(RSP.format(f"<Status>{STATUS}<Details><a>why</a> <b>not</b></Details></Status>")),
        mm7.Status(code=4004, text="bad", details="why not"),
        set(),
    ),
    (
        3,
        "Status in another order",
        answered(RSP.format("<Status><StatusText>bad</StatusText><StatusCode>4004</StatusCode></Status>")),
        mm7.Status(code=4004, text="bad"),
        set(),
    ),
    (8, "StatusCode without Status", answered(RSP.format(STATUS)), mm7.Status(code=4004, text="bad"), {"status_shape"}),
    (8, "Status is the code", answered(RSP.format("<Status> 4004 </Status>")), mm7.Status(code=4004), {"status_shape"}),
    (
        8,
        "StatusCode is no number",
        answered(RSP.format("<Status><StatusCode>OK</StatusCode></Status>")),
        mm7.Status(),
        {"value_unreadable"},
    ),
]


@pytest.mark.parametrize(("line", "habit", "body", "status", "quirks"), ANSWERS, ids=[row[1] for row in ANSWERS])
def test_a_status_is_read_in_any_shape(line, habit, body, status, quirks) -> None:
    decoded = mm7.decode("text/xml", body.encode())
    assert decoded.message.status == status
    assert set(decoded.quirks) == quirks


@pytest.mark.parametrize(
    "code", ["s:Client", "Client", "{http://schemas.xmlsoap.org/soap/envelope/}Client", "s::Client"]
)
def test_a_fault_code_is_its_local_name(code) -> None:
    assert mm7.decode("text/xml", answered(fault(ERROR, code=code)).encode()).message.fault_code == "Client"


def test_a_fault_of_soap_1_2_is_one_of_soap_1_1() -> None:
    body = "<s:Fault><s:Code><s:Value>s:Sender</s:Value></s:Code><s:Reason><s:Text>no</s:Text></s:Reason></s:Fault>"
    message = mm7.decode("text/xml", answered(body).encode()).message
    assert (message.fault_code, message.fault_string) == ("Client", "no")


def test_what_is_no_number_is_kept_as_it_came() -> None:
    decoded = mm7.decode("text/xml", ANSWERS[-1][2].encode())
    assert decoded.message.extensions == {"StatusCode": "OK"}


LIKE = b"--bx\r\n" * 1100


@pytest.mark.parametrize(
    "end", [b"\r\n--b\r\n\r\nmore\r\n--b--\r\n", b"\r\n--b\r\n\r\nmore\r\n--b--", b"\r\n--b  \r\n\r\nmore"]
)
def test_thousands_of_lines_that_begin_like_the_delimiter_are_content(end) -> None:
    body = multipart(b"Content-Type: image/png\r\nContent-ID: <c>\r\n\r\n" + LIKE + b"x")
    decoded = mm7.decode(RELATED, body.removesuffix(b"\r\n--b--\r\n") + end)
    assert [part.data for part in decoded.parts] == [LIKE + b"x", b"more"]


def test_the_start_of_an_inner_multipart_is_named_too() -> None:
    inner = (
        nested("multipart/related")
        .replace("boundary=i", "boundary=i; start=t")
        .replace("plain", "plain\r\nContent-ID: <t>")
    )
    assert mm7.decode(RELATED, multipart(inner)).quirks == ("start_form",)


def test_attributes_that_nobody_knows_do_no_harm() -> None:
    decoded = mm7.decode("text/xml", to('<Number vendor="x">15550002222</Number>').encode())
    assert decoded.quirks == ()


BODY = deliver().encode()
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
KIND = b"Content-Type: text/xml\r\n"
CHUNKED = b"".join(b"%x\r\n%s\r\n" % (len(BODY[at : at + 100]), BODY[at : at + 100]) for at in range(0, len(BODY), 100))
HTTP: list[tuple[str, bytes, bytes]] = [
    ("chunked", b"1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" + KIND, CHUNKED + b"0\r\n\r\n"),
    (
        "chunked with extensions and trailers",
        b"1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" + KIND,
        b"%x;a=b\r\n%s\r\n0\r\nX: y\r\n\r\n" % (len(BODY), BODY),
    ),
    ("HTTP/1.0", b"1.0\r\n" + KIND + LENGTH, BODY),
    ("SOAPAction absent", b"1.1\r\nHost: x\r\n" + KIND + LENGTH, BODY),
    ("SOAPAction empty", b'1.1\r\nHost: x\r\nSOAPAction: ""\r\n' + KIND + LENGTH, BODY),
    ("SOAPAction a URI", b'1.1\r\nHost: x\r\nSOAPAction: "%s"\r\n' % NS.encode() + KIND + LENGTH, BODY),
    ("lower-case headers", b"1.1\r\nhost: x\r\n" + (KIND + LENGTH).lower(), BODY),
    ("Content-Length too short by the last line break", b"1.1\r\nHost: x\r\n" + KIND + LENGTH, BODY + b"\r\n"),
]


@pytest.mark.parametrize(("habit", "head", "body"), HTTP, ids=[row[0] for row in HTTP])
async def test_it_is_read_off_the_wire(receiving, habit, head, body) -> None:
    started = await receiving()
    answer = await exchange(started.port, b"POST /mm7/open HTTP/" + head + b"\r\n" + body)
    assert answer.split(b" ", 2)[1] == b"200"
    [event] = started.publisher.events
    assert event["data"]["sender"]["address"] == "15550001111"
    assert event["data"]["quirks"] == []


async def test_who_expects_to_be_told_is_told_to_continue(receiving) -> None:
    started = await receiving()
    reader, writer = await asyncio.open_connection("127.0.0.1", started.port)
    writer.write(b"POST /mm7/open HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n" + KIND + LENGTH + b"\r\n")
    async with asyncio.timeout(5):
        assert b" 100 " in await reader.readuntil(b"\r\n\r\n")
        writer.write(BODY)
        assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
    writer.transport.abort()


async def exchange(port: int, sent: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    async with asyncio.timeout(5):
        head = await reader.readuntil(b"\r\n\r\n")
    writer.transport.abort()
    return head


def test_every_place_has_its_rows() -> None:
    lines = {row.line for row in ROWS} | {line for line, *_ in ANSWERS} | ({9} if HTTP else set())
    assert lines == set(range(1, 10))
    assert len({(row.line, row.habit) for row in ROWS}) == len(ROWS)
