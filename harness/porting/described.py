"""What a port is said to be, on its page, in proof.json and by `inspect`: every layer's fate, every weight's way."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from weight_mapping.bits import slices
from weight_mapping.spec import Cell, ConvCell, Custom, Layer, Operation, Plain, leaves
from weight_mapping.weights import CellWeights, Portable


def described(portable: Portable, module_of: Mapping[str, str], held_by: Mapping[str, str]) -> dict[str, Any]:
    """What the page and proof.json say of a port: every layer's fate, every weight's way, what was resolved.
    `module_of`: what each layer became; `held_by`: what holds each array in the port."""
    source = portable.source
    prints, arrays = portable.fingerprints(), portable.arrays()
    origins = _origins(portable)
    return {
        "file": source.path, "sha256": source.sha256, "container": source.container,
        "keras_version": source.keras_version, "backend": source.backend,
        "parameters": sum(int(array.size) for array in arrays.values()),
        "layers": [
            {"name": name, "class": words(layer), "module": module_of.get(name, ""), "fate": fate(layer)}
            for name, layer in portable.spec.layers.items()
        ],
        "graph": [
            {"name": n.name, "layer": n.layer, "inputs": [ref.node for ref in (*n.inputs, *n.initial_state)]}
            for n in portable.spec.nodes
        ],
        "inputs": [
            {"name": i.name, "shape": str(i.shape or "any shape").replace("None", "any")} for i in portable.spec.inputs
        ],
        "outputs": [ref.node for ref in portable.spec.outputs],
        "weights": [
            {
                "source": origins.get(name, ""), "array": name, "shape": list(array.shape), "dtype": str(array.dtype),
                "destination": held_by.get(name, ""), "sha256": prints[name],
            }
            for name, array in arrays.items()
        ],
        "resolved": list(source.resolved),
        "warnings": warnings(portable),
    }  # fmt: skip


def _origins(portable: Portable) -> dict[str, str]:
    """For each array the name that it had in the file, told by its last word, or by its number in Keras 3's `vars`; all
    names of its leaf where neither tells it."""
    found: dict[str, str] = {}
    for path, _, weights in portable.leaves():
        own = [name for name, _ in weights.arrays()] if isinstance(weights, CellWeights) else list(weights)
        names = portable.source.origins.get(path, ())
        numbered = len(own) == len(names) and all(n.endswith(f"/vars/{k}") for k, n in enumerate(names))
        for number, name in enumerate(own):
            called = {"recurrent": "recurrent_kernel"}.get(name, name)
            alone = [n for n in names if re.fullmatch(rf"{re.escape(called)}(_\d+)?(:\d+)?", n.rpartition("/")[2])]
            alone = [names[number]] if numbered else alone
            found["/".join((*path, name))] = alone[0] if len(alone) == 1 else ", ".join(names)
    return found


def words(layer: Layer) -> str:
    """A layer in a few words: LSTM(128), tanh, hard_sigmoid(slope=1/5)."""
    cells = [leaf for _, leaf in leaves(layer) if isinstance(leaf, Cell | ConvCell)]
    name = type(layer).__name__
    if isinstance(layer, Plain):
        shown = {k: v for k, v in layer.options.items() if k in ("units", "rate", "activation", "filters", "input_dim")}
        return f"{layer.kind}({', '.join(f'{k}={v}' for k, v in shown.items())})"
    if isinstance(layer, Operation | Custom):
        return layer.name if isinstance(layer, Operation) else layer.class_name
    inside = "; ".join(
        f"{c.kind.upper()}({c.units}) {c.activation}" + (f", {c.recurrent_activation}" if c.kind != "rnn" else "")
        for c in cells
    )
    return inside if name == "Recurrent" else f"{name}[{inside}]"


def fate(layer: Layer) -> str:
    refusals = [leaf.refusal for _, leaf in leaves(layer) if isinstance(leaf, Custom)]
    return f"refused: {refusals[0]}" if refusals else "ported"


def warnings(portable: Portable) -> list[str]:
    """What a user should know before relying on the numbers."""
    found = []
    for name, array in portable.arrays().items():
        if array.dtype.kind == "f" and not all(np.isfinite(part).all() for part in slices(array)):
            found.append(f"{name} contains NaN or infinity")
        elif array.dtype == np.float16:
            found.append(f"{name} is stored in half precision")
    if any("hard_sigmoid" in line for line in portable.source.resolved):
        found.append(
            "hard_sigmoid has another slope in other Keras generations: the same weights give other outputs there"
        )
    return found
