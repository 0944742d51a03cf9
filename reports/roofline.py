"""The roofline: how fast each implementation computes, under what this machine can do at best."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes

from harness.bench.speed import Roof
from harness.bench.work import flops, gigaflops, kernel_bytes, size_of
from harness.results import Timing
from reports.svg import COLOURS, SETTINGS, inline, new_figure, plain_log_axis, slot
from reports.text import figure, shown

_MARKERS = "osD^vPX*"
_MOST = 12


def roofline(timings: Sequence[Timing], roof: Roof, colours: Mapping[str, int]) -> Markup | None:
    """GFLOP/s against the operations for each byte of the recurrent kernel that a step reads; None unless the roof and
    a forward pass were measured."""
    gemm = [rate for rate in roof.gemm.values() if math.isfinite(rate) and rate > 0]
    slopes = [(size_of(n), n, rate) for n, rate in roof.bandwidth.items() if math.isfinite(rate) and rate > 0]
    marks: dict[str, list[tuple[float, float]]] = {}
    for t in timings:
        if t.usable and t.task == "forward" and t.device == "cpu" and (rate := gigaflops(t)):
            marks.setdefault(t.implementation, []).append((_intensity(t), rate))
    if not (gemm and slopes and marks):
        return None
    kept = dict(list(marks.items())[:_MOST])
    points = [point for own in kept.values() for point in own]
    low, high = min(x for x, _ in points) / 2, max(x for x, _ in points) * 4
    words: list[str] = []
    with mpl.rc_context(SETTINGS):
        drawing = new_figure(13, 5)
        axes = drawing.add_axes((0.05, 0.11, 0.7, 0.86))
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlim(low, high)
        axes.set_ylim(min(y for _, y in points) / 2, max(gemm) * 2)
        _roofs(axes, max(gemm), slopes, low, high)
        for n, (name, own) in enumerate(kept.items()):
            colour = COLOURS[f"s{colours[name]}"]
            marker = _MARKERS[n % len(_MARKERS)]
            look: Any = {"color": colour, "markersize": 6, "fillstyle": "full" if n < len(_MARKERS) else "none"}
            axes.plot(*zip(*own, strict=True), marker, linestyle="none", alpha=0.85, **look)
            y = 0.97 - 0.068 * n
            axes.plot([1.05], [y], marker, transform=axes.transAxes, clip_on=False, **look)
            axes.annotate(slot(len(words)), (1.075, y), xycoords="axes fraction", va="center")
            words.append(shown(name, 40))
        plain_log_axis(axes, "x", lambda value: figure(value, 1))
        plain_log_axis(axes, "y", lambda value: figure(value, 1))
        axes.set_xlabel("operations for each byte of the recurrent kernel read in a step")
        axes.set_ylabel("GFLOP/s")
    said = "; ".join(f"{shown(name, 30)} up to {figure(max(y for _, y in own))}" for name, own in kept.items())
    return inline(drawing, f"Roofline: at most {figure(max(gemm))} GFLOP/s by matrix products. {said}", "roof", words)


def _intensity(t: Timing) -> float:
    return flops(t) / (t.shape[1] * t.layers * kernel_bytes(t))


def _roofs(axes: Axes, gemm: float, slopes: Sequence[tuple[int, str, float]], low: float, high: float) -> None:
    """The level of the best matrix product; the slopes of the smallest, a middle and the largest matrix."""
    axes.plot([low, high], [gemm, gemm], color=COLOURS["ink"], linewidth=1.5)
    axes.annotate(
        f"matrix product, {figure(gemm)} GFLOP/s", (high, gemm), (-4, 5), textcoords="offset points", ha="right",
        va="bottom",
    )  # fmt: skip
    ordered = sorted(slopes)
    for _, name, rate in {0: ordered[0], 1: ordered[len(ordered) // 2], 2: ordered[-1]}.values():
        top = min(high, gemm / rate)
        axes.plot([low, top], [low * rate, top * rate], color=COLOURS["muted"], linewidth=1.2, linestyle=(0, (4, 3)))
        axes.annotate(
            shown(name, 12), (low, low * rate), (3, 6), textcoords="offset points", color=COLOURS["muted"], va="bottom"
        )
