"""The event loop's lag is measured where it arises."""

import asyncio
import re
import time

from gateway.telemetry import lag
from gateway.telemetry.metrics import Metrics

LONGEST = "mm7_loop_lag_max_seconds"


def shown(metrics: Metrics, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", metrics.text().decode(), re.MULTILINE)
    assert found
    return float(found[1])


async def test_what_holds_the_loop_up_is_observed_and_the_longest_shown() -> None:
    metrics = Metrics()
    with lag.watched(metrics):
        await asyncio.sleep(0.02)
        time.sleep(0.2)  # noqa: ASYNC251  # this is what it is about
        await asyncio.sleep(0.02)
        assert 0.19 <= shown(metrics, LONGEST) < 5
    count, under = (shown(metrics, f'mm7_loop_lag_seconds_bucket{{le="{le}"}}') for le in ("+Inf", "0.1"))
    assert count - under >= 1
    await asyncio.sleep(0.02)
    assert shown(metrics, 'mm7_loop_lag_seconds_bucket{le="+Inf"}') == count, "and no more when it has ended"


async def test_whoever_reads_the_longest_takes_it_from_nobody_and_in_time_it_is_forgotten(eventually) -> None:
    metrics = Metrics()
    with lag.watched(metrics, window_seconds=2.0):
        await asyncio.sleep(0.02)
        time.sleep(0.3)  # noqa: ASYNC251  # longer than anything else is likely to take
        await asyncio.sleep(0.02)
        found = shown(metrics, LONGEST)
        assert found >= 0.29
        time.sleep(0.05)  # noqa: ASYNC251  # a shorter one does not take its place
        await asyncio.sleep(0.02)
        assert shown(metrics, LONGEST) >= found
        await eventually(lambda: shown(metrics, LONGEST) < found)
