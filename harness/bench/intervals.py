"""How sure a median is: intervals from order statistics within one process, and from the processes where there are
several.

Rounds of one process share its memory layout, its threads and the order in which things were loaded, so they vary less
than the truth does. Where several fresh processes measured, the process is the unit (Kalibera and Jones, *Rigorous
benchmarking in reasonable time*, 2013): each gives its median, and the interval is Student's over their logarithms.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
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


def median_interval(
    samples: Sequence[float], processes: Sequence[int] = (), confidence: float = CONFIDENCE
) -> Interval:
    """The median of `samples` with its interval. `processes`: how many of them each process measured, in turn; empty
    for one process. ValueError without samples."""
    if not samples:
        raise ValueError("no samples, no median")
    parts = split(samples, processes)
    return _within(parts[0], confidence) if len(parts) == 1 else across(map(statistics.median, parts), confidence)


def paired_ratio(
    samples: Sequence[float], reference: Sequence[float], processes: Sequence[int] = (), confidence: float = CONFIDENCE
) -> Interval:
    """`reference / samples` round by round: how many times as fast. Rounds that ran side by side share the machine's
    moods, so their ratio is steadier than either. ValueError unless both have the same rounds."""
    ratios = [r / s for s, r in zip(samples, reference, strict=True)]
    return median_interval(ratios, processes, confidence)


def unpaired_ratio(
    samples: Sequence[float], reference: Sequence[float], processes: Sequence[int] = (),
    reference_processes: Sequence[int] = (), confidence: float = CONFIDENCE,
) -> Interval:  # fmt: skip
    """`reference / samples` of two runs that share no rounds. By the processes (Welch's interval) where both have
    several; else both medians are given half of the doubt (Bonferroni)."""
    parts = split(samples, processes), split(reference, reference_processes)
    if all(len(own) > 1 for own in parts):
        return _welch(*([statistics.median(part) for part in own] for own in parts), confidence)
    half = (1 + confidence) / 2
    new, old = median_interval(samples, processes, half), median_interval(reference, reference_processes, half)
    coverage = max(0.0, new.coverage + old.coverage - 1)
    return Interval(low=old.low / new.high, median=old.median / new.median, high=old.high / new.low, coverage=coverage)


def split(samples: Sequence[float], processes: Sequence[int] = ()) -> list[Sequence[float]]:
    """The samples of each process that measured any. ValueError unless the counts add up."""
    if not processes:
        return [samples]
    if sum(processes) != len(samples):
        raise ValueError(f"{len(samples)} samples of processes that measured {sum(processes)}")
    ends = [sum(processes[: n + 1]) for n in range(len(processes))]
    return [samples[end - count : end] for end, count in zip(ends, processes, strict=True) if count]


def across(values: Iterator[float] | Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """The median of one value a process, two or more, all above zero; Student's interval over their logarithms, widened
    to the median where that lies outside."""
    found = list(values)
    logs, middle = [math.log(v) for v in found], statistics.median(found)
    reach = student(confidence, len(logs) - 1) * statistics.stdev(logs) / math.sqrt(len(logs))
    low, high = (math.exp(statistics.fmean(logs) + side * reach) for side in (-1, 1))
    return Interval(low=min(low, middle), median=middle, high=max(high, middle), coverage=confidence)


def _within(samples: Sequence[float], confidence: float) -> Interval:
    """The narrowest interval between two symmetric order statistics that covers the median with `confidence`.

    The n samples fall on either side of the true median like n fair coins, so the j-th smallest lies above it with the
    probability of at most j heads. Below 6 samples not even the whole range covers 95 %."""
    ordered, n = sorted(samples), len(samples)
    rank, coverage, tail = 0, 1 - 2 * 0.5**n, 0.5**n
    for j in range(1, n // 2):
        tail += math.comb(n, j) * 0.5**n
        if 1 - 2 * tail < confidence:
            break
        rank, coverage = j, 1 - 2 * tail
    return Interval(low=ordered[rank], median=statistics.median(ordered), high=ordered[-1 - rank], coverage=coverage)


def _welch(new: Sequence[float], old: Sequence[float], confidence: float) -> Interval:
    """`old / new` of process medians, over their logarithms."""
    logs = [[math.log(v) for v in values] for values in (new, old)]
    shares = [statistics.variance(each) / len(each) for each in logs]
    apart, spread = statistics.fmean(logs[1]) - statistics.fmean(logs[0]), math.sqrt(sum(shares))
    if spread:
        freedom = sum(shares) ** 2 / sum(s**2 / (len(e) - 1) for s, e in zip(shares, logs, strict=True))
        spread *= student(confidence, max(1, math.floor(freedom)))
    middle = statistics.median(old) / statistics.median(new)
    low, high = math.exp(apart - spread), math.exp(apart + spread)
    return Interval(low=min(low, middle), median=middle, high=max(high, middle), coverage=confidence)


def student(confidence: float, freedom: int) -> float:
    """Student's t: within +-t lies the share `confidence` of the distribution with so many degrees of freedom.

    By bisection of its distribution, which is a finite sum for whole degrees (Abramowitz and Stegun 26.7.3, 26.7.4)."""
    low, high = 0.0, math.pi / 2
    for _ in range(80):
        angle = (low + high) / 2
        low, high = (angle, high) if _within_angle(angle, freedom) < confidence else (low, angle)
    return math.tan(low) * math.sqrt(freedom)


def _within_angle(angle: float, freedom: int) -> float:
    """The share within +-t, where tan(angle) = t / sqrt(freedom)."""
    sine, cosine = math.sin(angle), math.cos(angle)
    term, total = (1.0, 1.0) if freedom % 2 == 0 else (cosine, cosine if freedom > 1 else 0.0)
    for n in range(2 + freedom % 2, freedom - 1, 2):
        term *= cosine**2 * (n - 1) / n
        total += term
    return sine * total if freedom % 2 == 0 else 2 / math.pi * (angle + sine * total)


def in_words(ratio: Interval, confidence: float = CONFIDENCE) -> str:
    """How many times as fast, as a reader wants it: '2.4 times as fast (2.3 to 2.5)', '3 times as long (2.9 to 3.1)'
    for a ratio below 1, or 'not significant (0.98 to 1.1)'."""
    if not ratio.significant(confidence=confidence):
        return f"not significant ({_number(ratio.low)} to {_number(ratio.high)})"
    if ratio.median < 1:
        return f"{_number(1 / ratio.median)} times as long ({_number(1 / ratio.high)} to {_number(1 / ratio.low)})"
    return f"{_number(ratio.median)} times as fast ({_number(ratio.low)} to {_number(ratio.high)})"


def _number(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"
