"""The page's large drawings, by matplotlib: how near the comparisons come to their bounds, and the benchmarks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes

from harness.bench.speed import Roof
from harness.bench.work import least_seconds
from harness.results import Results, Timing
from reports.matrix import shares
from reports.svg import COLOURS, SETTINGS, inline, new_figure, plain_log_axis, slot
from reports.text import duration, figure, shown
from reports.timings import Row, panels


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
        plain_log_axis(axes, "x", lambda value: figure(value, 1))
        axes.set_xlabel("error / bound")
    label = "Error over bound for each check. " + "; ".join(
        f"{shown(word, 60)}: at most {figure(values[-1])}" for word, (_, values) in zip(words, kept, strict=True)
    )
    return inline(drawing, label, "margins", words)


_MOST = 200
"""Rows of one drawing."""


def colours(results: Results) -> dict[str, int]:
    """A colour for each implementation, the same in every drawing."""
    timed = (*results.timings, *results.scaling)
    return {name: n % 8 for n, name in enumerate(dict.fromkeys(t.implementation for t in timed))}


def benchmarks(results: Results, colours: Mapping[str, int]) -> list[tuple[str, Markup]]:
    """For each device, task and cell a drawing: medians with their intervals, grouped by shape, on a logarithmic axis,
    with how many times as fast as the measure, and the roof as a notch."""
    drawn = []
    for n, ((device, task, cell), tables) in enumerate(panels(results.timings, results.roof)):
        marks = [[row for row in rows if row.time] for rows in tables]
        if sum(len(rows) for rows in marks) <= _MOST:
            title = f"{task} of {cell} on {device}"
            drawn.append((title, _benchmark(f"bench{n}", title, marks, results.roof, colours)))
    return drawn


def _benchmark(
    name: str, title: str, tables: Sequence[Sequence[Row]], roof: Roof, colours: Mapping[str, int]
) -> Markup:
    height = 0.62 + 0.25 * sum(1.6 + len(rows) for rows in tables)
    places: list[float] = []
    words: list[str] = []
    y = 0.0
    with mpl.rc_context(SETTINGS):
        drawing = new_figure(13, height)
        axes = drawing.add_axes((0.26, 0.55 / height, 0.68, 1 - 0.6 / height))
        beside: dict[str, Any] = {"textcoords": "offset points", "va": "center"}
        ground = {"facecolor": COLOURS["card"], "edgecolor": "none", "pad": 1}  # the roof's line ends at a text
        for rows in tables:
            first = y + 0.5
            axes.annotate(
                _sizes(rows[0].timing), (0, y), (-8, 0), xycoords=("axes fraction", "data"), ha="right",
                fontweight="bold", **beside,
            )  # fmt: skip
            for row in rows:
                assert row.time
                y += 1
                colour = COLOURS[f"s{colours[row.timing.implementation]}"]
                axes.plot(
                    [row.time.low, row.time.high], [y, y], color=colour, linewidth=5, solid_capstyle="butt", alpha=0.45
                )
                axes.plot([row.time.median], [y], "o", color=colour, markersize=6)
                axes.annotate(
                    duration(row.time.median), (row.time.high, y), (7, 0), color=COLOURS["muted"], bbox=ground, **beside
                )
                if row.ratio:
                    axes.annotate(
                        f"{figure(row.ratio.median, 3)} ×", (1, y), (45, 0), xycoords=("axes fraction", "data"),
                        ha="right", color=COLOURS["muted" if row.kind == "even" else "ink"],
                        fontweight="bold" if row.kind == "faster" else "normal", **beside,
                    )  # fmt: skip
                places.append(y)
                words.append(shown(row.timing.implementation, 46))
            if least := least_seconds(rows[0].timing, roof):
                axes.plot(
                    [least, least], [first, y + 0.5], color=COLOURS["muted"], linewidth=1.2, linestyle=(0, (2, 2))
                )
            y += 1.6
        times = [row.time for rows in tables for row in rows if row.time]
        low = [least for rows in tables if (least := least_seconds(rows[0].timing, roof))]
        axes.set_xscale("log")
        axes.set_xlim(min([t.low for t in times] + low) / 1.5, max(t.high for t in times) * 3)
        _rows(axes, places, bottom=y, top=-0.8)
        plain_log_axis(axes, "x", lambda value: duration(value, 1))
        axes.set_xlabel("time a call, median and 95 % interval")
    said = "; ".join(
        _sizes(rows[0].timing)
        + ": "
        + ", ".join(f"{shown(r.timing.implementation, 30)} {duration(r.time and r.time.median)}" for r in rows)
        for rows in tables
    )
    return inline(drawing, f"{shown(title, 60)}. {said}", name, words)


def _sizes(timing: Timing) -> str:
    return " × ".join(map(str, timing.shape))


def _rows(axes: Axes, places: Sequence[float], *, bottom: float, top: float) -> None:
    """Named rows from the top down; the names are slots."""
    axes.set_ylim(bottom - 0.4, top)
    axes.set_yticks(places, [slot(n) for n in range(len(places))])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
