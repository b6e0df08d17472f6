"""Panels as Grafana's dark theme has them, drawn with matplotlib: graphs, states over time, single values."""

import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from page import BYTES, FAINT, GRID, SMALL, Place, Series, wide, written

EVENT = "#5794F2"
PALETTE = ("#73BF69", "#F2CC0C", "#5794F2", "#FF9830", "#B877D9", "#8AB8FF", "#F2495C", "#CA95E5", "#FFCB7D", "#37872D")


def properties(panel: dict[str, Any], name: str) -> dict[str, Any]:
    """What the panel's overrides say of a series."""
    found = [each["properties"] for each in panel["fieldConfig"]["overrides"] if each["matcher"]["options"] == name]
    return {each["id"]: each["value"] for group in found for each in group}


def graph(place: Place, panel: dict[str, Any], series: list[Series]) -> None:
    """Lines, or areas upon each other; the legend below."""
    defaults = panel["fieldConfig"]["defaults"]
    logarithmic = defaults["custom"]["scaleDistribution"]["type"] == "log"
    looks = [properties(panel, each.name) for each in series]
    colours = _colours(looks)
    lines = _legend_lines(place, series)
    right = any("custom.axisPlacement" in look for look in looks)
    ax = place.axes(62, 32, 50 if right else 14, 26 + 16 * len(lines))
    other = ax.twinx() if right else None
    if defaults["custom"]["stacking"]["mode"] == "normal":
        _stack(ax, series, colours)
    else:
        for each, colour, look in zip(series, colours, looks, strict=True):
            on = other if other is not None and "custom.axisPlacement" in look else ax
            _line(on, each, colour, dashed="custom.lineStyle" in look, bottom=0 if not logarithmic else None)
    _axis(ax, place, defaults["unit"], logarithmic=logarithmic)
    if other is not None:
        _axis(other, place, next(look["unit"] for look in looks if "unit" in look), logarithmic=False)
        other.grid(visible=False)
    if defaults["custom"]["thresholdsStyle"]["mode"] == "dashed":
        _thresholds(ax, defaults["thresholds"]["steps"])
    _legend(place, lines, dict(zip((each.name for each in series), colours, strict=True)))


def _colours(looks: list[dict[str, Any]]) -> list[str]:
    return [
        look["color"]["fixedColor"] if "color" in look else PALETTE[number % len(PALETTE)]
        for number, look in enumerate(looks)
    ]


def _line(ax: Axes, series: Series, colour: str, *, dashed: bool, bottom: float | None) -> None:
    ax.plot(
        series.times, series.values, color=colour, lw=1.15, ls=(0, (5, 3)) if dashed else "-", solid_capstyle="round"
    )
    if not dashed and bottom is not None:
        ax.fill_between(series.times, series.values, bottom, color=colour, alpha=0.09, lw=0)


def _stack(ax: Axes, series: list[Series], colours: list[str]) -> None:
    if not series:
        return
    times = series[0].times
    below = np.zeros_like(times)
    for each, colour in zip(series, colours, strict=True):
        above = below + np.nan_to_num(each.values)
        ax.fill_between(times, below, above, color=colour, alpha=0.45, lw=0)
        ax.plot(times, np.where(above > below, above, np.nan), color=colour, lw=1.0)
        below = above


def _axis(ax: Axes, place: Place, unit: str, *, logarithmic: bool) -> None:
    ax.set_xlim(*place.span)
    if logarithmic:
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(10, numticks=7))
        ax.yaxis.set_minor_formatter(NullFormatter())
        ax.tick_params(which="minor", length=0)
    else:
        ax.set_ylim(0, max(ax.get_ylim()[1], 1e-9) * 1.05 if ax.lines or ax.collections else 1)
        ax.yaxis.set_major_locator(FixedLocator(_ticks(ax.get_ylim()[1], unit)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: written(value, unit)))
    _time(ax, place)
    ax.grid(visible=True, which="major", color=GRID, lw=0.6)
    ax.set_axisbelow(True)
    ax.tick_params(colors=FAINT, labelsize=SMALL, length=0, pad=4)
    for spine in ax.spines.values():
        spine.set_visible(False)


def _ticks(most: float, unit: str) -> list[float]:
    """Some four round numbers of what the unit is shown in."""
    shown_in = next((size for size, _ in BYTES if most >= size), 1) if unit == "bytes" else 1
    return [shown_in * float(tick) for tick in MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]).tick_values(0, most / shown_in)]


def _time(ax: Axes, place: Place) -> None:
    """A tick each minute, but for one that would not fit; each event is a dashed line with a triangle at its foot."""
    first, last = place.span
    ticks = list(range(math.ceil(first / 60) * 60, int(last - (last - first) / 25), 60))
    ax.xaxis.set_major_locator(FixedLocator(ticks))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda at, _: datetime.fromtimestamp(at, UTC).strftime("%H:%M")))
    for event in place.events:
        ax.axvline(event, color=EVENT, lw=0.8, ls=(0, (3, 3)), alpha=0.75, zorder=1)
        ax.plot([event], [0], marker="^", ms=4, color=EVENT, transform=ax.get_xaxis_transform(), clip_on=False)


def _thresholds(ax: Axes, steps: list[dict[str, Any]]) -> None:
    for step in steps:
        if step["value"] is not None and step["value"] <= ax.get_ylim()[1]:
            ax.axhline(step["value"], color=step["color"], lw=0.9, ls=(0, (5, 3)), alpha=0.8)


def _legend_lines(place: Place, series: list[Series]) -> list[list[str]]:
    """The names, as many to a line as fit; two lines at most, as Grafana scrolls too."""
    lines: list[list[str]] = [[]]
    used = 0.0
    for each in series:
        width = 34 + wide(each.name)
        if used + width > place.w - 20 and lines[-1]:
            lines.append([])
            used = 0.0
        lines[-1].append(each.name)
        used += width
    return lines[:3]


def _legend(place: Place, lines: list[list[str]], colours: dict[str, str]) -> None:
    for row, names in enumerate(lines):
        x, y = 12.0, place.h - 14 - 16 * (len(lines) - 1 - row)
        for name in names:
            left, bottom, w, _ = place.fraction(x, y, 13, 0)
            place.figure.add_artist(Line2D([left, left + w], [bottom, bottom], color=colours[name], lw=2.4))
            place.write(x + 18, y, name, color=FAINT)
            x += 34 + wide(name)


def states(place: Place, panel: dict[str, Any], series: list[Series]) -> None:
    """A bar for each series, coloured and named by its value."""
    (mapping,) = panel["fieldConfig"]["defaults"]["mappings"]
    words = {float(value): shown for value, shown in mapping["options"].items()}
    ax = place.axes(max([60, *(20 + wide(each.name) for each in series)]), 32, 14, 28)
    step = (place.span[1] - place.span[0]) / 160
    for row, each in enumerate(series):
        for first, last, value in _spells(each, step):
            shown = words[value]
            ax.barh(row, last - first, left=first, height=0.74, color=shown["color"], alpha=0.82, lw=0)
            if (last - first) / (place.span[1] - place.span[0]) * place.w > wide(shown["text"]) + 14:
                ax.text(first + step, row, shown["text"], color="#101114", fontsize=SMALL, va="center", clip_on=True)
    ax.set_xlim(*place.span)
    ax.set_ylim(max(len(series), 1) - 0.45, -0.55)
    ax.yaxis.set_major_locator(FixedLocator(range(len(series))))
    ax.set_yticklabels([each.name for each in series])
    _time(ax, place)
    ax.tick_params(colors=FAINT, labelsize=SMALL, length=0, pad=5)
    for spine in ax.spines.values():
        spine.set_visible(False)


def _spells(series: Series, step: float) -> list[tuple[float, float, float]]:
    """(from, to, value) while the value stays the same."""
    found: list[tuple[float, float, float]] = []
    for at, value in zip(series.times, series.values, strict=True):
        if math.isnan(value):
            continue
        if found and found[-1][2] == value and at - found[-1][1] < 2 * step:
            found[-1] = (found[-1][0], at + step, value)
        else:
            found.append((at, at + step, value))
    return found


def stat(place: Place, panel: dict[str, Any], series: list[Series]) -> None:
    """The last value, large; behind it how it came about."""
    defaults = panel["fieldConfig"]["defaults"]
    values = series[0].values[~np.isnan(series[0].values)] if series else np.array([0.0])
    last = float(values[-1]) if len(values) else 0.0
    words = {float(k): v for each in defaults["mappings"] for k, v in each["options"].items()}
    steps = defaults["thresholds"]["steps"]
    colour = [step["color"] for step in steps if step["value"] is None or last >= step["value"]][-1]
    text = written(round(last, 1) if last < 100 else round(last), defaults["unit"])
    if last in words:
        text, colour = words[last]["text"], words[last]["color"]
    colour = {"green": PALETTE[0]}.get(colour, colour)
    place.write(place.w / 2, 62, text, color=colour, fontsize=27, weight="bold", ha="center")
    if series and len(series[0].times) > 2:
        ax = place.axes(1, 84, 1, 1)
        ax.axis("off")
        ax.set_xlim(*place.span)
        ax.plot(series[0].times, series[0].values, color=colour, lw=1)
        ax.fill_between(series[0].times, series[0].values, 0, color=colour, alpha=0.2, lw=0)
        ax.set_ylim(0, max(1e-9, np.nanmax(series[0].values)) * 1.15)


DRAW = {"timeseries": graph, "state-timeline": states, "stat": stat}
