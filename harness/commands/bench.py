"""`lstm-parity bench`: the implementations timed against each other, and against an earlier run."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from harness.intervals import in_words, median_interval, paired_ratio, unpaired_ratio
from harness.results import INTERRUPTED, Results, Timing, read_file, to_json, write_text


def _shapes(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[tuple[int, ...], ...]:
    for value in values:
        parts = value.split(",")
        if len(parts) != 4 or not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
            raise click.BadParameter(f"{value!r} is not four whole numbers from 1 up, such as 1,100,64,64")
    return tuple(tuple(int(part) for part in value.split(",")) for value in values)


@click.command("bench")
@click.option(
    "--shape", "shapes", callback=_shapes, multiple=True, metavar="B,T,I,U", help="Batch, time, input, units."
)
@click.option(
    "--implementation", "implementations", multiple=True, metavar="NAME", help="May be repeated; --list shows them."
)
@click.option("--task", "tasks", multiple=True, metavar="NAME", help="'forward' or 'training step'; may be repeated.")
@click.option("--rounds", type=click.IntRange(min=1), default=30, show_default=True, help="The most rounds of each.")
@click.option(
    "--seconds", type=click.FloatRange(min=0), default=10.0, show_default=True, help="For each shape, task and device."
)
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
    shapes: tuple[Any, ...], implementations: tuple[str, ...], tasks: tuple[str, ...], rounds: int, seconds: float,
    old: Path | None, output: Path | None, as_json: bool, listing: bool,
) -> int:  # fmt: skip
    """Time Keras and PyTorch against each other: same weights, same inputs, interleaved in one process.

    Ratios come from rounds side by side; 'not significant' is said where the interval of the median holds 1.

    \b
    lstm-parity bench --shape 32,100,128,128 --task forward
    lstm-parity bench -o today --compare results.json
    """
    from harness import bench, environment
    from harness.jobs import TASKS

    if listing:
        for row in bench.IMPLEMENTATIONS:
            click.echo(f"{'*' if row.usual else ' '} {row.name}")
        return 0
    earlier = read_file(old) if old else None
    timings = bench.run(
        shapes or bench.SHAPES, implementations or None, tasks or TASKS, rounds=rounds, seconds=seconds,
        progress=lambda text: click.echo(text, err=True),
    )  # fmt: skip
    missing = {f"{t.implementation} on {t.device}": t.note for t in timings if not t.seconds}
    results = Results(
        kind="bench", command=f"lstm-parity {' '.join(sys.argv[1:])}", environment=environment.describe(),
        timings=timings, not_measured=missing,
    )  # fmt: skip
    click.echo(to_json(results) if as_json else "\n".join(_tables(timings, missing)))
    if earlier and not as_json:
        click.echo("\n".join(_comparison(results, earlier)))
    if output:
        from reports import render

        write_text(output / "results.json", to_json(results))
        write_text(output / "report.html", render.page(results))
        click.echo(output / "report.html", err=as_json)
    if results.interrupted:
        click.echo(f"interrupted; what was timed is kept. What is left: {rest(results)}", err=True)
        return 130
    return int(results.verdict != "holds")


def rest(results: Results) -> str:
    """The command that times what an interrupted run has left."""
    left = [t for t in results.timings if t.note.endswith(INTERRUPTED)]
    words = [
        *(("--implementation", name) for name in dict.fromkeys(t.implementation for t in left)),
        *(("--task", name) for name in dict.fromkeys(t.task for t in left)),
        *(("--shape", ",".join(map(str, shape))) for shape in dict.fromkeys(t.shape for t in left)),
    ]
    return shlex.join(["lstm-parity", "bench", *(word for pair in words for word in pair)])


def _tables(timings: Sequence[Timing], missing: Mapping[str, str]) -> Iterator[str]:
    from harness.bench import groups

    width = max(len(t.implementation) for t in timings)
    for group in groups(timings):
        measured = [t for t in group if t.seconds]
        if not measured:
            continue
        yield f"\n{_title(group[0])}; ratios are to {measured[0].implementation}"
        for t in measured:
            ratio = "" if t is measured[0] else in_words(paired_ratio(t.seconds, measured[0].seconds))
            wrong = "  WRONG ANSWER" if t.agrees is False else ""
            yield f"  {t.implementation:{width}}  {_milliseconds(t.seconds)}  {ratio}{wrong}".rstrip()
    if missing:
        yield "\nNot measured"
        yield from (f"  {name}: {reason.removeprefix('not measured: ')}" for name, reason in missing.items())


def _comparison(new: Results, old: Results) -> Iterator[str]:
    keys = {*new.environment, *old.environment}
    differing = ", ".join(sorted(key for key in keys if new.environment.get(key) != old.environment.get(key)))
    yield "\nAgainst the earlier run" + (f", which ran elsewhere: {differing} differ" if differing else "")
    before = {(t.implementation, t.task, t.device, tuple(t.shape)): t for t in old.timings if t.seconds}
    for t in new.timings:
        earlier = before.get((t.implementation, t.task, t.device, t.shape))
        if earlier and t.seconds:
            yield f"  {t.implementation}, {_title(t)}: {in_words(unpaired_ratio(t.seconds, earlier.seconds))}"


def _title(t: Timing) -> str:
    batch, time, inputs, units = t.shape
    return f"{t.task}, batch {batch}, time {time}, input {inputs}, units {units}, {t.device}"


def _milliseconds(seconds: Sequence[float]) -> str:
    middle = median_interval(seconds)
    return f"{middle.median * 1e3:9.3f} ms ({middle.low * 1e3:.3f} to {middle.high * 1e3:.3f})"
