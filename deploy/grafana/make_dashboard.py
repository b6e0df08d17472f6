"""deploy/grafana/dashboard.json, made of the table in panels.toml: `python deploy/grafana/make_dashboard.py`.

Strategy: the file that Grafana reads is written by nobody, so that a change of it can be read as a change of a table.
"""

import json
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FILE = HERE / "dashboard.json"
WIDTH = 24  # of Grafana's grid
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
KINDS = {"stat": "stat", "graph": "timeseries", "states": "state-timeline"}
MARKS = {"@": 'account=~"$account", instance=~"$instance"', "#": 'instance=~"$instance"', "%": "$__rate_interval"}
LIMITS = {"budget", "limit"}
CHOICES = {"account": "mm7_answer_seconds_count", "instance": "mm7_ready"}  # a metric of which each label is listed
TABLE = tomllib.loads((HERE / "panels.toml").read_text(encoding="utf-8"))
COLOURS: dict[str, str] = TABLE["colours"]


def dashboard() -> dict[str, Any]:
    """All of it, as Grafana 10 and later import and provision it."""
    return {
        "uid": "mm7-gateway",
        "title": "mm7-gateway",
        "description": "MM7 callbacks and commands: answers, spool, commands, queues, programs.",
        "tags": ["mm7"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,  # a crosshair through all panels
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": [_event(**event) for event in TABLE["event"]]},
        "templating": {"list": [_datasource(), *map(_choice, CHOICES), _runbooks()]},
        "panels": list(_panels(TABLE["row"])),
    }


def _panels(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Row by row, each panel with its place."""
    y = number = 0
    for row in rows:
        if row["title"]:
            number += 1
            place = {"x": 0, "y": y, "w": WIDTH, "h": 1}
            yield {
                "id": number,
                "type": "row",
                "title": row["title"],
                "collapsed": False,
                "gridPos": place,
                "panels": [],
            }
            y += 1
        x = 0
        for panel in row["panel"]:
            width = panel.get("width", 8)
            if x + width > WIDTH:
                x, y = 0, y + row["height"]
            number += 1
            yield {"id": number, "gridPos": {"x": x, "y": y, "w": width, "h": row["height"]}} | _panel(**panel)
            x += width
        y += row["height"]


def _panel(
    title: str, text: str, queries: list[list[str]], alerts: list[str], kind: str = "graph", **more: Any
) -> dict[str, Any]:
    now = more.get("now", False)
    overrides = [_override(name, _fixed(colour)) for name, colour in more.get("colours", {}).items()]
    overrides += [_override(name, *_right(unit)) for name, unit in more.get("right", {}).items()]
    overrides += [_override(legend, *_dashed()) for _, legend in queries if legend in LIMITS]
    return {
        "type": KINDS[kind],
        "title": title,
        "description": text,
        "datasource": DATASOURCE,
        "targets": [_target(ref, *query, now=now) for ref, query in zip("ABCD", queries, strict=False)],
        "links": [{"title": name, "url": f"${{runbooks}}#{name.lower()}", "targetBlank": True} for name in alerts],
        "fieldConfig": {"defaults": _defaults(kind, more), "overrides": overrides},
        "options": OPTIONS[kind],
    }


def _target(ref: str, query: str, legend: str, *, now: bool) -> dict[str, Any]:
    for mark, meant in MARKS.items():
        query = query.replace(mark, meant)
    times = {"instant": now, "range": not now}
    return {"refId": ref, "datasource": DATASOURCE, "expr": query, "legendFormat": legend or "__auto"} | times


def _defaults(kind: str, more: dict[str, Any]) -> dict[str, Any]:
    first = [[float("-inf"), "green"]]
    steps = [
        {"value": None if value == float("-inf") else value, "color": COLOURS[colour]}
        for value, colour in more.get("steps", first)
    ]
    words = {value: {"text": text, "color": COLOURS[colour]} for value, (text, colour) in more.get("words", {}).items()}
    return {
        "unit": more.get("unit", "short"),
        "color": {"mode": "palette-classic" if kind == "graph" else "thresholds"},
        "thresholds": {"mode": "absolute", "steps": steps},
        "mappings": [{"type": "value", "options": words}] if words else [],
    } | (_graph(more) if kind == "graph" else {"custom": {"fillOpacity": 85}} if kind == "states" else {})


def _graph(more: dict[str, Any]) -> dict[str, Any]:
    stacked, logarithmic = more.get("stacked", False), more.get("logarithmic", False)
    custom = {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 50 if stacked else 8,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
        "scaleDistribution": {"type": "log", "log": 10} if logarithmic else {"type": "linear"},
        "thresholdsStyle": {"mode": "dashed" if "steps" in more else "off"},
    }
    return {"custom": custom} | ({} if logarithmic else {"min": 0})


OPTIONS: dict[str, dict[str, Any]] = {
    "graph": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "value",
        "graphMode": "area",
        "textMode": "value",
        "justifyMode": "auto",
        "orientation": "auto",
    },
    "states": {
        "showValue": "auto",
        "mergeValues": True,
        "rowHeight": 0.85,
        "alignValue": "left",
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False},
        "tooltip": {"mode": "single", "sort": "none"},
    },
}


def _fixed(colour: str) -> dict[str, Any]:
    return {"id": "color", "value": {"mode": "fixed", "fixedColor": COLOURS[colour]}}


def _dashed() -> list[dict[str, Any]]:
    line = {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [10, 10]}}
    return [_fixed("red"), line, {"id": "custom.fillOpacity", "value": 0}]


def _right(unit: str) -> list[dict[str, Any]]:
    return [{"id": "custom.axisPlacement", "value": "right"}, {"id": "unit", "value": unit}]


def _override(name: str, *properties: dict[str, Any]) -> dict[str, Any]:
    return {"matcher": {"id": "byName", "options": name}, "properties": list(properties)}


def _event(*, name: str, query: str, text: str, colour: str, at_value: bool) -> dict[str, Any]:
    return {
        "name": name,
        "enable": True,
        "iconColor": COLOURS[colour],
        "datasource": DATASOURCE,
        "expr": query,
        "step": "60s",
        "titleFormat": text,
        "useValueForTime": "on" if at_value else "off",
    }


def _datasource() -> dict[str, Any]:
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "refresh": 1}


def _choice(label: str) -> dict[str, Any]:
    """Of all values of a label; `.*` for all of them, so that a series without it is among them."""
    query = f"label_values({CHOICES[label]}, {label})"
    return {
        "name": label,
        "label": label.capitalize(),
        "type": "query",
        "datasource": DATASOURCE,
        "definition": query,
        "query": {"query": query, "refId": label},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def _runbooks() -> dict[str, Any]:
    """Where the runbooks are to be read: set it to your copy of deploy/README.md."""
    here = "deploy/README.md"
    return {
        "name": "runbooks",
        "label": "Runbooks",
        "type": "textbox",
        "query": here,
        "current": {"text": here, "value": here},
    }


def text() -> str:
    """The file's text."""
    return json.dumps(dashboard(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
    sys.stderr.write(f"{FILE}\n")
