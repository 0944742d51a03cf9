"""The benchmark's rows: medians with their intervals, and what may be said about two implementations at one shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from harness.bench.intervals import Interval, in_words
from harness.bench.speed import Figure, Roof, groups
from harness.bench.work import gigaflops, share, steps_a_second
from harness.results import Results, Timing
from reports.text import figure

Panel = tuple[str, str, str]
"""Device, task, cell: one drawing each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One implementation at one shape. `time` in seconds, None where not measured; `ratio`: how many times as fast as
    the measure of the group, None for that one itself; `share` of the roof."""

    timing: Timing
    time: Interval | None
    ratio: Interval | None = None
    share: float | None = None

    @property
    def words(self) -> str:
        """What may be said of it against the measure."""
        if self.time is None:
            return "not measured"
        if self.ratio is None:
            return "the measure" if self.timing.measure == self.timing.seconds else "–"
        return in_words(self.ratio)

    @property
    def kind(self) -> str:
        """faster, slower, even (not significant), or none."""
        if self.ratio is None:
            return "none"
        return ("faster" if self.ratio.median > 1 else "slower") if self.ratio.significant() else "even"

    @property
    def rates(self) -> tuple[float | None, float | None]:
        """GFLOP/s, and thousands of steps a second."""
        steps = steps_a_second(self.timing)
        return gigaflops(self.timing), steps and steps / 1e3


def tables(timings: Sequence[Timing], roof: Roof) -> list[list[Row]]:
    """The rows of what ran side by side, in the order in which they came; groups without any figure are left out."""
    found = [[_row(t, roof) for t in group] for group in groups(timings)]
    return [rows for rows in found if any(row.time for row in rows)]


def panels(timings: Sequence[Timing], roof: Roof) -> list[tuple[Panel, list[list[Row]]]]:
    """`tables` by device, task and cell: one drawing each."""
    ordered = sorted(tables(timings, roof), key=lambda rows: _panel(rows[0].timing))
    return [(key, list(members)) for key, members in groupby(ordered, key=lambda rows: _panel(rows[0].timing))]


def standing(results: Results) -> list[tuple[str, str, str, Figure]]:
    """Every figure beside its goal: (sign, what the sign says, the value in words, the figure)."""
    return [(*_sign(one), _value(one), one) for one in results.figures]


def _panel(timing: Timing) -> Panel:
    return timing.device, timing.task, timing.cell


def _row(timing: Timing, roof: Roof) -> Row:
    return Row(timing=timing, time=timing.time, ratio=timing.ratio, share=share(timing, roof))


def _sign(one: Figure) -> tuple[str, str]:
    """The class of the page's sign, and its words."""
    if one.value is None:
        return "none", "– not measured"
    if one.met is None:
        return "none", "– no goal"
    sure = one.sure is not False
    return ("holds" if one.met else "fails") if sure else "chaotic", f"{'✓ met' if one.met else '✗ short'}" + (
        "" if sure else ", not surely"
    )


def _value(one: Figure) -> str:
    interval = f" ({figure(one.low)} to {figure(one.high)})" if one.low is not None else ""
    return f"{figure(one.value, 3)}{interval} {one.unit}".strip()
