"""The shape of an input that the file leaves open, as the first layer's weights tell it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from weight_mapping.spec import Bidirectional, Cell, Layer, ModelSpec, Path, Plain, Recurrent, TimeDistributed
from weight_mapping.weights import CellWeights, LeafWeights

Shape = tuple[int | None, ...]


def with_input_shapes(spec: ModelSpec, weights: Mapping[Path, LeafWeights]) -> ModelSpec:
    """The model with every input's shape that its first layer settles: (batch, time, the kernel's input width)."""
    inputs = tuple(
        one if one.shape is not None else replace(one, shape=_shape_at(spec, one.name, weights)) for one in spec.inputs
    )
    return replace(spec, inputs=inputs)


def _shape_at(spec: ModelSpec, name: str, weights: Mapping[Path, LeafWeights]) -> Shape | None:
    first = next((n for n in spec.nodes if any(ref.node == name for ref in n.inputs)), None)
    return None if first is None else _shape(spec.layers[first.layer], (first.layer,), weights)


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
        case Plain(kind="conv"):
            rank = layer.options["rank"]
            width = _width(weights[path], rank)
            return (None, width, *(None,) * rank) if layer.options["channels_first"] else (None, *(None,) * rank, width)
        case _:
            return None


def _width(weights: LeafWeights, axis: int) -> int:
    kernel = weights.kernel if isinstance(weights, CellWeights) else weights["kernel"]
    return int(kernel.shape[axis])
