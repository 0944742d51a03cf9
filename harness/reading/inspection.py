"""What is in a file, and what a port would do with it, as plain data. No framework is imported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.porting.described import fate, words
from weight_mapping.addresses import locate
from weight_mapping.addresses.found import settle
from weight_mapping.drafting.open_choices import questions
from weight_mapping.errors import DamagedFile, PortingError, shown
from weight_mapping.exchange import from_archive
from weight_mapping.expectations import expectations
from weight_mapping.files import open_archive
from weight_mapping.files.archive import Archive
from weight_mapping.files.guard import reading
from weight_mapping.loading import understand
from weight_mapping.spec import Custom


def inspect(file: Path, config: Path | None = None, *, max_bytes: int = 4 << 30) -> dict[str, Any]:
    """The file's container, writer, arrays and layers, and the fate of each in a port. What a port would refuse as
    unsupported is among the findings; a damaged or unsafe file raises."""
    with reading(shown(file.name)):
        return _findings(file, open_archive(file, config, max_bytes=max_bytes))


def _findings(file: Path, archive: Archive) -> dict[str, Any]:
    findings: dict[str, Any] = {
        "file": str(file), "container": archive.container, "sha256": archive.sha256,
        "keras_version": archive.keras_version, "backend": archive.backend,
        "arrays": [{"name": s.name, "shape": list(s.shape), "dtype": str(s.dtype)} for s in archive.stored()],
        "parameters": sum(s.nbytes // s.dtype.itemsize for s in archive.stored()),
    }  # fmt: skip
    try:
        return findings | _port_of(archive)
    except DamagedFile:
        raise
    except PortingError as refused:
        return findings | _outlined(archive) | {"port": f"refused: {refused}"}


def _outlined(archive: Archive) -> dict[str, Any]:
    """Of weights alone: the layers that their names and shapes tell."""
    if archive.config is not None or archive.container == "safetensors":
        return {}
    from weight_mapping.drafting.outline import outline

    try:
        config = outline(archive)
    except DamagedFile:
        raise
    except PortingError as problem:
        return {"resolved": [f"no draft: {problem}"]}
    layers = [
        {"name": layer["config"]["name"], "class": layer["class_name"], "fate": "ported"}
        for layer in config["config"]["layers"]
    ]
    said = f"by names and shapes; {len(list(questions(config)))} choices are open: see lstm-parity draft"
    return {"layers": layers, "resolved": [said]}


def _port_of(archive: Archive) -> dict[str, Any]:
    if archive.container == "safetensors" and "spec" in archive.metadata:
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
