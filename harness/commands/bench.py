"""`lstm-parity bench`: the implementations timed against each other, the program against its goals, and both against an
earlier run."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from harness.bench.speed import Timing
from harness.commands import timing_tables
from harness.results import INTERRUPTED, Results, read_file, to_json
from weight_mapping.files.atomic import write_text


def _shapes(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[tuple[int, ...], ...]:
    for value in values:
        parts = value.split(",")
        if len(parts) != 4 or not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
            raise click.BadParameter(f"{value!r} is not four whole numbers from 1 up, such as 1,100,64,64")
    return tuple(tuple(int(part) for part in value.split(",")) for value in values)


@click.command("bench")
@click.option(
    "--suite", "suites", multiple=True, type=click.Choice(["cells", "starts", "scaling", "tools", "all"]),
    help="cells (the default) against each other; first calls and memory; growth with sizes; this program's commands.",
)  # fmt: skip
@click.option("--cell", "cells", multiple=True, metavar="NAME", help="lstm (the default), gru, gru-reset-before, rnn.")
@click.option(
    "--shape", "shapes", callback=_shapes, multiple=True, metavar="B,T,I,U", help="Batch, time, input, units."
)
@click.option(
    "--implementation", "implementations", multiple=True, metavar="NAME", help="May be repeated; --list shows them."
)
@click.option("--task", "tasks", multiple=True, metavar="NAME", help="'forward' or 'training step'; may be repeated.")
@click.option(
    "--processes", type=click.IntRange(min=1), default=3, show_default=True, help="Fresh ones, each with all rounds."
)
@click.option("--threads", type=click.IntRange(min=1), help="That each implementation is given.  [default: the cores]")
@click.option("--rounds", type=click.IntRange(min=1), default=30, show_default=True, help="The most rounds of each.")
@click.option(
    "--seconds", type=click.FloatRange(min=0), default=1.0, show_default=True,
    help="For the rounds of one shape and task in one process.",
)  # fmt: skip
@click.option(
    "--compare", "old", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="An earlier results.json."
)
@click.option(
    "-o", "--output", type=click.Path(file_okay=False, path_type=Path), help="Folder for results.json and report.html."
)
@click.option("--json", "as_json", is_flag=True, help="The results on stdout instead of tables.")
@click.option(
    "--list", "listing", is_flag=True, help="The implementations; those with * are timed unless others are named."
)
def command(
    suites: tuple[str, ...], cells: tuple[str, ...], shapes: tuple[Any, ...], implementations: tuple[str, ...],
    tasks: tuple[str, ...], processes: int, threads: int | None, rounds: int, seconds: float, old: Path | None,
    output: Path | None, as_json: bool, listing: bool,
) -> int:  # fmt: skip
    """Time Keras, PyTorch, ONNX Runtime and OpenVINO against each other: same weights, same inputs, interleaved rounds
    in several fresh processes, every answer held to the oracle before and after.

    Ratios come from rounds side by side; 'not significant' is said where the interval of the median holds 1. --compare
    says what got slower since, where the environments agree.

    \b
    lstm-parity bench --suite all -o today
    lstm-parity bench --shape 32,100,128,128 --task forward
    lstm-parity bench --cell gru -o today --compare results.json
    """
    from harness import environment
    from harness import threads as cores
    from harness.bench import following, goals, plan
    from harness.bench.implementations import IMPLEMENTATIONS

    if listing:
        for row in IMPLEMENTATIONS:
            click.echo(f"{'*' if row.usual else ' '} {row.name}")
        return 0
    earlier = read_file(old) if old else None
    given = {"cells": cells, "tasks": tasks, "suites": plan.SUITES if "all" in suites else suites}
    request = plan.Request(
        shapes=shapes, implementations=implementations, processes=processes, rounds=rounds, seconds=seconds,
        threads=threads or cores.usable(), **{name: value for name, value in given.items() if value},
    )  # fmt: skip

    def say(text: str) -> None:
        click.echo(text, err=True)

    say("\n".join(following.plan(plan.steps(request, plan.Found(), ""))))
    found, timings = plan.run(request, say)
    missing = {
        f"{t.implementation} on {t.device}": t.note for t in (*timings, *found.starts) if t.note and not _done(t)
    }
    where = environment.describe()
    results = Results(
        kind="bench", command=f"lstm-parity {shlex.join(sys.argv[1:])}", timings=tuple(timings),
        environment={**where, "threads": {"each": request.threads}, "kernel": _kernel()},
        starts=tuple(found.starts), scaling=tuple(found.scaling), roof=found.roof,
        figures=(*goals.figures(timings, found.scaling), *found.tools), not_measured={**missing, **found.failed},
    )  # fmt: skip
    click.echo(to_json(results) if as_json else "\n".join(timing_tables.tables(results)))
    if earlier and not as_json:
        click.echo("\n".join(timing_tables.comparison(results, earlier)))
    if output:
        from reports import render

        write_text(output / "results.json", to_json(results))
        write_text(output / "report.html", render.page(results, earlier))
        click.echo(output / "report.html", err=as_json)
    if results.interrupted:
        click.echo(f"interrupted; what was measured is kept. What is left: {rest(results)}", err=True)
        return 130
    return int(results.verdict != "holds")


def _done(one: Any) -> bool:
    return bool(one.seconds if isinstance(one, Timing) else one.first)


def _kernel() -> dict[str, Any]:
    """What runs the cells that torch.nn can't express: runs of one and of the other can't be compared."""
    from harness.commands.doctor import kernel

    return {device: told["runs"] for device, told in kernel().items()}


def rest(results: Results) -> str:
    """The command that times what an interrupted run has left."""
    left = [t for t in results.timings if t.note.endswith(INTERRUPTED)]
    if not left:
        return results.command
    words = [
        *(("--implementation", name) for name in dict.fromkeys(t.implementation for t in left)),
        *(("--task", name) for name in dict.fromkeys(t.task for t in left)),
        *(("--cell", name) for name in dict.fromkeys(t.cell for t in left) if name != "lstm"),
        *(("--shape", ",".join(map(str, shape))) for shape in dict.fromkeys(t.shape for t in left)),
    ]
    return shlex.join(["lstm-parity", "bench", *(word for pair in words for word in pair)])
