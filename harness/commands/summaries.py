"""The two forms in which a pipeline takes results, as options that every command with results has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from harness.results import Results
from weight_mapping.errors import printable
from weight_mapping.files.atomic import write_text

_FILE = click.Path(dir_okay=False, path_type=Path)


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --junit and --markdown, which come as `junit` and `markdown`."""
    for name, what in (("--markdown", "a Markdown summary, the worst first"), ("--junit", "JUnit XML")):
        command = click.option(name, metavar="FILE", type=_FILE, help=f"Also write {what}.")(command)
    return command


def write(results: Results, junit: Path | None, markdown: Path | None) -> None:
    """What was asked for, each file whole; says where on stderr."""
    if junit:
        from reports.junit import junit as xml

        write_text(junit, xml(results))
    if markdown:
        from reports.markdown import markdown as summary

        write_text(markdown, summary(results))
    for path in filter(None, (junit, markdown)):
        click.echo(printable(path), err=True)
