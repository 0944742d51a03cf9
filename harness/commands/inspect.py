"""`lstm-parity inspect`: what is in a file, and what a port would do with it. No framework is imported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from harness.reading import confined
from weight_mapping.errors import printable, shown


@click.command("inspect")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--config", type=click.Path(path_type=Path), help="Where the configuration of a weights-only file lies.")
@click.option("--trusted", is_flag=True, help=confined.TRUSTED)
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON.")
def command(file: Path, config: Path | None, trusted: bool, as_json: bool) -> int:
    """Explain FILE: its container, its writer, every layer, every array, and what a port would do. Exit code 0 also
    where a port would be refused as unsupported: that is explained; 3 where the file is damaged or unsafe.

    \b
    lstm-parity inspect model.h5
    lstm-parity inspect weights.h5 --config model.json --json
    """
    findings = {**confined.inspect(file, config, trusted=trusted), "file": str(file)}
    click.echo(json.dumps(findings, indent=1) if as_json else "\n".join(_lines(findings)))
    return 0


def _lines(findings: dict[str, Any]) -> list[str]:
    writer = f"Keras {findings['keras_version']}" if findings["keras_version"] else "an unnamed Keras"
    backend = findings["backend"] or "backend unknown"
    lines = [
        printable(f"{findings['file']}: {findings['container']}, written by {writer}, {backend}"),
        f"sha256 {findings['sha256']}",
        f"{len(findings['arrays'])} arrays, {findings['parameters']:,} numbers",
    ]
    for one in findings.get("inputs", ()):
        lines.append(f"input   {shown(one['name'])} {tuple(one['shape']) if one['shape'] else '(shape open)'}")
    for row in findings.get("layers", ()):
        fate = "" if row["fate"] == "ported" else f"  [{shown(row['fate'])}]"
        lines.append(f"layer   {shown(row['name'])}: {shown(row['class'])}{fate}")
    for array in findings["arrays"]:
        lines.append(f"array   {shown(array['name'])} {tuple(array['shape'])} {array['dtype']}")
    lines += [f"note    {printable(line)}" for line in findings.get("resolved", ())]
    return [*lines, f"port    {printable(findings['port'])}"]
