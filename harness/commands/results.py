"""`lstm-parity results`: what the log of a whole folder says, asked in SQL."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from weight_mapping.errors import printable


@click.command("results")
@click.argument("query")
@click.argument("folder", default=".", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="The rows as JSON, one object a line.")
def command(query: str, folder: Path, as_json: bool) -> int:
    """Ask the log of a ported FOLDER (by default the current one) in DuckDB's SQL.

    The table `log` has every line of log.jsonl, the view `files` the last one of each path: path, folder, fate,
    verdict, sha256, config, container, keras_version, parameters, layers, checks, error, seconds, peak_mib, attempts,
    options, code, environment, finished. A query sees nothing else: no other file, no network.

    lstm-parity results "SELECT fate, count(*) FROM files GROUP BY fate" ported"""
    from harness.folder.query import ask

    answer = ask(query, folder)
    if answer.unread:
        click.echo(f"{answer.unread:,} lines of the log can't be read and are left out", err=True)
    if as_json:
        for row in answer.rows:
            click.echo(json.dumps(dict(zip(answer.columns, row, strict=True)), default=str))
    else:
        _table(answer.columns, answer.rows)
    return 0


def _table(columns: list[str], rows: list[tuple[Any, ...]]) -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE, pad_edge=False)
    for column in columns:
        table.add_column(Text(_cell(column)), overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    Console().print(table)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else printable(value).replace("\n", "\\x0a")
