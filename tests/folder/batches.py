"""The command on whole folders as a user runs it, and what came of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PASSING = ("seconds", "peak_mib", "finished", "attempts")
"""What may differ between two runs that come to the same."""


@dataclass(frozen=True)
class Ran:
    """A finished run: exit code, what it said, and its folder."""

    code: int
    out: str
    err: str
    output: Path

    @property
    def lines(self) -> list[dict[str, Any]]:
        return logged(self.output)

    @property
    def page(self) -> str:
        return (self.output / "index.html").read_text(encoding="utf-8")


def command(paths: Sequence[Path], output: Path, *options: str) -> list[str]:
    run = "import sys; from harness.cli import main; main(sys.argv[1:])"
    return [sys.executable, "-c", run, "port", *map(str, paths), "-o", str(output), *options]


def ported(paths: Sequence[Path], output: Path, *options: str) -> Ran:
    told = subprocess.run(command(paths, output, *options), capture_output=True, check=False)
    return Ran(told.returncode, told.stdout.decode(), told.stderr.decode(), output)


def logged(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (output / "log.jsonl").read_bytes().splitlines()]


def results(output: Path) -> list[dict[str, Any]]:
    """What the log says of each path, in the order of names, without what passes."""
    lines = [{key: value for key, value in line.items() if key not in PASSING} for line in logged(output)]
    return sorted(lines, key=lambda line: str(line["path"]))
