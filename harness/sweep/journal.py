"""The sweep's log: one line a finished case, appended and on the disk before the next one; and what it may be resumed
from.

A line counts only under the stamp that it was written with: the same sources, versions and processor.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from io import TextIOWrapper
from pathlib import Path

from harness.environment import processor
from harness.sweep.measuring import Outcome
from harness.version import code

SCHEMA = 1


@cache
def stamp(backends: Sequence[str]) -> str:
    """Of all that an outcome depends on beside the case: the code, the versions, the processor, and the backends."""
    return hashlib.sha256(repr((SCHEMA, backends, code(), processor())).encode()).hexdigest()[:16]


def read(path: Path, stamp: str) -> dict[str, Outcome]:
    """The outcomes by case that were logged under this stamp. A torn line, as a power cut leaves it, is no outcome."""
    if not path.exists():
        return {}
    found: dict[str, Outcome] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            data = json.loads(line)
            if data.pop("schema") == SCHEMA and data.pop("stamp") == stamp:
                outcome = Outcome(**{**data, "failures": tuple(data["failures"])})
                found[outcome.case] = outcome
        except (ValueError, TypeError, KeyError, AttributeError):
            continue
    return found


def append(file: TextIOWrapper, outcome: Outcome, stamp: str) -> None:
    """One line, on the disk when this returns."""
    file.write(json.dumps({"schema": SCHEMA, "stamp": stamp, **asdict(outcome)}) + "\n")
    file.flush()
    os.fsync(file.fileno())


def opened(path: Path) -> TextIOWrapper:
    """The log, ready to be appended to: a torn last line is ended first, so that the next one is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torn = path.exists() and path.stat().st_size > 0 and not path.read_bytes().endswith(b"\n")
    file = path.open("a", encoding="utf-8")
    if torn:
        file.write("\n")
    return file
