"""Medians with their intervals, and what may be said about two of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from harness.results import Timing

CONFIDENCE = 0.95
Group = tuple[str, str, tuple[int, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One implementation at one shape: median and interval in seconds, None where not measured."""

    timing: Timing
    median: float | None
    low: float | None
    high: float | None
    ratio: float | None
    """The median over the first implementation's of the same shape; below 1 it is faster."""
    verdict: str


def median(values: Sequence[float]) -> float:
    """The middle value, or the mean of the middle two."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The order statistics between which the median lies with at least 95 % confidence, whatever the distribution.

    Of n independent rounds the number below the median is binomial (n, 1/2); fewer than six can't reach 95 %, and
    there the whole range is given."""
    ordered, tail, k = sorted(values), 0.0, 0
    while k < len(ordered) // 2:
        tail += math.comb(len(ordered), k) / 2 ** len(ordered)
        if 2 * tail > 1 - CONFIDENCE:
            break
        k += 1
    k = max(k, 1)
    return ordered[k - 1], ordered[len(ordered) - k]


def usable(timing: Timing) -> bool:
    """Whether it was measured, and every round took a finite time."""
    return bool(timing.seconds) and all(math.isfinite(s) and s > 0 for s in timing.seconds)


def tables(timings: Sequence[Timing]) -> list[tuple[Group, list[Row]]]:
    """The rows of each (device, task, shape), in the order in which they came."""
    order: dict[Group, list[Timing]] = {}
    for timing in timings:
        order.setdefault((timing.device, timing.task, tuple(timing.shape)), []).append(timing)
    return [(group, _rows(members)) for group, members in order.items()]


def panels(timings: Sequence[Timing]) -> list[tuple[tuple[str, str], list[tuple[tuple[int, ...], list[Row]]]]]:
    """`tables` by device and task: one drawing each."""
    ordered = sorted(tables(timings), key=lambda item: item[0][:2])
    return [
        (key, [(group[2], rows) for group, rows in items]) for key, items in groupby(ordered, key=lambda item: item[0][:2])
    ]


def _rows(timings: Sequence[Timing]) -> list[Row]:
    first = _row(timings[0], None)
    return [first, *(_row(timing, first) for timing in timings[1:])]


def _row(timing: Timing, first: Row | None) -> Row:
    if not usable(timing):
        return Row(timing=timing, median=None, low=None, high=None, ratio=None, verdict="not measured")
    middle, (low, high) = median(timing.seconds), interval(timing.seconds)
    if first is None:
        return Row(timing=timing, median=middle, low=low, high=high, ratio=1.0, verdict="the measure")
    if first.median is None or first.low is None or first.high is None:
        return Row(timing=timing, median=middle, low=low, high=high, ratio=None, verdict="nothing to compare with")
    apart = low > first.high or high < first.low
    ratio = middle / first.median
    verdict = ("slower" if ratio > 1 else "faster") if apart else "not significant"
    return Row(timing=timing, median=middle, low=low, high=high, ratio=ratio, verdict=verdict)
