"""Captured HTTP messages, as proxies and documents show them."""

import pytest

from gateway import http_file

XML = b"<a/>\n"


def test_head_and_body_are_told_apart_at_the_blank_line():
    found = http_file.parse(b"POST /mm7 HTTP/1.1\r\nContent-Type: text/xml\r\nHost: h\r\n\r\n" + XML)
    assert (found.start, found.status, found.body) == ("POST /mm7 HTTP/1.1", None, XML)
    assert found.headers["content-type"] == "text/xml"


@pytest.mark.parametrize(
    ("data", "headers", "body"),
    [
        (b"POST / HTTP/1.1\nA: b\n\n\n<a/>", {"A": "b"}, b"\n<a/>"),
        (b"\r\n \nPOST / HTTP/1.0\nA: b\n\n", {"A": "b"}, b""),
        (b"POST / HTTP/1.1\nA: b\n<a/>\n", {"A": "b"}, XML),
        (b"POST / HTTP/1.1\nA: b\n--limit\nB: c\n\nx", {"A": "b"}, b"--limit\nB: c\n\nx"),
        (b"POST / HTTP/1.1\nA: b;\n\tc=d\n  e\n\nx", {"A": "b; c=d e"}, b"x"),
        (b"POST / HTTP/1.1\nA: 1\nPOST / HTTP/1.1\nB: 2\n\nx", {"B": "2"}, b"x"),
        (b"POST / HTTP/1.1\nA:1\nB :  2  \n\nx", {"A": "1", "B": "2"}, b"x"),
        (b"POST / HTTP/1.1\nA: \xff\n\n\xff\x00\n", {"A": "\udcff"}, b"\xff\x00\n"),
        (b"POST / HTTP/1.1\nA: b\nno header\n\nx", {"A": "b"}, b"no header\n\nx"),
        (b"POST / HTTP/1.1", {}, b""),
        (b"POST / HTTP/1.1\nContent-Length: 1\n\nlonger than that", {"Content-Length": "1"}, b"longer than that"),
    ],
    ids=[
        "one blank line is the head's end", "blank lines before", "no blank line, XML", "no blank line, multipart",
        "folded", "a head that stands twice", "spaces round the colon", "bytes of no encoding", "a line that is none",
        "nothing but a start", "a wrong length",
    ],
)  # fmt: skip
def test_what_documents_and_proxies_make_of_a_message(data, headers, body):
    found = http_file.parse(data)
    assert (dict(found.headers), found.body) == (headers, body)


@pytest.mark.parametrize(
    ("line", "status"), [("HTTP/1.1 200 OK", 200), ("HTTP/1.0 500", 500), ("HTTP/2 503", 503), ("POST / HTTP/2", None)]
)
def test_a_response_has_a_status_and_a_request_has_none(line, status):
    assert http_file.parse(f"{line}\nA: b\n\nx".encode()).status == status


@pytest.mark.parametrize(
    "data",
    [b"", b"\n\n", XML, b"post / http/1.1\n\n", b"A: b\n\nx", b"GET /\n\n", b"\xff\xd8\xff\x00", b"\xef\xbb\xbf"],
)
def test_what_is_no_http_message_is_refused_in_words(data):
    with pytest.raises(ValueError, match="the file"):
        http_file.parse(data)


def test_a_body_without_a_head_has_the_content_type_that_is_given():
    found = http_file.of_body(XML, "text/xml")
    assert (dict(found.headers), found.body, found.status) == ({"Content-Type": "text/xml"}, XML, None)
    assert dict(http_file.of_body(XML, None).headers) == {}
