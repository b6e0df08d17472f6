"""Hostile XML: refused, or read as what it is, in bounded time; nothing is expanded, fetched or executed."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gateway import mm7
from gateway.mm7 import documents

SECRET = "the file's content"
DELIVER = f'<DeliverReq xmlns="{mm7.REL_6_1_4}"><Sender>1</Sender><Subject>@</Subject></DeliverReq>'
DOCTYPE = '<!DOCTYPE a [<!ENTITY e "expanded">]>'


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Bounded work: generous, because what is meant takes milliseconds and what is feared takes minutes."""
    began = time.perf_counter()
    yield
    assert time.perf_counter() - began < seconds


def refusal(body: bytes, content_type: str = "text/xml") -> mm7.DecodeError:
    with pytest.raises(mm7.DecodeError) as caught:
        mm7.decode(content_type, body)
    return caught.value


@pytest.mark.parametrize(
    "body",
    [
        DOCTYPE + DELIVER,
        "<!DOCTYPE a>" + DELIVER,
        "<!doctype a>" + DELIVER,
        '<!DOCTYPE a SYSTEM "http://127.0.0.1:9/x.dtd">' + DELIVER,
        '<!DOCTYPE a PUBLIC "-//W3C//DTD" "file:///etc/passwd">' + DELIVER,
        "\r\n \t" + DOCTYPE + DELIVER,
        '<?xml version="1.0"?>' + DOCTYPE + DELIVER,
        "<?xml version='1.0'?><!-- <a> --><?x y?>\n<!-- b -->" + DOCTYPE + DELIVER,
        '<?xml version=“1.0” encoding=“utf-16"?>' + DOCTYPE + DELIVER,
        "<!-- & -->" + DOCTYPE + DELIVER.replace("@", "&"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_doctype_is_refused_in_any_disguise(body, encoding) -> None:
    error = refusal(body.encode(encoding))
    assert error.status == 4004
    assert error.request is None


def test_a_doctype_is_refused_in_a_charset_that_hides_it() -> None:
    for declared in ("utf-7", "cp037", "ibm037", "ebcdic-cp-us"):
        text = f'<?xml version="1.0" encoding="{declared}"?>{DOCTYPE}{DELIVER}'
        encoded = text.encode("utf-7" if declared == "utf-7" else "cp037")
        assert refusal(encoded).request is None


def test_a_doctype_inside_an_element_declares_nothing() -> None:
    text = f"<DeliverReq><Sender>1</Sender><Subject>a{DOCTYPE}&e;</Subject></DeliverReq>"
    decoded = mm7.decode("text/xml", text.encode())
    assert "expanded" in decoded.message.subject  # as it was written, in its declaration
    assert "&e;" in decoded.message.subject


@pytest.mark.parametrize(
    "prefix", ["junk", "<a/>", "]]>", "<?xml version='1.0'?><?xml version='1.0'?>", "<!-- -- -->", "<!-->", "<?a"]
)
def test_a_doctype_behind_what_breaks_the_document_is_never_used(prefix) -> None:
    try:
        decoded = mm7.decode("text/xml", (prefix + DOCTYPE + DELIVER.replace("@", "&e;")).encode())
    except mm7.DecodeError:
        return
    assert decoded.message.subject == "&e;"


@pytest.fixture
def file(tmp_path) -> str:
    path = tmp_path / "secret"
    path.write_text(SECRET)
    return path.as_uri()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_no_file_and_no_address_is_fetched(file, encoding) -> None:
    entity = f'<!DOCTYPE a [<!ENTITY e SYSTEM "{file}">]>' + DELIVER.replace("@", "&e;")
    parameter = f'<!DOCTYPE a [<!ENTITY % p SYSTEM "{file}">%p;]>' + DELIVER
    include = DELIVER.replace("@", f'<x:include xmlns:x="http://www.w3.org/2001/XInclude" href="{file}" parse="text"/>')
    stylesheet = f'<?xml-stylesheet href="{file}"?>' + DELIVER
    schema = DELIVER.replace(
        ">", f' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="{file}">', 1
    )
    for body in (entity, parameter, include, stylesheet, schema):
        try:
            decoded = mm7.decode("text/xml", body.encode(encoding))
        except mm7.DecodeError as error:
            assert SECRET not in error.text
        else:
            assert SECRET not in repr(decoded)


def bombs() -> dict[str, str]:
    laughs = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    quadratic = '<!ENTITY a "' + "x" * 50_000 + '">'
    return {
        "laughs": f'<!DOCTYPE a [<!ENTITY a0 "ha">{laughs}]><a b="&a11;">&a11;</a>',
        "quadratic": f"<!DOCTYPE a [{quadratic}]><a>{'&a;' * 50_000}</a>",
        "loop": '<!DOCTYPE a [<!ENTITY a "&b;"><!ENTITY b "&a;">]><a b="&a;">&a;</a>',
        "attributes": f"<!DOCTYPE a [{quadratic}]><a " + " ".join(f'b{n}="&a;"' for n in range(5000)) + "/>",
    }


@pytest.mark.parametrize("bomb", bombs())
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entity_bombs_do_not_go_off(bomb, encoding) -> None:
    with within(10):
        assert refusal(bombs()[bomb].encode(encoding)).status in (4004, 2007)


def test_an_envelope_over_the_limit_is_refused_unread() -> None:
    for body in (b"<a>" * 10_000_000, b" " * documents.MAX_ENVELOPE_BYTES + b"<a/>"):
        with within(10):
            assert refusal(body).status == 2007
    exactly = DELIVER.encode().replace(b"@", b"x" * (documents.MAX_ENVELOPE_BYTES - len(DELIVER) + 1))
    assert len(exactly) == documents.MAX_ENVELOPE_BYTES
    assert len(mm7.decode("text/xml", exactly).message.subject) > 250_000


BIG = documents.MAX_ENVELOPE_BYTES - 1000
HEAVY = {
    "depth": "<a>" * (BIG // 3),
    "closed depth": "<a>" * (BIG // 7) + "</a>" * (BIG // 7),
    "siblings": "<a/>" * (BIG // 4),
    "attributes": "<a " + " ".join(f'a{n}=""' for n in range(BIG // 10)) + "/>",
    "namespaces": "<a " + " ".join(f'xmlns:a{n}="u{n}"' for n in range(10_000)) + ">" + "<b/>" * 5000 + "</a>",
    "same attribute": "<a " + 'b="" ' * (BIG // 5) + "/>",
    "open tags": "<" * BIG,
    "close tags": "</" * (BIG // 2),
    "ampersands": "&" * BIG,
    "references": "&#1;" * (BIG // 4),
    "long reference": "&#x" + "0" * BIG + ";",
    "quotes": "<a " + "=“" * (BIG // 4),
    "equals": "<a " + "= " * (BIG // 2) + ">“",
    "cdata": "<![CDATA[" * (BIG // 9),
    "comments": "<!--" * (BIG // 4),
    "names": "<" + "a:" * (BIG // 2) + ">",
    "messages": "</" + "Req " * (BIG // 4),
    "controls": "\x01" * BIG,
    "unbound": "<x:a>" * (BIG // 5),
    "recipients": "<Recipients>" + "<To>1</To>" * (BIG // 10) + "</Recipients>",
}
HEADS = {
    "instructions": "<?a?>" * (BIG // 5),
    "comments": "<!---->" * (BIG // 7),
    "blanks": " \n" * (BIG // 2),
    "punycode": '<?xml version="1.0" encoding="punycode"?>-' + "a9z" * (BIG // 3),
    "idna": '<?xml version="1.0" encoding="idna"?>' + "." * BIG,
}


@pytest.mark.parametrize("case", HEAVY)
@pytest.mark.parametrize("broken", [False, True], ids=["strict", "repaired"])
def test_a_heavy_envelope_takes_no_time(case, broken) -> None:
    text = DELIVER.replace("<Subject>@</Subject>", HEAVY[case] + ("<x:y/>& “" if broken else ""))
    with within(10):
        try:
            mm7.decode("text/xml", text.encode())
        except mm7.DecodeError as error:
            assert error.status in (4004, 2007)


@pytest.mark.parametrize("case", HEADS)
def test_a_heavy_prolog_takes_no_time(case) -> None:
    with within(10):
        try:
            mm7.decode("text/xml", (HEADS[case] + DELIVER).encode())
        except mm7.DecodeError as error:
            assert error.status == 4004


def test_elements_with_no_name_do_no_harm() -> None:
    decoded = mm7.decode("text/xml", DELIVER.replace("@", "x").replace("<Subject>", "<a:>?</a:><Subject>").encode())
    assert (decoded.message.subject, decoded.message.extensions) == ("x", {})
