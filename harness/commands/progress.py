"""What is shown of a verification while it goes on: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from harness.pace import Pace
from harness.results import FAILS, Case, Mutant
from weight_mapping.errors import printable


class Lines:
    """Progress where no terminal is: a line for each group of cases, and for each failure at once."""

    def __init__(self, total: int) -> None:
        self.pace, self.groups = Pace(total, "cases"), set[str]()

    def case(self, result: Case) -> None:
        if result.group not in self.groups:
            self.groups.add(result.group)
            click.echo(f"{result.group} ({self.pace.sentence})", err=True)
        if result.verdict == FAILS:
            click.echo(f"fails: {result.id}", err=True)
        self.pace.count()

    def mutant(self, result: Mutant) -> None:
        if "wrong ports" not in self.groups:
            self.groups.add("wrong ports")
            click.echo(f"wrong ports ({self.pace.sentence})", err=True)
        if not result.caught:
            click.echo(f"not caught: {result.name}", err=True)
        self.pace.count()

    def timing(self, text: str) -> None:
        click.echo(printable(text), err=True)


class Bar:
    """Progress on a terminal."""

    def __init__(self, bar: Any, task: Any, pace: Pace) -> None:
        self.bar, self.task, self.pace = bar, task, pace

    def case(self, result: Case) -> None:
        self._advance(result.id, result.verdict == FAILS)

    def mutant(self, result: Mutant) -> None:
        self._advance(f"wrong port: {result.name}", not result.caught)

    def timing(self, text: str) -> None:
        self.bar.update(self.task, description=printable(text, 60))

    def _advance(self, name: str, failed: bool) -> None:
        if failed:
            self.bar.console.print(f"fails: {printable(name)}", markup=False)
        self.pace.count()
        self.bar.update(self.task, advance=1, description=printable(name, 60), rate=self.pace.rate)


@contextmanager
def progress_of(total: int) -> Iterator[Lines | Bar]:
    """A bar on a terminal (without colours where NO_COLOR is set), plain lines elsewhere."""
    if not sys.stderr.isatty():
        yield Lines(total)
        return
    from rich import progress
    from rich.console import Console

    with progress.Progress(
        progress.TextColumn("{task.description}", markup=False), progress.BarColumn(), progress.MofNCompleteColumn(),
        progress.TextColumn("{task.fields[rate]}"), progress.TimeRemainingColumn(), console=Console(stderr=True),
        transient=True,
    ) as bar:  # fmt: skip
        yield Bar(bar, bar.add_task("", total=total, rate=""), Pace(total, "cases"))
