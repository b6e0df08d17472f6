"""What may be fetched: URLs and addresses, judged without a network."""

import pytest

from workers.rules import HostRule, Refused, Rules, parse, shown

PRIVATE = [
    "127.0.0.1",
    "127.255.255.254",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.127.255.255",
    "0.0.0.0",
    "0.1.2.3",
    "224.0.0.1",
    "239.255.255.250",
    "255.255.255.255",
    "240.0.0.1",
    "192.0.0.1",
    "198.18.0.1",
    "192.0.2.1",
    "203.0.113.1",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fdff::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "2001:db8::1",
    "100::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "::8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::808:808",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "2002:a00:1::1",
    "2001:0:7f00:1::1",
    "2001:0:808:808::f7f7:f7f7",
    "2606:4700:4700::1111%1",
]
PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "172.32.0.1",
    "100.128.0.1",
    "2606:4700:4700::1111",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_no_connection_is_opened_to_a_private_address(address) -> None:
    assert not Rules().reach(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_connected_to(address) -> None:
    assert Rules().reach(address)


def test_a_private_network_that_is_allowed_is_allowed_alone(make_rules) -> None:
    rules = make_rules(networks=("10.1.0.0/16", "fd00:1::/32"))
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "2002:a01:203::1", "fd00:1::1", "8.8.8.8"):
        assert rules.reach(address), address
    for address in ("10.2.0.1", "::ffff:10.2.0.1", "127.0.0.1", "fd00:2::1", "fd00:1::1%eth0"):
        assert not rules.reach(address), address


def test_a_mapped_network_can_be_allowed_as_it_is_written(make_rules) -> None:
    assert make_rules(networks=("64:ff9b::/96",)).reach("64:ff9b::a01:203")


REFUSED = [
    ("ftp://photos.example.net/a", "ftp:// is not fetched: use https://, s3://"),
    ("file:///etc/passwd", "file:// is not fetched"),
    ("gopher://x/_SMTP", "gopher:// is not fetched"),
    ("data://text/plain,x", "data:// is not fetched"),
    ("http://photos.example.net/a", "by https alone: use that, or add http://photos.example.net to MM7_FETCH_HOSTS"),
    ("https://user:secret@photos.example.net/a", "a user name or password in a url is not sent"),
    ("https://@photos.example.net/a", ""),
    ("https://user@photos.example.net/a", "a user name or password"),
    ("https://:secret@photos.example.net/a", "a user name or password"),
    (
        "https://photos.example.net:8443/a",
        "port 8443 of photos.example.net is not allowed: add photos.example.net:8443",
    ),
    ("https://photos.example.net:0/a", "port 0"),
    ("https://photos.example.net:22/a", "port 22"),
    ("https://photos.example.net:99999/a", "no url that can be read"),
    ("https:///a", "no host"),
    ("https://?a", "no host"),
    ("https://[fe80::1%25eth0]/a", "no host"),
    ("https://127%2e0.0.1/a", "no host"),
    ("https://photos.example.net\\@127.0.0.1/a", "a backslash"),
    ("https://photos.example.net/a\x00b", "control character"),
    ("https://photos.example.net/a b", "a blank"),
    ("s3://bucket/key", "the bucket 'bucket' is not allowed: add it to MM7_FETCH_BUCKETS"),
    ("s3://", "the bucket '' is not allowed"),
]


@pytest.mark.parametrize("url, words", REFUSED)
def test_what_the_rules_do_not_allow_is_refused_with_what_to_do(url, words) -> None:
    if not words:  # an empty user is none
        Rules().check(url)
        return
    with pytest.raises(Refused) as caught:
        Rules().check(url)
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)


ALLOWED = [
    ((), "https://photos.example.net/a"),
    ((), "https://photos.example.net:443/a"),
    ((), "https://PHOTOS.example.net./a?b=%2F#c"),
    ((), "https://bücher.example/ä"),
    ((), "https://[2606:4700:4700::1111]/a"),
    (("photos.example.net",), "https://Photos.Example.net./a"),
    (("PHOTOS.example.net.",), "https://photos.example.net/a"),
    (("*.example.net",), "https://a.b.example.net/a"),
    (("a.example", "photos.example.net:8443"), "https://photos.example.net:8443/a"),
    (("photos.example.net:*",), "https://photos.example.net:1234/a"),
    (("http://photos.example.net",), "http://photos.example.net/a"),
    (("http://photos.example.net",), "https://photos.example.net/a"),
    (("https://photos.example.net",), "https://photos.example.net/a"),
    (("*", "http://inside.example"), "http://inside.example/a"),
    (("http://*:*",), "http://127.0.0.1:8000/a"),
    (("[2606:4700::1]",), "https://[2606:4700::1]/a"),
]


@pytest.mark.parametrize("hosts, url", ALLOWED)
def test_what_the_rules_allow_is_allowed(make_rules, hosts, url) -> None:
    make_rules(hosts=hosts).check(url)


NOT_ALLOWED = [
    (("photos.example.net",), "https://other.example.net/a", "the host other.example.net is not allowed: add it"),
    (("photos.example.net",), "https://photos.example.net.evil.example/a", "is not allowed"),
    (("*.example.net",), "https://example.net/a", "is not allowed"),
    (("*.example.net",), "https://evilexample.net/a", "is not allowed"),
    (("photos.example.net:8443",), "https://photos.example.net/a", "port 443"),
    (("*", "http://inside.example"), "http://outside.example/a", "by https alone"),
    (("http://inside.example", "inside.example:8443"), "http://inside.example:8443/a", "port 8443"),
    (("http://inside.example",), "http://inside.example:443/a", "port 443"),
]


@pytest.mark.parametrize("hosts, url, words", NOT_ALLOWED)
def test_a_list_of_hosts_allows_no_others(make_rules, hosts, url, words) -> None:
    with pytest.raises(Refused, match=words):
        make_rules(hosts=hosts).check(url)


def test_a_bucket_that_is_allowed_must_be_asked_for_something() -> None:
    rules = Rules(buckets=frozenset({"photos"}))
    rules.check("s3://photos/2026/a%20b?c#d.jpg")
    for url in ("s3://photos", "s3://photos/"):
        with pytest.raises(Refused, match="write s3://bucket/key"):
            rules.check(url)
    with pytest.raises(Refused, match="'photos2'"):
        rules.check("s3://photos2/a")


def test_a_url_is_asked_for_as_it_is_spelt() -> None:
    spelt = "https://photos.example.net/a%2Fb%7E/+?X-Signature=a%2Bb%3D&c=%20+"
    assert str(parse(f"{spelt}#fragment")) == spelt


@pytest.mark.parametrize(
    "url, words",
    [
        ("https://u:p@photos.example.net:8443/a/b?token=x#y", "https://photos.example.net:8443/a/b"),
        ("https://photos.example.net?token=a/b@c", "https://photos.example.net"),
        ("https://photos.example.net#token@c", "https://photos.example.net"),
        ("https://h/" + "a" * 500, "https://h/" + "a" * 190 + "…"),
        ("no url", "no url"),
    ],
)
def test_a_url_is_shown_without_its_secrets(url, words) -> None:
    assert shown(url) == words


def test_a_rule_without_a_port_means_the_scheme_s_own() -> None:
    rule = HostRule.parse("http://h")
    assert rule.takes_port("http", 80)
    assert not rule.takes_port("http", 443)
    assert rule.takes_port("https", 443)
