"""Work for the backends shared out among processes: each has the backends loaded, once, and one thread, since there are
as many processes as cores.

A process that dies takes what it was at with it: that is done again part by part, each in a process of its own, and the
part of which one dies again is told as such.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import chain, islice
from typing import Generic, TypeVar

from harness import threads
from harness.backends import Backend, load
from weight_mapping.errors import PortingError

Item = TypeVar("Item")
Result = TypeVar("Result")
MEMORY = 5 << 29
"""Bytes that a process may take with every backend, those in processes of their own included: 2.3 GB were seen."""
_PER_WORKER = 250
"""Items a worker and round: what the frameworks keep of every layer piles up. (The executor's own way to replace its
workers can stand still for ever in Python 3.11 and 3.12.)"""
_BACKENDS: list[Backend] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(Generic[Item, Result]):
    """What is done to every item: `work`, a function of a module. `parts` of an item can be worked on apart; `died`
    says what has become of one that ended its process."""

    work: Callable[[Item, Sequence[Backend]], Result]
    parts: Callable[[Item], Sequence[Item]]
    died: Callable[[Item], Result]


def results(
    items: Iterator[Item], task: Task[Item, Result], names: Sequence[str], jobs: int
) -> Iterator[tuple[Item, Result]]:
    """Each item with its result, as they come. `names` of the backends. The processes come in rounds."""
    while rest := list(islice(items, 1)):
        yield from _round(chain(rest, islice(items, jobs * _PER_WORKER - 1)), task, names, jobs)


def _round(
    items: Iterator[Item], task: Task[Item, Result], names: Sequence[str], jobs: int
) -> Iterator[tuple[Item, Result]]:
    pool = _pool(names, jobs)
    try:
        pool.submit(_ready).result()
    except BrokenProcessPool as error:
        raise PortingError("the processes for the backends don't start", found=str(error)) from error
    waiting: dict[Future[Result], Item] = {}
    try:
        while True:
            waiting |= {pool.submit(_work, task.work, item): item for item in islice(items, 2 * jobs - len(waiting))}
            if not waiting:
                return
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                item = waiting.pop(future)
                try:
                    result = future.result()
                except BrokenProcessPool:
                    lost = [item, *waiting.values()]
                    waiting.clear()
                    pool.shutdown(cancel_futures=True)
                    yield from ((part, alone(part, task, names)) for item in lost for part in task.parts(item))
                    pool = _pool(names, jobs)
                    break
                yield item, result
    finally:
        pool.shutdown(cancel_futures=True)


def alone(item: Item, task: Task[Item, Result], names: Sequence[str]) -> Result:
    """One item in a process of its own, which may die of it."""
    with _pool(names, 1) as pool:
        try:
            return pool.submit(_work, task.work, item).result()
        except BrokenProcessPool:
            return task.died(item)


def _pool(names: Sequence[str], jobs: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(jobs, mp_context=context, initializer=_start, initargs=(tuple(names),))


def _start(names: Sequence[str]) -> None:
    """In a worker: the backends, once. What the frameworks say while they load is not for this terminal, and Ctrl-C is
    for the process that waits for this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    os.environ.update(threads.environment(1))
    _BACKENDS.extend(load(names)[0])


def _ready() -> None:
    """What a process does that has only to start."""


def _work(work: Callable[[Item, Sequence[Backend]], Result], item: Item) -> Result:
    return work(item, _BACKENDS)
