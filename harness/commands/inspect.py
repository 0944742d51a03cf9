"""`lstm-parity inspect`: what is in a file, and what a port would do with it. No framework is imported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from weight_mapping.errors import PortingError, Unsupported, printable, shown


@click.command("inspect")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--config", type=click.Path(path_type=Path), help="Where the configuration of a weights-only file lies.")
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON.")
def command(file: Path, config: Path | None, as_json: bool) -> int:
    """Explain FILE: its container, its writer, every layer, every array, and what a port would do. Exit code 0 also
    where a port would be refused as unsupported: that is explained; 3 where the file is damaged or unsafe."""
    findings = inspect(file, config)
    click.echo(json.dumps(findings, indent=1) if as_json else "\n".join(_lines(findings)))
    return 0


def inspect(file: Path, config: Path | None = None) -> dict[str, Any]:
    """The findings as plain data."""
    from weight_mapping.files import open_archive

    archive = open_archive(file, config)
    findings: dict[str, Any] = {
        "file": str(file), "container": archive.container, "sha256": archive.sha256,
        "keras_version": archive.keras_version, "backend": archive.backend,
        "arrays": [{"name": s.name, "shape": list(s.shape), "dtype": str(s.dtype)} for s in archive.stored()],
        "parameters": sum(s.nbytes // s.dtype.itemsize for s in archive.stored()),
    }  # fmt: skip
    try:
        findings |= _port_of(archive)
    except Unsupported as refused:
        findings["port"] = f"refused: {refused}"
    except PortingError as refused:
        if archive.config is not None:
            raise
        findings["port"] = f"refused: {refused}"
    return findings


def _port_of(archive: Any) -> dict[str, Any]:
    from harness.port import fate, words
    from weight_mapping.addresses import locate, settle
    from weight_mapping.expectations import expectations
    from weight_mapping.loading import understand
    from weight_mapping.spec import Custom

    if archive.container == "safetensors" and "spec" in archive.metadata:
        from weight_mapping.exchange import from_archive

        spec, resolved = from_archive(archive).spec, ()
    else:
        parsed = understand(archive)
        spec, resolved = parsed.spec, parsed.resolved
        for one, headers in locate(parsed, list(expectations(parsed)), archive):
            if not isinstance(one.leaf, Custom):
                settle(one, headers)
    layers = [{"name": n, "class": words(layer), "fate": fate(layer)} for n, layer in spec.layers.items()]
    refused = [row for row in layers if row["fate"] != "ported"]
    port = "every layer can be ported"
    if refused:
        port = f"{refused[0]['name']}: {refused[0]['fate']}; --layers-only ports the recurrent layers around it"
    return {
        "model": spec.name, "layers": layers, "resolved": list(resolved), "port": port,
        "inputs": [{"name": i.name, "shape": list(i.shape) if i.shape else None} for i in spec.inputs],
        "outputs": [f"{ref.node}:{ref.output}" for ref in spec.outputs],
    }  # fmt: skip


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
