"""What `lstm-parity verify --sweep` and `--sweep-case` do."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.pace import Pace
from harness.quiet import quiet
from harness.results import FAILS, HOLDS, INTERRUPTED, Results
from weight_mapping.errors import printable

if TYPE_CHECKING:
    from harness.sweep.measuring import Outcome

LOG = "sweep.jsonl"


def run(count: int, seed: int, names: Sequence[str], output: Path, jobs: int | None) -> Results:
    """So many random cases, the finished ones of an earlier run of the same code among them."""
    from harness import environment, threads, workers
    from harness.backends import MODULES
    from harness.sweep import measuring

    try:
        from harness.sweep import running
    except ImportError as error:
        raise click.UsageError(f"a sweep draws its cases with Hypothesis: pip install hypothesis ({error})") from error
    started, cores = time.perf_counter(), jobs or threads.processes(workers.MEMORY)
    progress = Progress(count)
    found = running.run(count, seed, names, output / LOG, jobs=cores, known=progress.known, done=progress.done)
    seconds = time.perf_counter() - started
    outcomes = [outcome for _, outcome in found.values()]
    failing = [(chunk, outcome) for chunk, outcome in found.values() if outcome.verdict == FAILS]
    data: dict[str, Any] = {"asked": count, "seed": seed, "log": str(output / LOG), **measuring.summary(outcomes)}
    measured = progress.pace.done - progress.pace.known
    data["measured now"], data["per second and core"] = measured, measured / seconds / cores
    left_out = {"gradients, training, wrong ports, speed": "a sweep compares outputs alone"}
    left_out |= {name: "not among this sweep's backends: --backend takes it" for name in MODULES if name not in names}
    if len(found) < count:
        left_out["the other cases"] = INTERRUPTED
    elif failing:
        from harness import backends

        with quiet():
            loaded, _ = backends.load(names)
        small = [running.shrunk(outcome, seed, chunk, loaded) for chunk, outcome in failing[:SHRUNK]]
        data["smallest"] = measuring.summary(small)["failures"]
    return Results(
        kind="verify",
        command=f"lstm-parity {' '.join(sys.argv[1:])}",
        environment=environment.describe(),
        sweep=data,
        not_measured=left_out,
    )


SHRUNK = 10
"""So many failures are made small: each takes up to some hundred tries."""


def repeat(case: str, names: Sequence[str]) -> int:
    """One case again: what every backend makes of it; 1 where it fails."""
    from harness import backends
    from harness.sweep import measuring, samples

    sample = samples.sample(case)
    with quiet():
        loaded, missing = backends.load(names)
    (outcome,) = measuring.measure([sample], loaded)
    click.echo(printable(outcome.title, 2000))
    for name, share in outcome.shares.items():
        click.echo(f"  {name}: {outcome.errors[name]:.3g} u, {share:.3g} of the bound")
    for name, why in {**missing, **outcome.refusals}.items():
        click.echo(printable(f"  {name}: not measured: {why}"))
    for failure in outcome.failures:
        click.echo(printable(f"  fails: {failure}", 2000))
    click.echo(outcome.verdict)
    return int(outcome.verdict != HOLDS and outcome.verdict != "chaotic")


class Progress:
    """A line every so often, and each failure at once with the command that repeats it."""

    def __init__(self, total: int) -> None:
        self.pace, self.said = Pace(total, "cases"), time.monotonic()

    def known(self, number: int) -> None:
        """So many were measured by an earlier run."""
        self.pace.count(number, new=False)

    def done(self, outcome: Outcome) -> None:
        from harness.sweep.measuring import repeat

        self.pace.count()
        if outcome.failures:
            click.echo(printable(f"{outcome.verdict}: {outcome.title}: {'; '.join(outcome.failures)}", 600), err=True)
            click.echo(f"  repeat: {repeat(outcome.case)}", err=True)
        if time.monotonic() - self.said > 10:
            self.said = time.monotonic()
            click.echo(self.pace.sentence, err=True)
