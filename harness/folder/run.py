"""A whole run: tasks out, lines in, each finished file put in its place and logged once."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, Protocol

from harness.folder.children import Done
from harness.folder.line import Line
from harness.folder.log import Log
from harness.folder.task import Task


class Workers(Protocol):
    """Who does the work."""

    @property
    def under_way(self) -> int:
        """How many tasks are submitted and not finished."""

    @property
    def window(self) -> int:
        """How many may be, at this moment."""

    def submit(self, task: Task) -> None: ...

    def finished(self) -> list[Done]:
        """Wait until at least one task is done; each is handed over once. PortingError where none can be any more."""


class Settled(NamedTuple):
    """What is known of one file; `new` where this run found it out."""

    line: Line
    new: bool


def run(planned: Iterable[Task | Line], log: Log, workers: Workers) -> Iterator[Settled]:
    """Every planned file as it is settled and logged; a line among the planned is one that needs no work. Whoever
    ends it early loses only the tasks under way."""
    begun: set[str] = set()
    copies: list[Task] = []
    for one in planned:
        if isinstance(one, Line):
            log.add(one)
            yield Settled(one, True)
        elif log.finished(one):
            yield Settled(log.same(one), False)
        elif one.identity in begun or log.known(one):
            copies.append(one)
        else:
            begun.add(one.identity)
            workers.submit(one)
            while workers.under_way >= workers.window:
                yield from _merged(workers.finished(), log)
    while workers.under_way:
        yield from _merged(workers.finished(), log)
    for task in copies:
        log.add(line := replace(log.same(task), path=task.name))
        yield Settled(line, True)


def _merged(finished: Iterable[Done], log: Log) -> Iterator[Settled]:
    """The folder is put in its place before the log says that it is there."""
    for done in finished:
        _place(Path(done.part), log.output / done.line.folder)
        log.add(done.line)
        yield Settled(done.line, True)


def _place(part: Path, folder: Path) -> None:
    if folder.exists():
        old = part.with_name(f"{part.name}.old")
        folder.rename(old)
        shutil.rmtree(old)
    part.rename(folder)
