"""What failed is told until it works, or until it is no news."""

import time

from gateway.stores.trouble import Trouble


def test_what_failed_last_is_told_until_it_works() -> None:
    trouble = Trouble()
    assert trouble.reason == ""
    trouble.note("no connection")
    trouble.note("too slow")
    assert trouble.reason == "too slow"
    trouble.clear()
    assert trouble.reason == ""


async def test_what_failed_long_ago_is_no_news(eventually) -> None:
    trouble = Trouble(lasts=0.2)
    began = time.monotonic()
    trouble.note("no connection")
    assert trouble.reason == "no connection"
    await eventually(lambda: not trouble.reason)
    assert time.monotonic() - began >= 0.2
