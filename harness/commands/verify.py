"""`lstm-parity verify`: fresh pairs, mapped, compared, timed; results.json and report.html."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from harness.commands import summaries
from harness.commands.outcome import failures, verdict
from harness.commands.progress import progress_of
from harness.quiet import quiet
from harness.results import HOLDS, Results, to_json
from weight_mapping.errors import printable
from weight_mapping.files.atomic import write_text


@click.command("verify")
@click.argument(
    "folder", required=False, metavar="[DIR]", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option(
    "-o", "--output", type=click.Path(file_okay=False, path_type=Path), default=Path("parity-report"),
    show_default=True, help="Folder for results.json and report.html.",
)  # fmt: skip
@click.option("--case", "patterns", multiple=True, metavar="ID", help="A case, or a glob of cases; may be repeated.")
@click.option("--backend", "names", multiple=True, metavar="NAME", help="Only these; may be repeated.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of all random numbers.")
@click.option("--sweep", "count", type=click.IntRange(min=1), metavar="N", help="N random cases in place of the table.")
@click.option("--sweep-case", "swept", metavar="ID", help="One case of a sweep again, by the name that it printed.")
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    help="Processes for the cases.  [default: one a core, where there are cases and memory enough]",
)
@click.option("--no-bench", is_flag=True, help="No timing.")
@click.option("--no-mutants", is_flag=True, help="Plant no wrong ports.")
@summaries.options
@click.option("--json", "as_json", is_flag=True, help="The results on stdout; everything else on stderr.")
@click.option("--list", "listing", is_flag=True, help="The cases and the backends, and nothing else.")
def command(
    folder: Path | None, output: Path, patterns: tuple[str, ...], names: tuple[str, ...], seed: int,
    count: int | None, swept: str | None, jobs: int | None, no_bench: bool, no_mutants: bool, junit: Path | None,
    markdown: Path | None, as_json: bool, listing: bool,
) -> int:  # fmt: skip
    """Build the same layers in Keras and PyTorch, map the weights, and hold outputs, states, gradients and training of
    both to a float64 oracle. Exit code 1 where anything fails.

    With --sweep, outputs alone of random layers on random numbers; sweep.jsonl in the output folder keeps what is
    done, and the same command goes on from there.

    With DIR, a finished port is held to its proof again instead: every file, every array, the oracle's answer.

    \b
    lstm-parity verify
    lstm-parity verify --case 'gru*' --case 'lstm/mask*' --no-bench
    lstm-parity verify ported
    """
    if folder:
        return _recheck(folder, as_json)
    from harness import backends, cases
    from harness.commands import sweeping

    chosen = cases.cases(patterns)
    unknown = [name for name in names if name not in backends.MODULES]
    if unknown:
        raise click.UsageError(f"no backend {unknown[0]!r}; known: {', '.join(backends.MODULES)}")
    if not chosen:
        raise click.UsageError(f"no case fits {' or '.join(patterns)}; --list shows them all")
    if listing:
        for case in chosen:
            click.echo(f"{case.id}  {case.row.title}")
        click.echo(f"backends: {', '.join(backends.MODULES)}")
        return 0
    if (count or swept) and patterns:
        raise click.UsageError("--case chooses from the table, which --sweep and --sweep-case take no part of")
    if swept:
        return sweeping.repeat(swept, names or backends.IN_THIS_PROCESS)
    if count:
        results = sweeping.run(count, seed, names or backends.IN_THIS_PROCESS, output, jobs)
    else:
        results = _run(chosen, names, seed, jobs, mutants=not no_mutants, timings=not no_bench)
    summaries.write(results, junit, markdown)
    code = finish(results, output, as_json=as_json)
    if results.interrupted:
        click.echo(f"interrupted; what was done is kept. What is left: {rest(results, output)}", err=True)
        return 130
    return code


def rest(results: Results, output: Path) -> str:
    """The command that runs what an interrupted verification has left: whole kinds of layers where none was begun. A
    sweep goes on by its own command."""
    if results.sweep:
        return shlex.join(["lstm-parity", *sys.argv[1:]])
    begun = {case.id.split("/")[0] for case in results.cases}
    kinds = ((id.split("/")[0], id.split("@")[0]) for id in results.missing)
    patterns = dict.fromkeys(f"{row}@*" if kind in begun else f"{kind}/*" for kind, row in kinds)
    cases = [word for pattern in patterns for word in ("--case", pattern)]
    return shlex.join(["lstm-parity", "verify", *cases, "-o", f"{output}-rest"])


def _recheck(folder: Path, as_json: bool) -> int:
    """The port in the folder as it was written; exit code 3 where it is not."""
    context = click.get_current_context()
    for name in context.params.keys() - {"folder", "as_json"}:
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            raise click.UsageError(f"{name.replace('_', ' ')} does not go with DIR, a finished port")
    from harness.porting.seal import recheck

    found = recheck(folder)
    if as_json:
        click.echo(json.dumps(found, indent=1))
    else:
        answers = "; the oracle answers as it did" if found["oracle"] else ""
        click.echo(f"as it was written: {found['files']} files and {found['arrays']} arrays{answers}")
        click.echo(printable(f"the proof of the port: {found['verdict']}"))
    return 0


WORTH = 40
"""So many cases take as long as a process' start."""


def _run(
    chosen: Sequence[Any], asked: Sequence[str], seed: int, jobs: int | None, *, mutants: bool, timings: bool
) -> Results:
    from harness import backends, threads, workers
    from harness.mutants.table import MUTANTS

    names = asked or tuple(backends.MODULES)
    with quiet():
        loaded, missing = backends.load(names)
        from harness import verify
    missing |= {name: "not among the backends asked for" for name in backends.MODULES if name not in names}
    steps = len(chosen) + (len(MUTANTS) if mutants else 0)
    with progress_of(steps) as progress:
        return verify.run(
            chosen, loaded, missing, seed=seed, mutants=mutants, timings=timings, progress=progress,
            command=f"lstm-parity {' '.join(sys.argv[1:])}", sampled=() if asked else backends.SAMPLED,
            jobs=jobs or min(threads.processes(workers.MEMORY), 1 + len(chosen) // WORTH),
        )  # fmt: skip


def finish(results: Results, output: Path, *, as_json: bool) -> int:
    """Write both files, say what failed and how to repeat it, and end with the page's path and the verdict."""
    from reports import render

    write_text(output / "results.json", to_json(results))
    write_text(output / "report.html", render.page(results))
    for line in failures(results):
        click.echo(printable(line), err=True)
    if as_json:
        click.echo(to_json(results))
    click.echo(str(output / "report.html"), err=as_json)
    click.echo(verdict(results), err=as_json)
    return int(results.verdict != HOLDS)
