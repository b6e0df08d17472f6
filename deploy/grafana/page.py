"""The page that panels are drawn on: places in pixels, words and their widths, values with their units."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.textpath import TextPath

PAGE, PANEL, EDGE, GRID = "#111217", "#181B1F", "#25272D", "#2A2D33"
TEXT, FAINT = "#D5D6DE", "#9196A1"
SMALL, TITLE = 8.2, 9.6  # points; a pixel of the unscaled picture is 0.72 of them


@dataclass
class Series:
    """One curve; no value is NaN."""

    name: str
    times: Any
    values: Any


@dataclass
class Place:
    """Where a panel lies, in pixels from the upper left corner, on what; and the time from left to right."""

    figure: Figure
    x: float
    y: float
    w: float
    h: float
    span: tuple[float, float]
    events: list[float] = field(default_factory=list)

    def fraction(self, x: float, y: float, w: float, h: float) -> tuple[float, float, float, float]:
        """Of the figure, as matplotlib counts: from below."""
        width, height = self.figure.get_size_inches() * 100
        return (self.x + x) / width, 1 - (self.y + y + h) / height, w / width, h / height

    def axes(self, left: float, top: float, right: float, bottom: float) -> Axes:
        """The panel's inside, without so many pixels at its edges."""
        box = self.fraction(left, top, self.w - left - right, self.h - top - bottom)
        return self.figure.add_axes(box, facecolor="none")

    def write(self, x: float, y: float, words: str, **look: Any) -> None:
        left, bottom, _, _ = self.fraction(x, y, 0, 0)
        self.figure.text(left, bottom, words, **{"color": TEXT, "fontsize": SMALL, "va": "center"} | look)

    def frame(self, title: str) -> None:
        left, bottom, w, h = self.fraction(0, 0, self.w, self.h)
        look = {"boxstyle": "square,pad=0", "fc": PANEL, "ec": EDGE, "lw": 0.7, "zorder": -1}
        self.figure.add_artist(FancyBboxPatch((left, bottom), w, h, transform=self.figure.transFigure, **look))
        self.write(10, 15, title, fontsize=TITLE)


def wide(words: str) -> float:
    """How many pixels a small text takes."""
    return float(TextPath((0, 0), words or " ", size=SMALL).get_extents().x1) * 100 / 72


def _scaled(value: float, steps: tuple[tuple[float, str], ...]) -> str:
    size, name = next((each for each in steps if abs(value) >= each[0]), steps[-1])
    return f"{value / size:.3g}{name}"


_SECONDS = ((86400, " d"), (3600, " h"), (60, " min"), (1, " s"), (1e-3, " ms"), (1e-6, " µs"))
BYTES = ((1024**3, " GiB"), (1024**2, " MiB"), (1024, " KiB"), (1, " B"))
_COUNTS = ((1e9, " Bil"), (1e6, " Mil"), (1e3, " K"), (1, ""))
UNITS: dict[str, Callable[[float], str]] = {
    "short": lambda value: _scaled(value, _COUNTS),
    "reqps": lambda value: f"{_scaled(value, _COUNTS)} req/s",
    "s": lambda value: _scaled(value, _SECONDS),
    "bytes": lambda value: _scaled(value, BYTES),
    "percentunit": lambda value: f"{100 * value:.3g}%",
}


def written(value: float, unit: str) -> str:
    """A value with its unit, as Grafana writes it."""
    return "0" if value == 0 else UNITS[unit](value)


def legend(form: str, labels: dict[str, str]) -> str:
    """A series' name."""
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), form).strip()
