"""The intervals keep their promise on data whose true median is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.bench.intervals import CONFIDENCE, Interval, in_words, median_interval, paired_ratio, unpaired_ratio


def _skewed(rng: np.random.Generator, n: int, median: float = 1.0) -> list[float]:
    """Timings as they come: a floor and a long tail. The exponential's median is ln 2."""
    return list(median * (0.8 + 0.2 * rng.exponential(size=n) / math.log(2)))


@pytest.mark.parametrize("n", [6, 7, 15, 30, 101])
def test_the_interval_covers_the_true_median_as_often_as_it_says(n: int) -> None:
    rng, trials = np.random.default_rng(n), 2000
    intervals = [median_interval(_skewed(rng, n)) for _ in range(trials)]
    claimed = intervals[0].coverage
    held = sum(i.low <= 1.0 <= i.high for i in intervals) / trials
    assert claimed >= CONFIDENCE
    # Four standard deviations of a binomial share, either way: neither too narrow nor wider than it admits.
    assert abs(held - claimed) <= 4 * math.sqrt(claimed * (1 - claimed) / trials)


@pytest.mark.parametrize("n", range(1, 6))
def test_too_few_rounds_are_never_significant(n: int) -> None:
    interval = median_interval([2.0] * n)
    assert interval.coverage == pytest.approx(1 - 2 * 0.5**n)
    assert not interval.significant(1.0)
    assert in_words(interval).startswith("not significant")


def test_a_narrower_interval_would_not_reach_the_confidence() -> None:
    """For 30 samples the 10th and 21st smallest: the table of any book on order statistics."""
    interval = median_interval(list(range(1, 31)))
    assert (interval.low, interval.median, interval.high) == (10, 15.5, 21)


def test_no_samples_no_median() -> None:
    with pytest.raises(ValueError, match="no samples"):
        median_interval([])


def test_pairing_sees_through_a_machine_that_slows_down() -> None:
    rng = np.random.default_rng(1)
    mood = np.exp(rng.normal(0, 0.5, 30))  # both share it, and it hides a difference of 10 %
    fast, slow = list(1.0 * mood), list(1.1 * mood)
    assert paired_ratio(fast, slow).significant()
    assert paired_ratio(fast, slow).median == pytest.approx(1.1)
    assert not unpaired_ratio(fast, slow).significant()


def test_equal_things_are_rarely_called_different() -> None:
    rng, trials = np.random.default_rng(2), 1000
    alarms = sum(unpaired_ratio(_skewed(rng, 15), _skewed(rng, 15)).significant() for _ in range(trials)) / trials
    assert alarms <= 1 - CONFIDENCE


def test_rounds_that_do_not_pair_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        paired_ratio([1.0, 2.0], [1.0])


@pytest.mark.parametrize(
    ("interval", "words"),
    [
        (Interval(low=2.3, median=2.4, high=2.5, coverage=0.96), "2.4 times as fast (2.3 to 2.5)"),
        (Interval(low=0.25, median=0.4, high=0.5, coverage=0.96), "2.5 times as long (2 to 4)"),
        (Interval(low=0.9, median=1.05, high=1.1, coverage=0.96), "not significant (0.9 to 1.1)"),
        (Interval(low=100.0, median=123.4, high=150.0, coverage=0.96), "123 times as fast (100 to 150)"),
    ],
    ids=["faster", "slower", "open", "three digits"],
)
def test_in_words(interval: Interval, words: str) -> None:
    assert in_words(interval) == words
