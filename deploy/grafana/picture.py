"""A picture of the dashboard without Grafana: the same queries, asked of a Prometheus, drawn in the same places.

    python deploy/grafana/picture.py dashboard.png --url http://127.0.0.1:9090 --from 1790000000 --to 1790000330

Needs what requirements.txt names, which is no part of the gateway.
"""

import argparse
import json
import urllib.parse
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import drawing
import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from page import FAINT, PAGE, TEXT, Place, Series, legend
from PIL import Image

DASHBOARD = json.loads(Path(__file__).with_name("dashboard.json").read_text(encoding="utf-8"))
WIDTH, MARGIN, GAP, UNIT, HEADER = 1720, 16, 8, 34, 58  # pixels
POINTS = 165  # of a curve
COLOURS = 96  # of the file: it is a third as large, and looks the same


class Prometheus:
    """What it saw between two times, in seconds since 1970."""

    def __init__(self, url: str, start: float, end: float, rates_over: str) -> None:
        self._url = url
        self.span = (start, end)
        seconds = round(end - start)
        self._choices = {
            "$__rate_interval": rates_over,
            "$__range": f"{seconds}s",
            "$account": ".*",
            "$instance": ".*",
        }
        self.step = max((end - start) / POINTS, 1)
        self.times = np.arange(start, end, self.step)

    def series(self, target: dict[str, Any]) -> list[Series]:
        """The curves of a query, sorted by name; a single point each where it asks for the present alone."""
        expr = target["expr"]
        for name, value in self._choices.items():
            expr = expr.replace(name, value)
        start, end = self.span
        if target["instant"]:
            found = self._ask("query", query=expr, time=end)
            return [Series(_name(target, each), np.array([end]), np.array([float(each["value"][1])])) for each in found]
        found = self._ask("query_range", query=expr, start=start, end=end, step=self.step)
        made = [Series(_name(target, each), self.times, self._values(each["values"])) for each in found]
        return sorted(made, key=lambda each: each.name)

    def _values(self, points: list[tuple[float, str]]) -> Any:
        """At each of the times, NaN where there is none."""
        values = np.full(len(self.times), np.nan)
        for at, value in points:
            number = round((at - self.span[0]) / self.step)
            if number < len(values):
                values[number] = float(value)
        return values

    def events(self) -> list[float]:
        """When a program started."""
        (starts,) = (each for each in DASHBOARD["annotations"]["list"] if each["useValueForTime"] == "on")
        curves = self.series({"expr": starts["expr"], "instant": False, "legendFormat": "{{instance}}"})
        found = {round(value / 1000) for each in curves for value in each.values if value == value}  # noqa: PLR0124  # not NaN
        return sorted(each for each in found if self.span[0] < each < self.span[1])

    def _ask(self, path: str, **parameters: object) -> list[dict[str, Any]]:
        words = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self._url}/api/v1/{path}?{words}", timeout=60) as answer:  # noqa: S310  # http
            result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return result


def _name(target: dict[str, Any], found: dict[str, Any]) -> str:
    return legend(target["legendFormat"], found["metric"])


def draw(prometheus: Prometheus, file: Path, scale: float) -> None:
    """The whole dashboard as a PNG."""
    rows = max(each["gridPos"]["y"] + each["gridPos"]["h"] for each in DASHBOARD["panels"])
    height = HEADER + rows * UNIT + MARGIN
    figure = Figure(figsize=(WIDTH / 100, height / 100), dpi=100 * scale, facecolor=PAGE)
    _header(figure, prometheus)
    column = (WIDTH - 2 * MARGIN + GAP) / 24
    events = prometheus.events()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        place = Place(
            figure,
            MARGIN + at["x"] * column,
            HEADER + at["y"] * UNIT,
            at["w"] * column - GAP,
            at["h"] * UNIT - GAP,
            prometheus.span,
            events,
        )
        if panel["type"] == "row":
            place.write(4, place.h / 2 + 2, f"⌄  {panel['title']}", fontsize=11.5, weight="bold")
        else:
            place.frame(panel["title"])
            series = [each for target in panel["targets"] for each in prometheus.series(target)]
            drawing.DRAW[panel["type"]](place, panel, series)
    figure.savefig(file)
    with Image.open(file) as image:
        few = image.convert("RGB").quantize(COLOURS, kmeans=3, dither=Image.Dither.NONE)
    few.save(file, optimize=True)


def _header(figure: Figure, prometheus: Prometheus) -> None:
    place = Place(figure, MARGIN, 0, WIDTH - 2 * MARGIN, HEADER, prometheus.span)
    place.write(4, 24, DASHBOARD["title"], fontsize=15, weight="bold")
    place.write(190, 25, "Account  All        Instance  All", color=FAINT, fontsize=9.5)
    start, end = (datetime.fromtimestamp(each, UTC) for each in prometheus.span)
    place.write(
        place.w - 4, 25, f"{start:%Y-%m-%d %H:%M:%S} to {end:%H:%M:%S} UTC", color=TEXT, fontsize=9.5, ha="right"
    )


def main() -> None:
    """Draw it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--url", required=True, help="of Prometheus")
    parser.add_argument("--from", dest="start", type=float, required=True, help="seconds since 1970")
    parser.add_argument("--to", dest="end", type=float, required=True, help="as --from")
    parser.add_argument("--rates-over", default="16s", help="Grafana takes four scrape intervals (default: 16s)")
    parser.add_argument("--scale", type=float, default=2.0, help="pixels of the picture for one of the screen (2)")
    given = parser.parse_args()
    mpl.rcParams["font.family"] = ["DejaVu Sans"]
    draw(Prometheus(given.url, given.start, given.end, given.rates_over), given.picture, given.scale)


if __name__ == "__main__":
    main()
