"""How far a run is: a bar on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from harness.folder import fates
from harness.folder.run import Settled
from harness.pace import Pace

EVERY = 5.0
"""Seconds between two lines where there is no terminal."""
Tell = Callable[[Settled], None]


@contextmanager
def progress(total: int) -> Iterator[Tell]:
    """A function that is told of each settled file, for the length of a `with`; all of it goes to stderr. A terminal
    gets a bar (without colours where NO_COLOR is set), anything else plain lines."""
    with (_bar if sys.stderr.isatty() else _lines)(total) as tell:
        yield tell


@contextmanager
def _bar(total: int) -> Iterator[Tell]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn(),
               TextColumn("{task.fields[fates]}", markup=False))  # fmt: skip
    state = _State(total)
    with Progress(*columns, console=Console(stderr=True)) as shown:
        bar = shown.add_task("", total=total, rate="", fates="")

        def tell(settled: Settled) -> None:
            state.count(settled)
            shown.update(bar, advance=1, rate=state.pace.rate, fates=state.fates)

        yield tell


@contextmanager
def _lines(total: int) -> Iterator[Tell]:
    state = _State(total)
    due = time.monotonic() + EVERY

    def tell(settled: Settled) -> None:
        nonlocal due
        state.count(settled)
        if time.monotonic() >= due or state.found.total() == total:
            due = time.monotonic() + EVERY
            print(f"{state.pace.sentence}: {state.fates}", file=sys.stderr, flush=True)

    yield tell


class _State:
    """The pace, and the fates so far."""

    def __init__(self, total: int) -> None:
        self.pace = Pace(total, "files")
        self.found: Counter[str] = Counter()

    def count(self, settled: Settled) -> None:
        self.found[settled.line.fate] += 1
        self.pace.count(new=settled.new)

    @property
    def fates(self) -> str:
        ranked = sorted(self.found, key=lambda name: fates.RANK.get(name, 0))
        return ", ".join(f"{self.found[name]:,} {name}" for name in ranked)
