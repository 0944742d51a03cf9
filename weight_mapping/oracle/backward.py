"""Backpropagation through time by hand: the adjoint of `recurrent.forward`, line by line in reverse."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from weight_mapping.errors import PortingError
from weight_mapping.oracle.cells import EQUATIONS
from weight_mapping.oracle.conv_lstm import channels, channels_last
from weight_mapping.oracle.recurrent import flipped, products, step_mask
from weight_mapping.oracle.trace import Bool, CellTrace, Float, Gradients, Trace
from weight_mapping.spec import Bidirectional, Path, Recurrent
from weight_mapping.weights import CellWeights


def backward(trace: Trace, d_outputs: Sequence[ArrayLike | None]) -> Gradients:
    """The gradients of a scalar, from its gradients by each of the trace's outputs (None: zero)."""
    if len(d_outputs) != len(trace.outputs):
        raise PortingError("one gradient for each output", found=len(d_outputs), expected=len(trace.outputs))
    d = [
        np.zeros_like(output) if given is None else np.asarray(given, np.float64)
        for given, output in zip(d_outputs, trace.outputs, strict=True)
    ]
    for gradient, output in zip(d, trace.outputs, strict=True):
        if gradient.shape != output.shape:
            raise PortingError("a gradient has the shape of its output", found=gradient.shape, expected=output.shape)
    if isinstance(trace.layer, Bidirectional):
        return _bidirectional(trace, trace.layer, d)
    return _recurrent(trace, trace.layer, d)


def _recurrent(trace: Trace, layer: Recurrent, d: list[Float]) -> Gradients:
    d_states = d[1:] or [np.zeros_like(state) for state in trace.states]
    d_final = [channels_last(layer, state, 1) for state in d_states]
    if layer.return_sequences:
        d_y = channels_last(layer, d[0].swapaxes(0, 1) if layer.time_major else d[0], 2)
    else:
        *_, last = trace.cells.values()
        d_y = np.zeros_like(last.outputs)
        d_y[:, -1] = channels_last(layer, d[0], 1)
    d_initial: list[Float] = []
    weights: dict[Path, CellWeights] = {}
    for path, cell in reversed(list(trace.cells.items())):
        count = len(cell.states)
        own, d_final = d_final[-count:], d_final[:-count]
        d_y, d_own, weights[path] = _run(layer, cell, trace.mask, d_y, own)
        d_initial = [*d_own, *d_initial]
    d_x = channels(layer, d_y, 2)
    d_x = d_x[:, ::-1] if layer.go_backwards else d_x
    return Gradients(
        x=d_x.swapaxes(0, 1) if layer.time_major else d_x,
        initial_state=[channels(layer, state, 1) for state in d_initial],
        weights={path: weights[path] for path in trace.cells},
    )


def _run(
    layer: Recurrent, trace: CellTrace, mask: Bool | None, d_outputs: Float, d_final: list[Float]
) -> tuple[Float, tuple[Float, ...], CellWeights]:
    """The gradients of one cell's inputs (B, T, …), initial states and weights."""
    w, u = products(trace.cell, trace.weights, trace.dropout)
    d_states, d_repeated = tuple(d_final), np.zeros_like(d_outputs[:, 0])
    d_wx: list[Float] = []
    for t in reversed(range(len(trace.steps))):
        counts = step_mask(mask, t, d_repeated.ndim)
        previous = tuple(state[:, t] for state in trace.states)
        d_output = d_outputs[:, t] + d_repeated
        d_h, *d_c = (np.where(counts, d, 0) for d in d_states)
        d_new = (d_h + np.where(counts, d_output, 0), *d_c)
        d_s, d_old = EQUATIONS[trace.cell.kind].adjoint(trace.cell, u, trace.steps[t], previous, d_new)
        d_states = tuple(np.where(counts, 0, d) + through for d, through in zip(d_states, d_old, strict=True))
        d_repeated = np.zeros_like(d_output) if layer.zero_output_for_mask else np.where(counts, 0, d_output)
        d_wx.append(d_s)
    d_x = w.adjoint(trace.inputs, np.stack(d_wx[::-1], axis=2))
    bias = {"none": None, "single": w.d_bias[None], "split": np.stack([w.d_bias, u.d_bias])}[trace.weights.bias_form]
    gradients = CellWeights(
        kind=trace.weights.kind,
        kernel=w.d_matrix,
        recurrent=u.d_matrix,
        bias=bias,
        reset_after=trace.weights.reset_after,
    )
    return d_x, d_states, gradients


def _bidirectional(trace: Trace, layer: Bidirectional, d: list[Float]) -> Gradients:
    ahead, back = trace.parts
    a, b = ahead.outputs[0], flipped(layer, back.outputs[0])
    y = d[0]
    match layer.merge:
        case "concat":
            d_a, d_b = y[..., : a.shape[-1]], y[..., a.shape[-1] :]
        case "sum":
            d_a, d_b = y, y
        case "mul":
            d_a, d_b = y * b, y * a
        case "ave":
            d_a, d_b = y / 2, y / 2
        case "none":
            d_a, d_b = d[0], d[1]
    d_states: list[Float | None] = list(d[2 if layer.merge == "none" else 1 :])
    split = layer.forward.state_count
    one = backward(ahead, [d_a, *d_states[:split]])
    two = backward(back, [flipped(layer, d_b), *d_states[split:]])
    return Gradients(
        x=one.x + two.x,
        initial_state=one.initial_state + two.initial_state,
        weights={("forward", *path): found for path, found in one.weights.items()}
        | {("backward", *path): found for path, found in two.weights.items()},
    )
