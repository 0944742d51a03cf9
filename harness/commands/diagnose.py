"""`lstm-parity diagnose A B`: which convention differs between two models, and the fix."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from harness.reading import confined
from weight_mapping.errors import DamagedFile, printable, shown


@click.command("diagnose")
@click.argument("reference", type=click.Path(exists=True, path_type=Path), metavar="A")
@click.argument("suspect", type=click.Path(exists=True, path_type=Path), metavar="B")
@click.option("--config", type=click.Path(exists=True, path_type=Path), help="A's configuration, where it lies apart.")
@click.option("--trusted", is_flag=True, help=confined.TRUSTED)
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON.")
def command(reference: Path, suspect: Path, config: Path | None, trusted: bool, as_json: bool) -> int:
    """Say how B, a port of A, differs from it: which convention was mistaken, in which layer, and how to mend it.

    A is a model's file. B is another, or an .npz of what a port answered: x (or x0, x1 …) and y (or y0, y1 …).
    Exit code 1 where they differ.

    \b
    lstm-parity diagnose model.h5 suspect.safetensors
    lstm-parity diagnose model.h5 answers.npz
    """
    from harness.diagnosis import models, recordings

    a = confined.load(reference, config, trusted=trusted)
    if suspect.suffix == ".npz":
        inputs, outputs = _recording(suspect, trusted)
        places = recordings.diagnose_recording(a, inputs, outputs)
    else:
        places = models.diagnose_portables(a, confined.load(suspect, trusted=trusted))
    click.echo(json.dumps([asdict(p) for p in places], indent=1) if as_json else "\n".join(_lines(places)))
    return int(bool(places))


def _recording(path: Path, trusted: bool) -> tuple[tuple[Any, ...], dict[str, Any]]:
    arrays = confined.recording(path, trusted=trusted)
    inputs = tuple(arrays[name] for name in sorted(arrays) if name.startswith("x"))
    outputs = {name: array for name, array in arrays.items() if name.startswith("y")}
    if not inputs or not outputs:
        raise DamagedFile(
            "not a recording",
            where=str(path),
            found=[shown(name) for name in sorted(arrays)],
            expected="x (or x0, x1 …) and y (or y0, y1 …)",
        )
    return inputs, outputs


def _lines(places: Sequence[Any]) -> list[str]:
    """One paragraph a layer."""
    if not places:
        return ["They agree."]
    lines = []
    for place in places:
        for finding in place.findings:
            certain = "" if finding.explains else "no known mistake explains it; perhaps: "
            lines.append(printable(f"{place.layer}: {certain}{finding.name}: {finding.explanation}."))
            lines += [printable(f"  Where: {finding.where}.")] if finding.where and not finding.explains else []
            lines += [printable(f"  It can't be told from {', '.join(finding.ties)}.")] if finding.ties else []
            lines.append(printable(f"  Fix: {finding.fix}."))
    return lines
