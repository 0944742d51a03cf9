"""The benchmark's rows: medians with their intervals, and what may be said about two implementations at one shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from harness.intervals import Interval, in_words, median_interval, paired_ratio, unpaired_ratio
from harness.results import Timing

Shape = tuple[int, ...]
Group = tuple[str, str, Shape]
"""Device, task, shape."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One implementation at one shape. `time` in seconds, None where not measured; `ratio`: how many times as fast as
    the first implementation of the group, None for that one itself."""

    timing: Timing
    time: Interval | None
    ratio: Interval | None = None

    @property
    def words(self) -> str:
        """What may be said of it against the first implementation."""
        if self.time is None:
            return "not measured"
        return in_words(self.ratio) if self.ratio else "the measure"

    @property
    def kind(self) -> str:
        """faster, slower, even (not significant), or none."""
        if self.ratio is None:
            return "none"
        return ("faster" if self.ratio.median > 1 else "slower") if self.ratio.significant() else "even"


def tables(timings: Sequence[Timing]) -> list[tuple[Group, list[Row]]]:
    """The rows of each device, task and shape, in the order in which they came."""
    order: dict[Group, list[Timing]] = {}
    for timing in timings:
        order.setdefault((timing.device, timing.task, tuple(timing.shape)), []).append(timing)
    return [(group, _rows(members)) for group, members in order.items()]


def panels(timings: Sequence[Timing]) -> list[tuple[tuple[str, str], list[tuple[Shape, list[Row]]]]]:
    """`tables` by device and task: one drawing each."""
    ordered = sorted(tables(timings), key=lambda item: item[0][:2])
    return [
        (key, [(group[2], rows) for group, rows in items])
        for key, items in groupby(ordered, key=lambda item: item[0][:2])
    ]


def ratio(new: Timing, old: Timing, *, paired: bool) -> Interval | None:
    """How many times as fast `new` is; None unless both were measured."""
    if not (_usable(new) and _usable(old)):
        return None
    side_by_side = paired and len(new.seconds) == len(old.seconds)
    return (paired_ratio if side_by_side else unpaired_ratio)(new.seconds, old.seconds)


def _rows(timings: Sequence[Timing]) -> list[Row]:
    first = next((t for t in timings if _usable(t)), timings[0])
    return [
        Row(
            timing=t,
            time=median_interval(t.seconds) if _usable(t) else None,
            ratio=None if t is first else ratio(t, first, paired=True),
        )
        for t in timings
    ]


def _usable(timing: Timing) -> bool:
    """Whether it was measured, and every round took a finite time."""
    return bool(timing.seconds) and all(math.isfinite(s) and s > 0 for s in timing.seconds)
