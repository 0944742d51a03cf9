"""Timing several things against each other: interleaved, so that what slows the machine slows them all."""

from __future__ import annotations

import gc
import math
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter

Run = Callable[[], object]
SHORTEST = 0.002
"""A measured round lasts at least this many seconds: far above the clock's step and the cost of reading it."""

PATIENCE = 4


def interleave(runs: Sequence[Run], *, rounds: int, seconds: float, least: int = 6) -> list[tuple[float, ...]]:
    """Seconds a call for each of `runs`, one figure a round, in the order of `runs`.

    Every round calls each of them once, in a new order: one call that is not measured, to bring its caches and threads
    back, then as many as fill `SHORTEST`. Ends after `rounds`, or when `seconds` are spent and `least` rounds are
    done, or when `PATIENCE` times `seconds` are spent, however few: a machine busy with other work must not hold up the
    rest. The runs must have been called before: nothing here pays for a compilation."""
    order = list(range(len(runs)))
    measured: list[list[float]] = [[] for _ in runs]
    shuffle = random.Random(0).shuffle
    with _no_garbage_collection():
        repeats = [max(1, math.ceil(SHORTEST / max(_once(run, 1), 1e-7))) for run in runs]
        start = perf_counter()
        for done in range(rounds):
            spent = perf_counter() - start
            if (done >= least and spent > seconds) or (done and spent > PATIENCE * seconds):
                break
            shuffle(order)
            for n in order:
                runs[n]()
                measured[n].append(_once(runs[n], repeats[n]))
    return [tuple(m) for m in measured]


def _once(run: Run, repeats: int) -> float:
    start = perf_counter()
    for _ in range(repeats):
        run()
    return (perf_counter() - start) / repeats


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
