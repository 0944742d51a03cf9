"""`lstm-parity report`: the page of a results.json, or what changed between two."""

from __future__ import annotations

import json
from pathlib import Path

import click

from harness.commands import summaries
from harness.results import read_file
from weight_mapping.errors import printable, shown
from weight_mapping.files.atomic import write_text
from weight_mapping.files.guard import reading


@click.command("report")
@click.argument("files", nargs=-1, metavar="[OLD.json] RESULTS.json", type=click.Path(exists=True, path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The page.  [default: report.html beside RESULTS; with two files none]",
)
@summaries.options
@click.option("--schema", is_flag=True, help="The JSON Schema of results.json on stdout, and nothing else.")
def command(
    files: tuple[Path, ...], output: Path | None, junit: Path | None, markdown: Path | None, schema: bool
) -> int:
    """Render RESULTS.json again; with OLD.json before it, say what changed.

    Exits with 1 where the results do not hold, or where something got worse.

    \b
    lstm-parity report results.json
    lstm-parity report old.json results.json -o changes.html
    """
    if schema:
        from harness import schema as published

        click.echo(json.dumps(published.schema(), indent=1, ensure_ascii=False))
        return 0
    from reports import render
    from reports.changes import changes

    if not 1 <= len(files) <= 2:
        raise click.UsageError("one results.json to render, or two to compare")
    results = [read_file(path) for path in files]
    summaries.write(results[-1], junit, markdown)
    if len(results) == 1:
        path = output or files[0].parent / "report.html"
        with reading(shown(files[0].name)):
            page = render.page(results[0])
        write_text(path, page)
        click.echo(printable(path))
        return int(results[0].verdict != "holds")
    old, new = results
    found = changes(old, new)
    for change in found:
        mark = "!" if change.worse else " "
        line = printable(f"{change.part}: {change.what}: {change.before} -> {change.after}").replace("\n", " ")
        click.echo(f"{mark} {line}")
    worse = sum(change.worse for change in found)
    click.echo(f"{len(found)} differences, {worse} for the worse" if found else "no difference")
    if output:
        with reading(shown(files[1].name)):
            page = render.page(new, since=old)
        write_text(output, page)
        click.echo(printable(output))
    return int(worse > 0)
