"""Inputs on which a mistake in a whole model must show: random, ids within each vocabulary, some steps masked."""

from __future__ import annotations

import numpy as np

from weight_mapping.masks import reachable
from weight_mapping.operations.table import ROWS
from weight_mapping.plain import KINDS
from weight_mapping.spec import Input, Layer, ModelSpec, Operation, Plain, TimeDistributed
from weight_mapping.weights import Array

BATCH, TIME, SIDE = 3, 12, 8
"""The sizes of axes that the model leaves open: batch, time (the first open one behind it), any other."""


def probe(spec: ModelSpec, seed: int = 0, *, batch: int = BATCH) -> list[Array]:
    """One float32 array an input, of a shape that the model takes. Where a mask can arise, the last steps of the second
    row and a step within the third are masked (id 0, or the features that Masking looks for)."""
    rng = np.random.default_rng(seed)
    return [_drawn(spec, one, rng, batch) for one in spec.inputs]


def _drawn(spec: ModelSpec, one: Input, rng: np.random.Generator, batch: int) -> Array:
    shape = sizes(one, batch)
    vocabulary, blank = _vocabulary(spec, one.name), _blank(spec, one.name)
    if one.dtype == "bool":
        x = rng.integers(0, 2, shape).astype(np.float32)
        x[:, :1] = 1  # a mask that hides every step leaves nothing to average
    elif vocabulary is not None:
        x = rng.integers(1 if vocabulary > 1 else 0, vocabulary, shape).astype(np.float32)
    else:
        x = rng.standard_normal(shape).astype(np.float32)
    if blank is not None and x.ndim > 1 and x.shape[1] > 3 and len(x) > 2 and reachable(spec):
        x[1, -3:], x[2, 1] = blank, blank
    return x


def sizes(one: Input, batch: int = BATCH) -> tuple[int, ...]:
    """The shape of the array that `probe` draws for this input."""
    shape = one.shape or (None, None, None)
    opened = [n for n, size in enumerate(shape) if size is None and n > 0]
    found = [size if size is not None else TIME if n == opened[0] else SIDE for n, size in enumerate(shape) if n > 0]
    return (shape[0] or batch, *found)


def _consumers(spec: ModelSpec, name: str) -> list[Plain]:
    """The layers that take an input's own numbers: at each step, inside a model, or behind what only moves numbers. A
    model within is looked into once for each of its inputs, however often it is called."""
    found: list[Plain] = []
    waiting, seen = [(spec, name)], set()
    while waiting:
        model, entering = waiting.pop()
        if (id(model), entering) in seen:
            continue
        seen.add((id(model), entering))
        followed = {entering}
        for node in model.nodes:
            layer = model.layers[node.layer]
            while isinstance(layer, TimeDistributed):
                layer = layer.layer
            given = [place for place, ref in enumerate(node.inputs) if ref.node in followed]
            if isinstance(layer, ModelSpec):
                waiting += [(layer, layer.inputs[place].name) for place in given]
            elif isinstance(layer, Plain) and given:
                found.append(layer)
            if given and _moves(layer):
                followed.add(node.name)
    return found


def _moves(layer: Layer) -> bool:
    """Whether the layer's outputs are its inputs' numbers, at other places."""
    if isinstance(layer, Plain):
        return KINDS[layer.kind].moves or KINDS[layer.kind].training_only
    return isinstance(layer, Operation) and layer.name in ROWS and ROWS[layer.name].moves


def _vocabulary(spec: ModelSpec, name: str) -> int | None:
    sizes = [layer.options["input_dim"] for layer in _consumers(spec, name) if layer.kind == "embedding"]
    return min(sizes) if sizes else None


def _blank(spec: ModelSpec, name: str) -> float | None:
    for layer in _consumers(spec, name):
        if layer.kind == "masking":
            return float(layer.options["mask_value"])
        if layer.kind == "embedding" and layer.options["mask_zero"]:
            return 0.0
    return None
