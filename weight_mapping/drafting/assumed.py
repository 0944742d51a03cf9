"""A draft of the configuration that a file of weights alone leaves out, for the recurrent layers that are recognised.

What names and shapes can't tell (activations, the direction of a single layer, masks) is assumed to be the default of
the Keras that wrote the file, and each assumption is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from weight_mapping.drafting.recognising import WAY_OUT, Sketch, groups, recognise
from weight_mapping.drafting.sketched import stored_layer
from weight_mapping.errors import PortingError, shown
from weight_mapping.files.archive import Archive


def draft(archive: Archive) -> Archive:
    """The archive's recurrent layers alone, each with an input of its own, and the configuration that says so. What was
    assumed is in `assumptions`. Raises PortingError where no recurrent layer can be recognised."""
    layers = recognise(archive)
    if not layers:
        raise PortingError(
            "no recurrent layer can be recognised by names and shapes", where=str(archive.path),
            found=", ".join(shown(stored.name) for stored in archive.stored()[:6]) or "no array",
            way_out=WAY_OUT,
        )  # fmt: skip
    names = _distinct([name for name, _ in layers])
    old = any(cell.form for _, cells in layers for cell in cells)
    version = archive.keras_version or ("1" if old else "3" if archive.tree is not None else None)
    sketched = {name: cells for name, (_, cells) in zip(names, layers, strict=True)}
    config = _model(sketched, archive.path.stem, three=(version or "").startswith("3"))
    arrays = tuple((n, tuple(a for c in cells for a in c.arrays)) for n, (_, cells) in zip(names, layers, strict=True))
    return replace(archive, config=config, keras_version=version, layers=arrays, tree=None, named=None)


def assumptions(archive: Archive, drafted: Archive) -> tuple[str, ...]:
    """One sentence for each thing that the drafted layers take for granted, and one for the layers left out."""
    assert drafted.config is not None
    layers = [layer for layer in drafted.config["config"]["layers"] if layer["class_name"] != "InputLayer"]
    words = [
        f"{layer['name']}: recognised as {layer['class_name']} by names and shapes; assumed: {_assumed(layer)}, "
        "every step returned, no mask, activation tanh"
        for layer in layers
    ]
    taken = {stored.path for stored in drafted.stored()}
    others = [name for name, arrays in groups(archive) if arrays and taken.isdisjoint(a.path for a in arrays)]
    if others:
        words.append(f"left out, since no recurrent layer is recognised there: {', '.join(map(shown, others))}")
    if archive.keras_version is None:
        words.insert(0, f"the file does not say which Keras wrote it; assumed: the defaults of {_writer(drafted)}")
    return tuple(words)


def _assumed(layer: Mapping[str, Any]) -> str:
    if layer["class_name"] == "Bidirectional":
        return "merge_mode concat"
    return "forward in time"


def _writer(drafted: Archive) -> str:
    return f"Keras {drafted.keras_version}" if drafted.keras_version else "tf.keras 2"


def _distinct(names: Sequence[str]) -> list[str]:
    """The names, a number behind each that is already taken."""
    taken: dict[str, int] = {}
    for name in names:
        taken[name] = taken.get(name, 0) + 1
    counted: dict[str, int] = {}
    found = []
    for name in names:
        counted[name] = counted.get(name, 0) + 1
        found.append(name if taken[name] == 1 else f"{name}#{counted[name]}")
    return found


def _model(layers: Mapping[str, list[Sketch]], name: str, *, three: bool) -> dict[str, Any]:
    """A functional model in Keras' words (`three`: Keras 3's): every layer with an input of its own, every output an
    output."""
    written: list[dict[str, Any]] = []
    for layer, cells in layers.items():
        width = {"batch_input_shape": [None, None, cells[0].input_size], "name": f"{layer}/input"}
        written.append({"class_name": "InputLayer", "name": f"{layer}/input", "config": width, "inbound_nodes": []})
        tensor = {"class_name": "__keras_tensor__", "config": {"keras_history": [f"{layer}/input", 0, 0]}}
        node = {"args": [tensor], "kwargs": {}} if three else [[f"{layer}/input", 0, 0, {}]]
        written.append({"name": layer, "inbound_nodes": [node], **_drafted(layer, cells)})
    config = {
        "name": name,
        "layers": written,
        "input_layers": [[f"{layer}/input", 0, 0] for layer in layers],
        "output_layers": [[layer, 0, 0] for layer in layers],
    }
    return {"class_name": "Model", "config": config}


def _drafted(name: str, cells: Sequence[Sketch]) -> dict[str, Any]:
    return stored_layer(name, cells, return_sequences=True, go_backwards=False, merge_mode="concat")
