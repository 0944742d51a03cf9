"""How the time grows with each size: doubly logarithmic, beside what the work alone would make of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from harness.bench.growth import AXES, Line, lines
from harness.bench.work import flops
from harness.results import Timing
from reports.svg import COLOURS, SETTINGS, inline, new_figure, plain_log_axis, slot
from reports.text import duration, figure, shown

_MOST = 4
"""Implementations drawn."""


def scaling(timings: Sequence[Timing], colours: Mapping[str, int]) -> Markup | None:
    """A panel for each size that grows; the dashed line is proportional to the operations and ends where the slowest
    one does. None where nothing was measured at two sizes."""
    found = lines(timings)
    names = list(dict.fromkeys(line.implementation for line in found))[:_MOST]
    axes_of = [axis for axis in AXES if any(line.axis == axis for line in found)]
    if not names:
        return None
    words = [shown(name, 40) for name in names]
    with mpl.rc_context(SETTINGS):
        drawing = new_figure(13, 3.8)
        for n, axis in enumerate(axes_of):
            left = 0.05 + n * 0.95 / len(axes_of)
            axes = drawing.add_axes((left, 0.25, 0.95 / len(axes_of) - 0.055, 0.62))
            _panel(axes, axis, [line for line in found if line.axis == axis and line.implementation in names], colours)
        for n, name in enumerate(names):
            _sample(drawing, 0.05 + 0.2 * n, slot(n), color=COLOURS[f"s{colours[name]}"], marker="o", markersize=4)
        place = 0.05 + 0.2 * len(names)
        _sample(drawing, place, "in proportion to the work", color=COLOURS["muted"], linestyle=(0, (4, 3)))
    said = "; ".join(
        f"{shown(line.implementation, 30)} by {line.axis}: work to the power {figure(p.median)}"
        for line in found
        if (p := line.exponent)
    )
    return inline(drawing, f"Growth of the time. {said}", "scaling", words)


def _sample(drawing: Figure, x: float, words: str, **look: Any) -> None:
    """A piece of a line and what it stands for."""
    drawing.add_artist(Line2D([x, x + 0.03], [0.045] * 2, **look))
    drawing.text(x + 0.037, 0.045, words, va="center")


def _panel(axes: Axes, axis: str, own: Sequence[Line], colours: Mapping[str, int]) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    times = []
    for line in own:
        marks = [(size, t.time) for size, t in line.points if t.time]
        colour = COLOURS[f"s{colours[line.implementation]}"]
        for size, time in marks:
            axes.plot([size, size], [time.low, time.high], color=colour, linewidth=4, alpha=0.35, solid_capstyle="butt")
        axes.plot([size for size, _ in marks], [time.median for _, time in marks], "o-", color=colour, markersize=4)
        times += [(time.median, line) for _, time in marks[-1:]]
    last, slowest = max(times, key=lambda item: item[0])
    most = flops(slowest.points[-1][1])
    guide = [(size, last * flops(t) / most) for size, t in slowest.points]
    axes.plot(*zip(*guide, strict=True), color=COLOURS["muted"], linestyle=(0, (4, 3)), linewidth=1.2, zorder=0)
    axes.set_title(axis, fontsize=11, color=COLOURS["ink"], loc="left", fontweight="bold")
    sizes = [size for size, _ in slowest.points]
    axes.set_xticks(sizes[:: 2 if len(sizes) > 5 else 1])
    axes.set_xticklabels([str(size) for size in sizes[:: 2 if len(sizes) > 5 else 1]])
    axes.xaxis.set_minor_locator(NullLocator())
    plain_log_axis(axes, "y", lambda value: duration(value, 1))
