"""Timing several things against each other: interleaved, so that what slows the machine slows them all."""

from __future__ import annotations

import gc
import math
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter, sleep

Run = Callable[[], object]
SHORTEST = 0.002
"""A measured round lasts at least this many seconds: far above the clock's step and the cost of reading it."""
REST = 0.02
"""Seconds before each: the threads of the one before spin on for some milliseconds, and hold a core that the next one's
threads wait for at every step. ONNX Runtime's made what followed within 5 ms take up to 13 times as long; after 10 ms
nothing of it was seen."""
PATIENCE = 4


def interleave(runs: Sequence[Run], *, rounds: int, seconds: float, least: int = 6) -> list[tuple[float, ...]]:
    """Seconds a call for each of `runs`, one figure a round, in the order of `runs`.

    Every round calls each of them once, in a new order, that is another in every process: after a rest one call that is
    not measured, to bring its caches and threads back, then as many as fill `SHORTEST`. Ends after `rounds`, or when
    `seconds` without the rests are spent and `least` rounds are done, or when `PATIENCE` times `seconds` are spent,
    however few: a machine busy with other work must not hold up the rest. The runs must have been called before:
    nothing here pays for a compilation."""
    order = list(range(len(runs)))
    measured: list[list[float]] = [[] for _ in runs]
    with _no_garbage_collection():
        repeats = [max(1, math.ceil(SHORTEST / max(_once(run, 1), 1e-7))) for run in runs]
        spent = 0.0
        for done in range(rounds):
            if (done >= least and spent > seconds) or (done and spent > PATIENCE * seconds):
                break
            random.shuffle(order)
            for n in order:
                sleep(REST)
                start = perf_counter()
                runs[n]()
                measured[n].append(_once(runs[n], repeats[n]))
                spent += perf_counter() - start
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
