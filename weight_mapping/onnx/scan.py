"""Cells over time as a loop, ONNX's Scan: for masks, and for cells that its recurrent operators can't state.

Everything has time first, and channels before the axes of space: x (T, B, i, …), masks (T, B), states (B, u, …). Gates
lie one behind the other in the axis of units, in the order of `spec.GATES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import onnx
from onnx import helper

from weight_mapping.activations import check_gate
from weight_mapping.onnx import functions as xp
from weight_mapping.onnx.activations import activated
from weight_mapping.onnx.convolution import convolve
from weight_mapping.onnx.graph import Graph
from weight_mapping.onnx.operators import Run
from weight_mapping.onnx.tensor import Tensor
from weight_mapping.spec import Cell, ConvCell
from weight_mapping.weights import Array, CellWeights

ALL = slice(None)
Product = Callable[[Tensor, slice], Tensor]
Step = Callable[[Cell | ConvCell, Product, Tensor, Sequence[Tensor]], list[Tensor]]


def run(
    g: Graph, cell: Cell | ConvCell, weights: CellWeights, x: Tensor, mask: Tensor | None, states: Sequence[Tensor], *,
    reverse: bool, zero_output: bool,
) -> Run:  # fmt: skip
    """The cell over x. Masked steps keep the states; the output repeats the last one, or is 0 with `zero_output`."""
    for of in (cell.activation, cell.recurrent_activation):
        check_gate(of, images=isinstance(cell, ConvCell))
    wx, product = _products(g, cell, weights, x)
    zeros = xp.zeros_like(wx[0, :, : cell.units])
    before = [*(states or [zeros] * len(cell.states)), *([] if mask is None else [zeros])]
    fed = [wx, *([] if mask is None else [mask])]
    with g.body() as nodes:
        carried = [g.tensor("state", g.dtype, zeros.sizes) for _ in before]
        steps = [g.tensor("step", each.dtype, each.sizes[1:]) for each in fed]
        after = STEPS[cell.kind](cell, product, steps[0], carried[: len(cell.states)])
        if mask is not None:
            counts = steps[1].reshape(steps[1].shape[0], *(1,) * (zeros.ndim - 1))
            output = xp.where(counts, after[0], 0.0 if zero_output else carried[-1])
            after = [*(xp.where(counts, new, old) for new, old in zip(after, carried, strict=False)), output]
        leaving = [g.op("Identity", each) for each in after]
        leaving.append(g.op("Identity", leaving[0 if mask is None else -1]))
        body = helper.make_graph(nodes, g.name("body"), [_info(t) for t in (*carried, *steps)], [*map(_info, leaving)])
    types = [(t.dtype, zeros.sizes) for t in leaving[:-1]] + [(g.dtype, (wx.sizes[0], *zeros.sizes))]
    *final, sequence = g.ops(
        "Scan", *before, *fed, outputs=len(types), types=types, body=body, num_scan_inputs=len(fed),
        scan_input_directions=[int(reverse)] * len(fed), scan_output_directions=[int(reverse)],
    )  # fmt: skip
    return Run(sequence, final[0 if mask is None else -1], final[: len(cell.states)])


def _info(tensor: Tensor) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(tensor.name, helper.np_dtype_to_tensor_dtype(tensor.dtype), tensor.sizes)


def _products(g: Graph, cell: Cell | ConvCell, weights: CellWeights, x: Tensor) -> tuple[Tensor, Product]:
    """What the inputs of all steps bring, (T, B, G u, …) with their bias, and the product of the states by gates."""
    bias, recurrent_bias = (*(weights.bias if weights.bias is not None else ()), None, None)[:2]
    if isinstance(cell, ConvCell):
        return _convolutions(cell, weights, x, bias)

    def product(h: Tensor, gates: slice) -> Tensor:
        y = h @ g.constant(_fused(weights.recurrent[gates]).T, "recurrent_kernel")
        return y if recurrent_bias is None else y + g.constant(recurrent_bias[gates].ravel(), "recurrent_bias")

    wx = x @ g.constant(_fused(weights.kernel).T, "kernel")
    return wx if bias is None else wx + g.constant(bias.ravel(), "bias"), product


def _convolutions(cell: ConvCell, weights: CellWeights, x: Tensor, bias: Array | None) -> tuple[Tensor, Product]:
    """The same with convolutions: the inputs' has the layer's geometry, the states' keeps the size."""
    once = (1,) * cell.rank
    images = convolve(
        x.reshape(-1, *x.shape[2:]), _fused(weights.kernel), None if bias is None else bias.ravel(),
        strides=cell.strides, dilation=cell.dilation, padding=cell.padding, pad_start=cell.pad_start,
    )  # fmt: skip

    def product(h: Tensor, gates: slice) -> Tensor:
        kernel = _fused(weights.recurrent[gates])
        return convolve(h, kernel, None, strides=once, dilation=once, padding="same", pad_start=cell.pad_start)

    return images.reshape(*x.shape[:2], *images.shape[1:]), product


def _fused(array: Array) -> Array:
    """(g, u, …) as (g u, …)."""
    return array.reshape(-1, *array.shape[2:])


def _gates(x: Tensor, units: int) -> list[Tensor]:
    return [x[:, n * units : (n + 1) * units] for n in range((x.sizes[1] or 0) // units)]


def _lstm(cell: Cell | ConvCell, u: Product, wx: Tensor, states: Sequence[Tensor]) -> list[Tensor]:
    h, c = states
    i, f, g, o = _gates(wx + u(h, ALL), cell.units)
    i, f, o = (activated(cell.recurrent_activation, gate) for gate in (i, f, o))
    c = f * c + i * activated(cell.activation, g)
    return [o * activated(cell.activation, c), c]


def _gru(cell: Cell | ConvCell, u: Product, wx: Tensor, states: Sequence[Tensor]) -> list[Tensor]:
    (h,) = states
    x_z, x_r, x_n = _gates(wx, cell.units)
    if isinstance(cell, Cell) and cell.reset_after:
        u_z, u_r, inner = _gates(u(h, ALL), cell.units)
    else:
        (u_z, u_r), inner = _gates(u(h, slice(0, 2)), cell.units), None
    z, r = activated(cell.recurrent_activation, x_z + u_z), activated(cell.recurrent_activation, x_r + u_r)
    n = activated(cell.activation, x_n + (u(r * h, slice(2, 3)) if inner is None else r * inner))
    return [z * h + (1.0 - z) * n]


def _rnn(cell: Cell | ConvCell, u: Product, wx: Tensor, states: Sequence[Tensor]) -> list[Tensor]:
    return [activated(cell.activation, wx + u(states[0], ALL))]


STEPS: Mapping[str, Step] = {"lstm": _lstm, "conv_lstm": _lstm, "gru": _gru, "rnn": _rnn}
"""One step: the new states, h first."""
