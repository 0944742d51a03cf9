"""The index page of a whole folder, made from its log."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from harness import environment
from harness.folder import fates
from harness.folder.log import Log
from harness.folder.summary import summary
from weight_mapping.files.atomic import replacing

NAME = "index.html"


def write(log: Log, command: str) -> Path:
    """The page of every path that the log knows; the old one or the new one, never half."""
    from reports import folder

    known = summary(log.lines())
    pieces = folder.index(
        (asdict(line) for line in log.lines()), fates=fates.FATES, counts=known.fates, held_up=known.held_up,
        facts=environment.describe(), command=command,
    )  # fmt: skip
    path = log.output / NAME
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", errors="backslashreplace") as file:
        file.writelines(pieces)
    return path
