"""How sure a median is: intervals from order statistics, which assume nothing about how timings are distributed."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A median and the range that holds the true one with the probability `coverage`.

    Few samples can't reach the confidence asked for; `coverage` is then less, and nothing is `significant`."""

    low: float
    median: float
    high: float
    coverage: float

    def significant(self, value: float = 1.0, confidence: float = CONFIDENCE) -> bool:
        """Whether the true median differs from `value`, as far as this interval can tell."""
        return self.coverage >= confidence and not self.low <= value <= self.high


def median_interval(samples: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """The narrowest interval between two symmetric order statistics that covers the median with `confidence`.

    The n samples fall on either side of the true median like n fair coins, so the j-th smallest lies above it with the
    probability of at most j heads. Below 6 samples not even the whole range covers 95 %. ValueError without samples."""
    if not samples:
        raise ValueError("no samples, no median")
    ordered, n = sorted(samples), len(samples)
    rank, coverage, tail = 0, 1 - 2 * 0.5**n, 0.5**n
    for j in range(1, n // 2):
        tail += math.comb(n, j) * 0.5**n
        if 1 - 2 * tail < confidence:
            break
        rank, coverage = j, 1 - 2 * tail
    return Interval(low=ordered[rank], median=statistics.median(ordered), high=ordered[-1 - rank], coverage=coverage)


def paired_ratio(samples: Sequence[float], reference: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """`reference / samples` round by round: how many times as fast. Rounds that ran side by side share the machine's
    moods, so their ratio is steadier than either. ValueError unless both have the same rounds."""
    return median_interval([r / s for s, r in zip(samples, reference, strict=True)], confidence)


def unpaired_ratio(samples: Sequence[float], reference: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """`reference / samples` of two runs that share no rounds: both medians are given half of the doubt (Bonferroni)."""
    half = (1 + confidence) / 2
    new, old = median_interval(samples, half), median_interval(reference, half)
    coverage = max(0.0, new.coverage + old.coverage - 1)
    return Interval(low=old.low / new.high, median=old.median / new.median, high=old.high / new.low, coverage=coverage)


def in_words(ratio: Interval) -> str:
    """How many times as fast, as a reader wants it: '2.4 times as fast (2.3 to 2.5)', '3 times as long (2.9 to 3.1)'
    for a ratio below 1, or 'not significant (0.98 to 1.1)'."""
    if not ratio.significant():
        return f"not significant ({_number(ratio.low)} to {_number(ratio.high)})"
    if ratio.median < 1:
        return f"{_number(1 / ratio.median)} times as long ({_number(1 / ratio.high)} to {_number(1 / ratio.low)})"
    return f"{_number(ratio.median)} times as fast ({_number(ratio.low)} to {_number(ratio.high)})"


def _number(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"
