"""The stopwatch measures everything equally often, in changing order, and keeps its word on when to end."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable
from itertools import count

import pytest

from harness.bench import stopwatch


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """A clock that only moves when told to."""
    now = [0.0]

    def advance(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(stopwatch, "perf_counter", lambda: now[0])
    monkeypatch.setattr(stopwatch, "sleep", advance)
    return advance


def test_seconds_a_call_whatever_the_repeats(clock: Callable[[float], None]) -> None:
    short, long = lambda: clock(0.0001), lambda: clock(0.5)
    measured = stopwatch.interleave([short, long], rounds=8, seconds=1e9)
    assert [len(m) for m in measured] == [8, 8]
    assert measured[0] == pytest.approx([0.0001] * 8)
    assert measured[1] == pytest.approx([0.5] * 8)


def test_rounds_are_interleaved_and_their_order_changes(clock: Callable[[float], None]) -> None:
    calls: list[str] = []

    def run(name: str) -> Callable[[], None]:
        def call() -> None:
            calls.append(name)
            clock(1.0)

        return call

    stopwatch.interleave([run("a"), run("b"), run("c")], rounds=20, seconds=1e9)
    in_rounds = calls[3:]  # the first three find the repeats
    rounds = ["".join(in_rounds[n : n + 6 : 2]) for n in range(0, len(in_rounds), 6)]
    assert all(Counter(r) == Counter("abc") for r in rounds)
    assert len(set(rounds)) > 3


def test_ends_when_the_seconds_are_spent_and_the_least_is_done_or_patience_is_gone(
    clock: Callable[[float], None],
) -> None:
    measured = stopwatch.interleave([lambda: clock(1.0)], rounds=100, seconds=5.0, least=6)
    assert len(measured[0]) == 6
    measured = stopwatch.interleave([lambda: clock(1.0)], rounds=100, seconds=21.0, least=6)
    assert 6 < len(measured[0]) < 15
    measured = stopwatch.interleave([lambda: clock(30.0)], rounds=100, seconds=1.0, least=6)
    assert len(measured[0]) == 1


def test_the_garbage_collector_rests_and_returns_even_after_an_error() -> None:
    ticks, seen = count(), []

    def failing() -> None:
        seen.append(gc.isenabled())
        if next(ticks) == 3:
            raise RuntimeError("the run broke")

    with pytest.raises(RuntimeError, match="the run broke"):
        stopwatch.interleave([failing], rounds=10, seconds=1.0)
    assert gc.isenabled()
    assert not any(seen)
