"""The figures of the operator's guide: `make figures` measures them into deploy/figures/ and writes its tables anew.

Each table stands between two comments that name it; a test says when one is not what the files give.
"""

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from math import ceil
from pathlib import Path
from typing import Any

FLOOR = "confirmed publishes, 4 channels of 200"  # the case that others are ratios to
MEASURED = Path(__file__).parents[2] / "deploy" / "figures"
_BLOCK = re.compile(r"(<!-- measured: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_PROGRAMS = ("receiver", "worker")

Row = Mapping[str, Any]


def measured(name: str) -> Any:
    """What was measured last: `scale` by the benchmark, `rolling` by the test of that name."""
    return json.loads((MEASURED / f"{name}.json").read_text("utf-8"))


def throughput() -> Iterator[str]:
    """Every case: how many a second, and what each costs."""
    rows: list[Row] = measured("scale")
    yield "| case | a second | ratio | median, 99 % | ms of a processor for each: program · broker · Redis | calls to Redis |"
    yield "| --- | --- | --- | --- | --- | --- |"
    floor = next(row["per_second"] for row in rows if row["case"] == FLOOR)
    for row in rows:
        times = f"{row['median_ms']:.3g}, {row['p99_ms']:.3g} ms" if row["median_ms"] is not None else ""
        calls = ", ".join(f"{name} {count:.3g}" for name, count in row["redis_calls"].items())
        ratio = row["per_second"] / floor
        yield f"| {row['case']} | {row['per_second']:,.0f} | {ratio:.2g} | {times} | {_costs(row)} | {calls} |"


def _costs(row: Row) -> str:
    cpu = row["cpu_ms"]
    program = next((cpu[name] for name in _PROGRAMS if name in cpu), None)
    costs = [program, cpu.get("broker"), cpu.get("redis") or None]
    while costs and costs[-1] is None:
        costs.pop()
    return " · ".join("–" if cost is None else f"{cost:.2g}" for cost in costs)


def ceilings() -> Iterator[str]:
    """What one process reaches on a processor of its own: a second by what one costs."""
    yield "| one process, with a processor of its own | at most, a second | at 60 % |"
    yield "| --- | --- | --- |"
    for row in measured("scale"):
        cost = next((row["cpu_ms"][name] for name in _PROGRAMS if name in row["cpu_ms"]), None)
        if cost and row["case"].startswith("1 "):
            yield f"| {row['case']} | {_round(1000 / cost)} | {_round(600 / cost)} |"


def _round(number: float) -> str:
    return f"{float(f'{number:.2g}'):,.0f}"


def rolling() -> Iterator[str]:
    """What became of all callbacks and commands while everything was restarted."""
    found = measured("rolling")
    for name in ("callbacks", "commands"):
        yield f"| {name} | {' | '.join(found[name])} |"
        yield "| --- " * (len(found[name]) + 1) + "|"
        yield f"| | {' | '.join(f'{count:,}' for count in found[name].values())} |"
        yield ""


REPORTS, PICTURES, SUBMITS, SHARE = 8_000, 2_000, 8_000, 0.6  # of the plan, a second; and how busy a processor may be


def plan() -> Iterator[str]:
    """What 10,000 callbacks a second take of processors, by what each costs with Redis."""
    costs = {row["case"]: row["cpu_ms"] for row in measured("scale")}
    report, picture = costs["1 receiver, report, Redis"], costs["1 receiver, MO of 50 kB, Redis"]
    submit = costs["1 worker, text, Redis"]
    receiving = REPORTS * report["receiver"] + PICTURES * picture["receiver"]
    sending = SUBMITS * submit["worker"]
    broker = REPORTS * report["broker"] + PICTURES * picture["broker"] + SUBMITS * submit["broker"]
    redis = REPORTS * report["redis"] + PICTURES * picture["redis"] + SUBMITS * submit["redis"]
    yield "| part | processors busy | so |"
    yield "| --- | --- | --- |"
    yield f"| receivers | {receiving / 1000:.0f} | {ceil(receiving / 1000 / SHARE)} of one processor, at 60 % |"
    yield f"| workers | {sending / 1000:.0f} | {ceil(sending / 1000 / SHARE)} of one processor, at 60 % |"
    yield f"| RabbitMQ, the leaders of its queues | {broker / 1000:.0f} | replicas not counted |"
    yield f"| Redis | {redis / 1000:.1f} | it runs commands on one thread: more than one Redis |"


TABLES: Mapping[str, Callable[[], Iterator[str]]] = {
    "throughput": throughput,
    "ceilings": ceilings,
    "rolling": rolling,
    "plan": plan,
}


def filled(text: str) -> str:
    """A text with every table as the files give it."""

    def table(match: re.Match[str]) -> str:
        return "\n".join([match[1].rstrip(), *TABLES[match[2]](), match[3]])

    return _BLOCK.sub(table, text)


def main() -> None:
    """Entry point."""
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(filled(path.read_text("utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
