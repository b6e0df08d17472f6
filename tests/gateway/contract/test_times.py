"""Times as providers write them."""

import pytest

from gateway.contract import times


@pytest.mark.parametrize(
    ("written", "utc", "zoned"),
    [
        ("2014-04-14T16:15:23.414Z", "2014-04-14T16:15:23.414Z", True),
        ("2014-04-14T16:15:23Z", "2014-04-14T16:15:23.000Z", True),
        ("2014-04-14T16:15:23+02:00", "2014-04-14T14:15:23.000Z", True),
        ("2014-04-14T16:15:23.5-0530", "2014-04-14T21:45:23.500Z", True),
        ("2014-04-14T16:15:23,414Z", "2014-04-14T16:15:23.414Z", True),
        ("2014-04-14T16:15:23 +02:00", "2014-04-14T14:15:23.000Z", True),
        ("2014-04-14T16:15:23.4141234567Z", "2014-04-14T16:15:23.414Z", True),
        ("2014-3-24T16:15:23Z", "2014-03-24T16:15:23.000Z", True),
        ("20140414T161523Z", "2014-04-14T16:15:23.000Z", True),
        ("Mon, 14 Apr 2014 16:15:23 +0200", "2014-04-14T14:15:23.000Z", True),
        ("Mon, 14 Apr 2014 16:15:23 GMT", "2014-04-14T16:15:23.000Z", True),
        ("14 Apr 2014 16:15:23 -0000", "2014-04-14T16:15:23.000Z", False),
        ("2014-04-14T16:15:23", "2014-04-14T16:15:23.000Z", False),
        ("2014-04-14 16:15:23", "2014-04-14T16:15:23.000Z", False),
        (" 20240703210241\n", "2024-07-03T21:02:41.000Z", False),
        ("2014-04-14", "2014-04-14T00:00:00.000Z", False),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z", True),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59.000Z", True),
    ],
)
def test_a_time_is_read_and_written_in_utc(written, utc, zoned) -> None:
    time, found_zone = times.parse(written)
    assert (times.rfc3339(time), found_zone) == (utc, zoned)


@pytest.mark.parametrize(
    "written",
    [
        None,
        "",
        " ",
        "yesterday",
        "Пн, 14 апр 2014",
        "2014-13-01T00:00:00Z",
        "2014-02-30T00:00:00Z",
        "2014-04-14T25:00:00Z",
        "99999999999999",
        "0001-01-01T00:00:00+05:00",
        "9999-12-31T23:59:59-05:00",
        "1969-12-31T23:59:59Z",
        "0001-01-01T00:00:00",
        "Mon, 99 Foo 2014 16:15:23 +9999",
        "1" * 100_000,
        "(" * 100_000,
    ],
)
def test_what_cannot_be_read_is_none(written) -> None:
    assert times.parse(written) == (None, False)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("P3D", True),
        ("PT1H30M", True),
        ("P1Y2M3DT4H5M6.7S", True),
        ("-P1D", False),
        ("P٣D", False),
        ("P", False),
        ("PT", False),
        ("P1DT", False),
        ("3D", False),
    ],
)
def test_a_duration_is_known(text, is_one) -> None:
    assert times.is_duration(text) is is_one
