"""What stands in the alerts and in the dashboard, and the names of the metrics that it can stand on."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from gateway.telemetry.metrics import Metrics

DEPLOY = Path(__file__).parents[2] / "deploy"
GUIDE = (DEPLOY / "README.md").read_text(encoding="utf-8")
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana/dashboard.json").read_text(encoding="utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
_GROUPS = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text(encoding="utf-8"))["groups"]
ALERTS: list[dict[str, Any]] = [rule for group in _GROUPS for rule in group["rules"]]
WATCHDOG = "Mm7Watchdog"  # fires always
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_METRIC = re.compile(r"\b(?:mm7|rabbitmq|haproxy|process|python)_\w+")


def queries(panel: dict[str, Any], **choices: str) -> list[str]:
    """A panel's queries, as Grafana would send them."""
    chosen = {"account": ".*", "instance": ".*", "__rate_interval": "4s", "__range": "1h"} | choices
    found = [target["expr"] for target in panel["targets"]]
    for name, value in chosen.items():
        found = [expr.replace(f"${name}", value) for expr in found]
    return found


def metrics(expr: str) -> set[str]:
    """The metrics that an expression names."""
    return set(_METRIC.findall(_QUOTED.sub('""', expr)))


def shown(text: str) -> set[str]:
    """The names of what a page in Prometheus' text format tells of, whether there is a series of it yet or not."""
    return set(re.findall(r"^(?:# TYPE )?([a-z]\w+)", text, re.MULTILINE))


def ours() -> set[str]:
    """The names of all the metrics of both programs."""
    return shown(Metrics(accounts=["sinch-us"]).text().decode())
