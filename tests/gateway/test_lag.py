"""The event loop's lag is measured where it arises."""

import asyncio
import re
import time

from gateway.telemetry import lag
from gateway.telemetry.metrics import Metrics


def shown(metrics: Metrics, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", metrics.text().decode(), re.MULTILINE)
    assert found
    return float(found[1])


async def test_what_holds_the_loop_up_is_observed_and_the_longest_shown_once() -> None:
    metrics = Metrics()
    with lag.watched(metrics):
        await asyncio.sleep(0.02)
        time.sleep(0.2)  # noqa: ASYNC251  # this is what it is about
        await asyncio.sleep(0.02)
        found = shown(metrics, "mm7_loop_lag_max_seconds")
        assert 0.19 <= found < 5
        assert shown(metrics, "mm7_loop_lag_max_seconds") < found
    count, under = (shown(metrics, f'mm7_loop_lag_seconds_bucket{{le="{le}"}}') for le in ("+Inf", "0.1"))
    assert count - under >= 1
    await asyncio.sleep(0.02)
    assert shown(metrics, 'mm7_loop_lag_seconds_bucket{le="+Inf"}') == count, "and no more when it has ended"
