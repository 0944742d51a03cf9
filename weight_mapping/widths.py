"""The shapes of a model's inputs where its configuration leaves them open: the first layer's weights tell the width."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from weight_mapping.plain import KINDS
from weight_mapping.spec import Bidirectional, Cell, Layer, ModelSpec, Path, Plain, Recurrent, TimeDistributed
from weight_mapping.weights import LeafWeights

Shape = tuple[int | None, ...]
_KEEP_SHAPE = {kind for kind, row in KINDS.items() if row.mask in ("pass", "make")} - {
    "embedding", "dense", "maxout_dense",
}  # fmt: skip
"""Layers that give what they take, element by element."""


def with_input_shapes(spec: ModelSpec, weights: Mapping[Path, LeafWeights]) -> ModelSpec:
    """The model with every input's shape that its first layer settles: (batch, time, the kernel's input width)."""
    inputs = tuple(
        one if one.shape is not None else replace(one, shape=_shape_at(spec, one.name, weights)) for one in spec.inputs
    )
    return replace(spec, inputs=inputs)


def _shape_at(spec: ModelSpec, name: str, weights: Mapping[Path, LeafWeights], path: Path = ()) -> Shape | None:
    """The shape of a tensor of the model, as the first layer that takes it says."""
    calls = ((node, n) for node in spec.nodes for n, ref in enumerate(node.inputs) if ref.node == name)
    for node, n in calls:
        own = (*path, node.layer)
        match spec.layers[node.layer]:
            case ModelSpec(inputs=inputs) as inner:
                return inputs[n].shape or _shape_at(inner, inputs[n].name, weights, own)
            case Plain(kind=kind) if kind in _KEEP_SHAPE:
                return _shape_at(spec, node.name, weights, path)
            case layer:
                return _shape(layer, own, weights)
    return None


def _shape(layer: Layer, path: Path, weights: Mapping[Path, LeafWeights]) -> Shape | None:
    match layer:
        case Recurrent() if isinstance(layer.cells[0], Cell):
            return (None, None, layer.cells[0].input_size)
        case Bidirectional():
            return _shape(layer.forward, (*path, "forward"), weights)
        case TimeDistributed():
            inner = _shape(layer.layer, (*path, "layer"), weights)
            return None if inner is None else (None, None, *inner[1:])
        case Plain(kind="embedding"):
            return (None, None)
        case Plain(kind="dense"):
            return (None, _width(weights[path], 0))
        case Plain(kind="maxout_dense"):
            return (None, _width(weights[path], 1))
        case Plain(kind="conv"):
            rank = layer.options["rank"]
            width = _width(weights[path], rank)
            return (None, width, *(None,) * rank) if layer.options["channels_first"] else (None, *(None,) * rank, width)
        case _:
            return None


def _width(weights: LeafWeights, axis: int) -> int:
    assert isinstance(weights, Mapping)
    return int(weights["kernel"].shape[axis])
