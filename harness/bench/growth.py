"""How the cost grows with one size while the others stay: the points of each line, and its exponent."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.bench.intervals import Interval
from harness.bench.speed import Shape, Timing
from harness.bench.work import flops

BASE: Shape = (8, 100, 128, 128)
AXES: Mapping[str, tuple[int, ...]] = {
    "time": (25, 50, 100, 200, 400, 800),
    "batch": (1, 2, 4, 8, 16, 32, 64),
    "units": (32, 64, 128, 256, 512),
    "layers": (1, 2, 4, 8),
}
"""The sizes that grow, one at a time from `BASE` and one layer; the input stays at 128."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One implementation along one axis."""

    axis: str
    implementation: str
    points: tuple[tuple[int, Timing], ...]
    """(size, timing), the sizes growing."""

    @property
    def exponent(self) -> Interval | None:
        """p in time = a work^p, by least squares over the logarithms of the larger half of the points (three at least):
        1 is linear in the work, less is better than that. At the small end a call costs what it costs anyhow. Its ends
        are those of the line with each point at the end of its own interval that turns it furthest."""
        kept = self.points[min(len(self.points) // 2, max(0, len(self.points) - 3)) :]
        times = [t.time for _, t in kept if t.time]
        work = [math.log(flops(t)) for _, t in kept if t.time]
        if len(set(work)) < 2:
            return None
        away = [x - statistics.fmean(work) for x in work]
        flat = [t.high if x < 0 else t.low for x, t in zip(away, times, strict=True)]
        steep = [t.low if x < 0 else t.high for x, t in zip(away, times, strict=True)]

        def slope(seconds: Iterable[float]) -> float:
            return sum(x * math.log(s) for x, s in zip(away, seconds, strict=True)) / sum(x * x for x in away)

        return Interval(
            low=slope(flat), median=slope(t.median for t in times), high=slope(steep),
            coverage=min(t.coverage for t in times),
        )  # fmt: skip


def lines(timings: Sequence[Timing]) -> list[Line]:
    """Of every axis and implementation, those with two points or more."""
    found: dict[tuple[str, str], dict[int, Timing]] = {}
    for timing in timings:
        sizes = dict(zip(("batch", "time", "input", "units"), timing.shape, strict=True)) | {"layers": timing.layers}
        base = dict(zip(("batch", "time", "input", "units"), BASE, strict=True)) | {"layers": 1}
        for axis in AXES:
            if timing.time and all(sizes[name] == base[name] for name in sizes if name != axis):
                found.setdefault((axis, timing.implementation), {})[sizes[axis]] = timing
    return [
        Line(axis=axis, implementation=name, points=tuple(sorted(points.items(), key=lambda item: item[0])))
        for (axis, name), points in sorted(found.items(), key=lambda item: list(AXES).index(item[0][0]))
        if len(points) > 1
    ]


def sizes() -> list[tuple[Shape, int]]:
    """(shape, layers) of every point, the common one once."""
    batch, time, inputs, units = BASE
    found = [
        (
            (along.get("batch", batch), along.get("time", time), inputs, along.get("units", units)),
            along.get("layers", 1),
        )
        for axis, values in AXES.items()
        for along in ({axis: value} for value in values)
    ]
    return list(dict.fromkeys(found))
