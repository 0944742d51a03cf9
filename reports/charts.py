"""The page's large drawings, by matplotlib: how near the comparisons come to their bounds, and the benchmarks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from harness.intervals import Interval
from harness.results import Results, Timing
from reports.matrix import DRAWN, shares
from reports.svg import COLOURS, SETTINGS, inline, new_figure, slot
from reports.text import duration, figure, shown
from reports.timings import Shape, panels

Marks = tuple[Shape, list[tuple[str, Interval]]]


def margins(results: Results) -> Markup | None:
    """For each check the errors over their bounds, on a logarithmic axis: range, middle half, median, and the bound."""
    kept = shares(results.cases)
    if not kept:
        return None
    words = [f"{subject} {precision}".strip() for (subject, precision), _ in kept]
    with mpl.rc_context(SETTINGS):
        drawing = new_figure(10, 0.75 + 0.3 * len(kept))
        axes = drawing.add_axes((0.24, 0.5 / (0.75 + 0.3 * len(kept)), 0.72, 1 - 0.75 / (0.75 + 0.3 * len(kept))))
        for y, (_, values) in enumerate(kept):
            quarter, middle, three = (values[int(q * (len(values) - 1))] for q in (0.25, 0.5, 0.75))
            over = COLOURS["bad"] if values[-1] > 1 else COLOURS["s0"]
            axes.plot([values[0], values[-1]], [y, y], color=COLOURS["s0"], linewidth=1.5)
            axes.plot([quarter, three], [y, y], color=COLOURS["s0"], linewidth=6, solid_capstyle="butt")
            axes.plot([middle], [y], "|", color=COLOURS["card"], markersize=8, markeredgewidth=2)
            axes.plot([values[-1]], [y], "o", color=over, markersize=5)
        axes.axvline(1, color=COLOURS["bad"], linewidth=1.5, linestyle=(0, (4, 3)))
        axes.annotate(
            "bound",
            (1, -0.9),
            color=COLOURS["bad"],
            ha="right",
            va="center",
            xytext=(-5, 0),
            textcoords="offset points",
        )
        low, high = min(v[0] for _, v in kept), max(v[-1] for _, v in kept)
        axes.set_xscale("log")
        axes.set_xlim(min(low, 0.1) / 2, max(high, 1) * 2)
        _rows(axes, range(len(kept)), bottom=len(kept), top=-1.4)
        _log_ticks(axes, lambda value: figure(value, 1))
        axes.set_xlabel("error / bound")
    label = "Error over bound for each check. " + "; ".join(
        f"{shown(word, 60)}: at most {figure(values[-1])}" for word, (_, values) in zip(words, kept, strict=True)
    )
    return inline(drawing, label, "margins", words)


def benchmarks(timings: Sequence[Timing]) -> list[tuple[str, str, Markup]]:
    """For each device and task a drawing: medians with their intervals, grouped by shape, on a logarithmic axis."""
    colours = {name: n % 8 for n, name in enumerate(dict.fromkeys(t.implementation for t in timings))}
    drawn = []
    for n, ((device, task), shapes) in enumerate(panels(timings)):
        marks = [
            (shape, [(row.timing.implementation, row.time) for row in rows if row.time])
            for shape, rows in shapes
            if any(row.time for row in rows)
        ]
        if marks and sum(len(rows) for _, rows in marks) <= 2 * DRAWN:
            drawn.append((device, task, _benchmark(f"bench{n}", f"{task} on {device}", marks, colours)))
    return drawn


def _benchmark(name: str, title: str, shapes: Sequence[Marks], colours: Mapping[str, int]) -> Markup:
    height = 0.62 + 0.25 * sum(1.6 + len(marks) for _, marks in shapes)
    places: list[float] = []
    words: list[str] = []
    y = 0.0
    with mpl.rc_context(SETTINGS):
        drawing = new_figure(12, height)
        axes = drawing.add_axes((0.31, 0.55 / height, 0.61, 1 - 0.6 / height))
        beside: dict[str, Any] = {"textcoords": "offset points", "va": "center"}
        for shape, marks in shapes:
            sizes = " × ".join(map(str, shape))
            axes.annotate(
                sizes, (0, y), (-8, 0), xycoords=("axes fraction", "data"), ha="right", fontweight="bold", **beside
            )
            for implementation, time in marks:
                y += 1
                colour = COLOURS[f"s{colours[implementation]}"]
                axes.plot([time.low, time.high], [y, y], color=colour, linewidth=5, solid_capstyle="butt", alpha=0.45)
                axes.plot([time.median], [y], "o", color=colour, markersize=6)
                axes.annotate(duration(time.median), (time.high, y), (7, 0), color=COLOURS["muted"], **beside)
                places.append(y)
                words.append(shown(implementation, 46))
            y += 1.6
        times = [time for _, marks in shapes for _, time in marks]
        axes.set_xscale("log")
        axes.set_xlim(min(t.low for t in times) / 1.5, max(t.high for t in times) * 2)
        _rows(axes, places, bottom=y, top=-0.8)
        _log_ticks(axes, lambda value: duration(value, 1))
        axes.set_xlabel("time a call, median and 95 % interval")
    said = "; ".join(
        " × ".join(map(str, shape)) + ": " + ", ".join(f"{shown(i, 30)} {duration(t.median)}" for i, t in marks)
        for shape, marks in shapes
    )
    return inline(drawing, f"{shown(title, 60)}. {said}", name, words)


def _rows(axes: Axes, places: Sequence[float], *, bottom: float, top: float) -> None:
    """Named rows from the top down; the names are slots."""
    axes.set_ylim(bottom - 0.4, top)
    axes.set_yticks(places, [slot(n) for n in range(len(places))])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _log_ticks(axes: Axes, words: Callable[[float], str]) -> None:
    """Ticks at powers of ten only, in plain figures, with faint lines; few enough not to collide."""
    low, high = axes.get_xlim()
    decades = math.log10(high / low)
    between = (1.0,) if decades > 2 else (1.0, 2.0, 5.0)
    axes.xaxis.set_major_locator(LogLocator(base=10, subs=between, numticks=9))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: words(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(axis="x", color=COLOURS["line"], linewidth=0.6)
    axes.set_axisbelow(True)
