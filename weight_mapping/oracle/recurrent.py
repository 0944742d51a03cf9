"""Running cells over time: masks, direction, initial states, stacks, and two directions at once.

Source of the rules: the `rnn` function and the wrappers of Keras 3.15 and tf_keras 2.21, measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from weight_mapping.errors import PortingError, WeightsMismatch
from weight_mapping.oracle import conv_lstm
from weight_mapping.oracle.cells import EQUATIONS
from weight_mapping.oracle.products import MatrixProduct, Product
from weight_mapping.oracle.trace import Bool, CellTrace, Dropout, Float, Read, Step, Trace, float64
from weight_mapping.spec import Bidirectional, Cell, ConvCell, Path, Recurrent
from weight_mapping.weights import CellWeights

Item = TypeVar("Item")
Sequences = TypeVar("Sequences", Float, Bool)
Weights = Mapping[Path, CellWeights]
Dropouts = Mapping[Path, Dropout]


def forward(
    layer: Recurrent | Bidirectional,
    weights: Weights,
    x: ArrayLike,
    *,
    mask: ArrayLike | None = None,
    initial_state: Sequence[ArrayLike] = (),
    dropout: Dropouts | None = None,
    read: Read = float64,
    traced: bool = True,
) -> Trace:
    """The layer's run over x (B, T, i), time first if time_major, images for a ConvLSTM; computed in float64.

    `weights` and `dropout` by path within the layer: ("0",), ("forward", "0"). `mask` has the first two axes of x, True
    where a step counts. `initial_state` in Keras' order; zeros where empty. Without `traced` a cell keeps its
    outputs and the states in which it ends, and nothing else of its steps: a third of the memory. Raises
    WeightsMismatch for the weights of another cell, PortingError for a mask or states that do not fit."""
    x = np.asarray(x, np.float64)
    counts = None if mask is None else np.asarray(mask, bool)
    states = [np.asarray(state, np.float64) for state in initial_state]
    if counts is not None and counts.shape != x.shape[:2]:
        raise PortingError("the mask does not fit the input", found=counts.shape, expected=x.shape[:2])
    if states and len(states) != state_count(layer):
        raise PortingError("the layer has another number of states", found=len(states), expected=state_count(layer))
    if 0 in x.shape[:2]:
        raise PortingError("an input without samples or without time steps", found=x.shape)
    if isinstance(layer, Bidirectional):
        return _bidirectional(layer, weights, x, counts, states, dropout or {}, read, traced)
    return _recurrent(layer, weights, x, counts, states, dropout or {}, read, traced)


def _recurrent(
    layer: Recurrent,
    weights: Weights,
    x: Float,
    mask: Bool | None,
    states: list[Float],
    dropout: Dropouts,
    read: Read,
    traced: bool,
) -> Trace:
    y = conv_lstm.channels_last(layer, _in_processing_order(layer, x), 2)
    mask = None if mask is None else _in_processing_order(layer, mask)
    states = [conv_lstm.channels_last(layer, state, 1) for state in states]
    cells: dict[Path, CellTrace] = {}
    for n, cell in enumerate(layer.cells):
        own, states = states[: len(cell.states)], states[len(cell.states) :]
        path = (str(n),)
        drawn = dropout.get(path, Dropout())
        cells[path] = _run(layer, cell, _of(cell, weights, path), y, mask, own, drawn, read, traced)
        y = cells[path].outputs
    final = [conv_lstm.channels(layer, state[:, -1], 1) for trace in cells.values() for state in trace.states]
    if layer.return_sequences:
        y = conv_lstm.channels(layer, y, 2)
        y = y.swapaxes(0, 1) if layer.time_major else y
    else:
        y = conv_lstm.channels(layer, y[:, -1], 1)
    outputs = [y, *(final if layer.return_state else [])]
    return Trace(layer=layer, outputs=outputs, states=final, cells=cells, mask=mask)


def _run(
    layer: Recurrent,
    cell: Cell | ConvCell,
    weights: CellWeights,
    x: Float,
    mask: Bool | None,
    initial: list[Float],
    dropout: Dropout,
    read: Read,
    traced: bool,
) -> CellTrace:
    """One cell over x (B, T, …) in processing order."""
    w, u = products(cell, weights, dropout, read)
    wx = w(x)
    del w  # its matrix is as large as the weights, and twice that in float64
    zeros = np.zeros_like(wx[0, :, 0])
    states = tuple(initial) or (zeros,) * len(cell.states)
    for state in states:
        if state.shape != zeros.shape:
            raise PortingError("an initial state has the wrong shape", found=state.shape, expected=zeros.shape)
    output, history, steps, outputs = zeros, [states], list[Step](), list[Float]()
    for t in range(x.shape[1]):
        step = EQUATIONS[cell.kind].forward(cell, u, wx[:, :, t], states)
        counts = step_mask(mask, t, zeros.ndim)
        output = np.where(counts, step.states[0], zeros if layer.zero_output_for_mask else output)
        states = tuple(np.where(counts, new, old) for new, old in zip(step.states, states, strict=True))
        outputs.append(output)
        if traced:
            steps.append(step)
            history.append(states)
        else:
            history = [states]
    h, *c = (np.stack(each, axis=1) for each in zip(*history, strict=True))
    gates = np.stack([step.gates for step in steps], axis=2) if traced else ()
    return CellTrace(
        cell=cell,
        weights=weights,
        dropout=dropout,
        inputs=x,
        h=h,
        c=c[0] if c else None,
        gates=dict(zip(cell.gates, gates, strict=traced)),
        outputs=np.stack(outputs, axis=1),
        steps=tuple(steps),
    )


def _bidirectional(
    layer: Bidirectional,
    weights: Weights,
    x: Float,
    mask: Bool | None,
    states: list[Float],
    dropout: Dropouts,
    read: Read,
    traced: bool,
) -> Trace:
    split = layer.forward.state_count
    ahead, back = (
        _recurrent(part, inside(weights, name), x, mask, own, inside(dropout, name), read, traced)
        for part, name, own in (
            (layer.forward, "forward", states[:split]), (layer.backward, "backward", states[split:]),
        )
    )  # fmt: skip
    a, b = ahead.outputs[0], flipped(layer, back.outputs[0])
    match layer.merge:
        case "concat":
            y = [np.concatenate([a, b], axis=-1)]
        case "sum":
            y = [a + b]
        case "mul":
            y = [a * b]
        case "ave":
            y = [(a + b) / 2]
        case "none":
            y = [a, b]
    cells = {("forward", *path): cell for path, cell in ahead.cells.items()}
    cells |= {("backward", *path): cell for path, cell in back.cells.items()}
    final = ahead.states + back.states
    outputs = [*y, *(final if layer.forward.return_state else [])]
    return Trace(layer=layer, outputs=outputs, states=final, cells=cells, parts=(ahead, back))


def products(
    cell: Cell | ConvCell, weights: CellWeights, dropout: Dropout, read: Read = float64
) -> tuple[Product, Product]:
    """The product of the inputs and that of the states, each with its part of the bias."""
    parts = [] if weights.bias is None else list(read(weights.bias))
    bias, recurrent_bias = [*parts, None, None][:2]
    if isinstance(cell, ConvCell):
        return conv_lstm.products(cell, read(weights.kernel), read(weights.recurrent), bias, dropout)
    input_mask = None if dropout.input is None else np.asarray(dropout.input, np.float64)
    state_mask = None if dropout.recurrent is None else np.asarray(dropout.recurrent, np.float64)
    of_inputs = MatrixProduct(weights.kernel, bias, input_mask, read)
    return of_inputs, MatrixProduct(weights.recurrent, recurrent_bias, state_mask, read)


def state_count(layer: Recurrent | Bidirectional) -> int:
    if isinstance(layer, Bidirectional):
        return layer.forward.state_count + layer.backward.state_count
    return layer.state_count


def _in_processing_order(layer: Recurrent, sequence: Sequences) -> Sequences:
    """(B, T, …) as the layer walks over it, from what the layer is given."""
    sequence = sequence.swapaxes(0, 1) if layer.time_major else sequence
    return sequence[:, ::-1] if layer.go_backwards else sequence


def flipped(layer: Bidirectional, y: Float) -> Float:
    """The backward layer's outputs in the order of time; its own inverse."""
    return np.flip(y, 0 if layer.backward.time_major else 1) if layer.return_sequences else y


def step_mask(mask: Bool | None, t: int, ndim: int) -> Bool:
    """Which samples count at step t, in a shape that broadcasts over `ndim` axes."""
    return np.ones((1,) * ndim, bool) if mask is None else mask[:, t].reshape(-1, *(1,) * (ndim - 1))


def inside(mapping: Mapping[Path, Item], name: str) -> dict[Path, Item]:
    """What the mapping holds below `name`, by the rest of the path."""
    return {path[1:]: item for path, item in mapping.items() if path[:1] == (name,)}


def _of(cell: Cell | ConvCell, weights: Weights, path: Path) -> CellWeights:
    if path not in weights:
        raise WeightsMismatch("a cell without weights", where="/".join(path), found=sorted(weights))
    weights[path].check(cell, "/".join(path))
    return weights[path]
