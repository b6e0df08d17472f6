"""How long properties are tried: the same few examples in every run, or MM7_EXAMPLES times as many new ones."""

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, settings

TIMES = int(os.environ.get("MM7_EXAMPLES", "1"))


def bounded(examples: int) -> Callable[[Any], Any]:
    """A decorator below which a property is tried `examples` times; without a deadline, for machines are noisy."""
    return settings(
        max_examples=max(1, examples * TIMES // 2),
        derandomize=TIMES == 1,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        report_multiple_bugs=False,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
