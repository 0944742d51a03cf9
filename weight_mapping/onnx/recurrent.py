"""Recurrent layers in ONNX: direction, stacks, two directions at once, and the order of axes that the layer has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from weight_mapping.onnx import functions as xp
from weight_mapping.onnx import operators, scan
from weight_mapping.onnx.graph import Graph
from weight_mapping.onnx.operators import Run
from weight_mapping.onnx.tensor import Tensor
from weight_mapping.spec import Bidirectional, ConvCell, Path, Recurrent
from weight_mapping.weights import CellWeights

Weights = Mapping[Path, CellWeights]


@dataclass(frozen=True, slots=True)
class Ran:
    """A layer's outputs as Keras returns them, and its final states, returned or not."""

    outputs: list[Tensor]
    states: list[Tensor]


def run(
    g: Graph, layer: Recurrent | Bidirectional, weights: Weights, x: Tensor, mask: Tensor | None,
    states: Sequence[Tensor],
) -> Ran:  # fmt: skip
    """The layer over x (B, T, …), time first if time_major; the mask has its first two axes."""
    x = x.floating()
    mask = None if mask is None else mask.astype(bool)
    if isinstance(layer, Bidirectional):
        return _bidirectional(g, layer, weights, x, mask, states)
    found = _over_time(g, layer, weights, x, mask, states)
    return _ran(layer, [_output(layer, found, flip=layer.go_backwards)], found.states)


def _ran(layer: Recurrent, outputs: list[Tensor], states: list[Tensor]) -> Ran:
    return Ran([*outputs, *(states if layer.return_state else [])], states)


def _over_time(
    g: Graph, layer: Recurrent, weights: Weights, x: Tensor, mask: Tensor | None, states: Sequence[Tensor]
) -> Run:
    """The cells one above the other; the sequence (T, B, …) in the order of time, channels before space."""
    x, mask = _time_first(layer, x), mask if mask is None or layer.time_major else xp.swapaxes(mask, 0, 1)
    waiting = [_channels_first(layer, state, 1) for state in states]
    final: list[Tensor] = []
    for n, cell in enumerate(layer.cells):
        own, waiting = waiting[: len(cell.states)], waiting[len(cell.states) :]
        w = weights[(str(n),)]
        if mask is None and operators.states_it(cell):
            (found,) = operators.run(g, [(cell, w)], x, [own], reverse=layer.go_backwards)
        else:
            found = scan.run(
                g, cell, w, x, mask, own, reverse=layer.go_backwards, zero_output=layer.zero_output_for_mask
            )
        x, final = found.sequence, [*final, *found.states]
    return Run(x, found.last, [_channels_back(layer, state, 1) for state in final])


def _bidirectional(
    g: Graph, layer: Bidirectional, weights: Weights, x: Tensor, mask: Tensor | None, states: Sequence[Tensor]
) -> Ran:
    split = layer.forward.state_count
    sides = [("forward", layer.forward, states[:split]), ("backward", layer.backward, states[split:])]
    own = {name: {path[1:]: w for path, w in weights.items() if path[0] == name} for name, _, _ in sides}
    if mask is None and _together(layer):
        cells = [(side.cells[0], own[name][("0",)]) for name, side, _ in sides]
        ahead, back = operators.run(g, cells, _time_first(layer.forward, x), [s for *_, s in sides], reverse=False)
    else:
        ahead, back = (_over_time(g, side, own[name], x, mask, given) for name, side, given in sides)
    # The backward layer's outputs are turned once more: those of a layer that goes backwards are in order then.
    a = _output(layer.forward, ahead, flip=layer.forward.go_backwards)
    b = _output(layer.backward, back, flip=not layer.backward.go_backwards)
    y = {
        "concat": lambda: [xp.concatenate([a, b], -1)],
        "sum": lambda: [a + b],
        "mul": lambda: [a * b],
        "ave": lambda: [(a + b) / 2.0],
        "none": lambda: [a, b],
    }[layer.merge]()
    return _ran(layer.forward, y, [*ahead.states, *back.states])


def _together(layer: Bidirectional) -> bool:
    """Whether one operator runs both directions."""
    one, other = layer.forward, layer.backward
    alone = len(one.cells) == len(other.cells) == 1 and one.time_major == other.time_major
    ways = not one.go_backwards and other.go_backwards
    return alone and ways and operators.state_together(one.cells[0], other.cells[0])


def _output(layer: Recurrent, found: Run, *, flip: bool) -> Tensor:
    """The sequence as the layer hands it out, or its last output."""
    if not layer.return_sequences:
        return _channels_back(layer, found.last, 1)
    y = xp.flip(found.sequence, 0) if flip else found.sequence
    y = _channels_back(layer, y, 2)
    return y if layer.time_major else xp.swapaxes(y, 0, 1)


def _time_first(layer: Recurrent, x: Tensor) -> Tensor:
    return _channels_first(layer, x if layer.time_major else xp.swapaxes(x, 0, 1), 2)


def _images(layer: Recurrent) -> bool:
    """Whether the layer's data are images with their channels last."""
    return isinstance(layer.cells[0], ConvCell) and not layer.cells[0].channels_first


def _channels_first(layer: Recurrent, x: Tensor, axis: int) -> Tensor:
    return xp.moveaxis(x, -1, axis) if _images(layer) else x


def _channels_back(layer: Recurrent, x: Tensor, axis: int) -> Tensor:
    return xp.moveaxis(x, axis, -1) if _images(layer) else x
