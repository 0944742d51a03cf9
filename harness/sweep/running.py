"""A sweep of many cases: drawn by Hypothesis, measured in worker processes, logged, and each failure made small.

A worker that dies takes its group of cases with it: they are run again one by one, each in a process of its own, and
the one that dies again is recorded as crashed.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Flaky

from harness.backends import Backend, load
from harness.results import FAILS
from harness.sweep import journal
from harness.sweep.measuring import CRASHED, Outcome, measure
from harness.sweep.samples import Sample
from harness.sweep.strategies import groups
from weight_mapping.errors import PortingError

Group = tuple[Sample, ...]
CHUNK = 50
"""So many groups are drawn under one seed."""
_PER_WORKER = 250
"""Groups a worker and round: what the frameworks keep of every layer piles up. (The executor's own way to replace its
workers can stand still for ever in Python 3.11 and 3.12.)"""
_SINGLE = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
"""One thread a worker: there are as many workers as cores."""
_BACKENDS: list[Backend] = []


def drawn(count: int, sweep_seed: int) -> Iterator[tuple[int, Group]]:
    """So many different samples in their groups, each with the number of its chunk; the same for one seed each time."""
    seen: set[str] = set()
    chunk = 0
    while len(seen) < count:
        for group in _chunk(sweep_seed, chunk):
            fresh = tuple(sample for sample in group if sample.id not in seen)[: count - len(seen)]
            seen.update(sample.id for sample in fresh)
            if fresh:
                yield chunk, fresh
        chunk += 1


def _chunk(sweep_seed: int, chunk: int) -> list[Group]:
    found: list[Group] = []
    _hypothesis(sweep_seed, chunk, found.append, (Phase.generate,))
    return found


def _hypothesis(sweep_seed: int, chunk: int, body: Callable[[Group], None], phases: Sequence[Phase]) -> None:
    options = settings(
        max_examples=CHUNK, phases=phases, database=None, deadline=None, derandomize=False, print_blob=False,
        suppress_health_check=list(HealthCheck), report_multiple_bugs=False,
    )  # fmt: skip
    seed((sweep_seed << 32) + chunk)(options(given(groups())(lambda group: body(group))))()


class _Still(Exception):
    """A smaller sample that fails as the first one did."""


def shrunk(outcome: Outcome, sweep_seed: int, chunk: int, backends: Sequence[Backend]) -> Outcome:
    """The smallest sample that Hypothesis finds to fail in the same backends. Its search starts from the group that
    failed, which is met again under the same seed; until then nothing counts as a failure."""
    failing = {failure.split(":")[0] for failure in outcome.failures}
    met: list[int] = []
    best = outcome

    def body(group: Group) -> None:
        nonlocal best
        if not met:
            met.extend(n for n, sample in enumerate(group) if sample.id == outcome.case)
        if not met:
            return
        for found in measure(group[met[0] :][:1], backends):
            if found.verdict == FAILS and failing <= {failure.split(":")[0] for failure in found.failures}:
                best = found
                raise _Still

    with suppress(_Still, Flaky):
        _hypothesis(sweep_seed, chunk, body, (Phase.generate, Phase.shrink))
    return best


def run(
    count: int, sweep_seed: int, names: Sequence[str], path: Path, *, jobs: int, done: Callable[[Outcome], None],
    known: Callable[[int], None] = lambda _: None,
) -> dict[str, tuple[int, Outcome]]:  # fmt: skip
    """The outcomes by case, each with its chunk: those that the log at `path` has already, and the others measured and
    logged. `known` is told how many that log has, `done` of each measured one. Ctrl-C ends it with what is done."""
    stamp = journal.stamp(tuple(names))
    before = journal.read(path, stamp)
    known(min(count, len(before)))
    found: dict[str, tuple[int, Outcome]] = {}
    with journal.opened(path) as log, suppress(KeyboardInterrupt):
        todo = _todo(count, sweep_seed, before, found)
        for chunk, outcome in _measured(todo, names, jobs):
            journal.append(log, outcome, stamp)
            found[outcome.case] = chunk, outcome
            done(outcome)
    return found


def _todo(
    count: int, sweep_seed: int, known: Mapping[str, Outcome], found: dict[str, tuple[int, Outcome]]
) -> Iterator[tuple[int, Group]]:
    """The groups without what is known, which goes into `found`."""
    for chunk, group in drawn(count, sweep_seed):
        found |= {sample.id: (chunk, known[sample.id]) for sample in group if sample.id in known}
        rest = tuple(sample for sample in group if sample.id not in known)
        if rest:
            yield chunk, rest


def _measured(
    todo: Iterator[tuple[int, Group]], names: Sequence[str], jobs: int
) -> Iterator[tuple[int, Outcome]]:  # fmt: skip
    """In rounds, each with processes of its own."""
    while first := next(todo, None):
        yield from _round(chain([first], islice(todo, jobs * _PER_WORKER - 1)), names, jobs)


def _round(
    todo: Iterator[tuple[int, Group]], names: Sequence[str], jobs: int
) -> Iterator[tuple[int, Outcome]]:  # fmt: skip
    pool = _pool(names, jobs)
    try:
        pool.submit(_work, ()).result()
    except BrokenProcessPool as error:
        raise PortingError("the sweep's processes don't start", found=str(error)) from error
    waiting: dict[Future[list[Outcome]], tuple[int, Group]] = {}
    try:
        while True:
            while len(waiting) < 2 * jobs and (item := next(todo, None)):
                waiting[pool.submit(_work, item[1])] = item
            if not waiting:
                return
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                chunk, group = waiting.pop(future)
                try:
                    outcomes = future.result()
                except BrokenProcessPool:
                    lost = [(chunk, group), *waiting.values()]
                    waiting.clear()
                    pool.shutdown(cancel_futures=True)
                    for chunk, group in lost:
                        yield from ((chunk, _alone(sample, names)) for sample in group)
                    pool = _pool(names, jobs)
                    break
                yield from ((chunk, outcome) for outcome in outcomes)
    finally:
        pool.shutdown(cancel_futures=True)


def _alone(sample: Sample, names: Sequence[str]) -> Outcome:
    """One sample in a process of its own, which may die of it."""
    with _pool(names, 1) as pool:
        try:
            return pool.submit(_work, (sample,)).result()[0]
        except BrokenProcessPool:
            why = "the process died"
            return Outcome(case=sample.id, title=sample.title, verdict=CRASHED, seconds=0.0, failures=(why,))


def _pool(names: Sequence[str], jobs: int) -> ProcessPoolExecutor:
    os.environ.update(_SINGLE)
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(jobs, mp_context=context, initializer=_start, initargs=(tuple(names),))


def _start(names: Sequence[str]) -> None:
    """In a worker: the backends, once. What the frameworks say while they load is not for this terminal."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    _BACKENDS.extend(load(names)[0])


def _work(group: Group) -> list[Outcome]:
    return list(measure(group, _BACKENDS))
