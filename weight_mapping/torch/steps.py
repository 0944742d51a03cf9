"""One step of each cell, line by line the equations of the papers, and the loop that repeats it over time.

Everything here takes and gives tensors with time first: x (T, B, i), sequences (T, B, h), states (B, h), masks (T, B).
Gates inside are in the order in which PyTorch stores them, but for the LSTM's candidate, which goes last, so that one
call of the recurrent activation serves the three gates before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from weight_mapping.packing import rows_of
from weight_mapping.spec import GATES, Cell
from weight_mapping.torch.functions import Elementwise, gate_function

AddProduct = Callable[[Tensor, Tensor], Tensor]
Stepped = tuple[list[Tensor], tuple[Tensor, ...]]
"""The new states, and the gates after their activations in the order of computation."""
Step = Callable[[Tensor, list[Tensor]], Stepped]
"""Takes the step's input product and the states."""

STORED = {kind: rows_of("torch", kind)[0].gates for kind in GATES}
"""The gates' order in a module's parameters: PyTorch's own."""
COMPUTED = {"lstm": "ifoc", "gru": "rzn", "rnn": "n"}


@dataclass(frozen=True, slots=True)
class DropoutMasks:
    """The masks of one cell for one batch, holding 0 or 1/(1-p): (B, i) and (B, h) for all gates alike, or with the
    gates as a first axis, in the order of `spec.GATES`. Images keep their own axes in the place of i and h.

    `input` may be (g, B, T, i), g = 1 where the gates share it, T in processing order: tf_keras draws it so on its fast
    path."""

    input: Tensor | None = None
    recurrent: Tensor | None = None


def reordered(kind: str, fused: Tensor) -> Tensor:
    """A stored array with gates and units fused in its first axis, (G h, …), in the order of computation."""
    if STORED[kind] == COMPUTED[kind]:
        return fused
    return _by_gate(fused.reshape(len(GATES[kind]), -1, *fused.shape[1:]), STORED[kind], COMPUTED[kind]).flatten(0, 1)


def ordered_mask(kind: str, mask: Tensor | None, axes: int = 2) -> Tensor | None:
    """A dropout mask in the order of computation; one of no more than `axes` axes is shared by the gates."""
    return mask if mask is None or mask.ndim <= axes else _by_gate(mask, GATES[kind], COMPUTED[kind])


def _by_gate(stacked: Tensor, source: str, target: str) -> Tensor:
    order = [source.index(g) for g in target]
    return stacked if order == sorted(order) or len(stacked) == 1 else stacked[order]


def project(x: Tensor, weight: Tensor, bias: Tensor | None, dropped: Tensor | None) -> Tensor:
    """x W + b for all steps and gates in one product (T, B, G h); one a gate where each has its own dropout mask."""
    if dropped is None:
        return functional.linear(x, weight, bias)
    if dropped.ndim == 4:
        dropped = dropped.transpose(1, 2)
    if dropped.ndim == 2 or len(dropped) == 1:
        return functional.linear(x * dropped.reshape(-1, *dropped.shape[-2:]), weight, bias)
    gates = len(dropped)
    biases: Sequence[Tensor | None] = [None] * gates if bias is None else bias.chunk(gates)
    parts = zip(dropped, weight.chunk(gates), biases, strict=True)
    return torch.cat([functional.linear(x * mask, w, b) for mask, w, b in parts], -1)


def stepper(cell: Cell, weight_hh: Tensor, bias_hh: Tensor | None, dropped: Tensor | None) -> Step:
    """One step of this cell, from the recurrent weights (G h, h) in the order of computation. `bias_hh` is the part of
    the bias inside the reset gate's product; every other bias belongs to the input product."""
    a = gate_function(cell.activation, cell.units)
    if cell.kind == "rnn":
        return partial(_rnn, _adding(weight_hh, dropped), a)
    r = gate_function(cell.recurrent_activation, cell.units)
    if cell.kind == "lstm":
        return partial(_lstm, _adding(weight_hh, dropped), a, r)
    if cell.reset_after:
        return partial(_gru_after, _product(weight_hh, bias_hh, dropped), a, r)
    pair, new = torch.split(weight_hh, [2 * cell.units, cell.units])
    of_pair, of_new = (dropped, dropped) if dropped is None or dropped.ndim == 2 else (dropped[:2], dropped[2])
    return partial(_gru_before, _adding(pair, of_pair), _adding(new, None), of_new, a, r)


def _product(weight: Tensor, bias: Tensor | None, dropped: Tensor | None) -> Elementwise:
    """h -> h U + b, with h dropped by one mask or by one a gate."""
    if dropped is None:
        return lambda h: functional.linear(h, weight, bias)
    if dropped.ndim == 2:
        return lambda h: functional.linear(h * dropped, weight, bias)
    stacked = weight.reshape(len(dropped), -1, weight.shape[1]).transpose(1, 2)

    def by_gates(h: Tensor) -> Tensor:
        product = torch.bmm(h * dropped, stacked).transpose(0, 1).flatten(1)
        return product if bias is None else product + bias

    return by_gates


def _adding(weight: Tensor, dropped: Tensor | None) -> AddProduct:
    """(p, h) -> p + h U."""
    if dropped is None:
        transposed = weight.t()
        return lambda p, h: torch.addmm(p, h, transposed)
    product = _product(weight, None, dropped)
    return lambda p, h: p + product(h)


def lstm_update(before: Tensor, c: Tensor, a: Elementwise, r: Elementwise) -> Stepped:
    """The LSTM's equations after the products: `before` (B, 4 h, …) holds i, f, o and the candidate."""
    units = c.shape[1]
    i, f, o = r(before.narrow(1, 0, 3 * units)).chunk(3, 1)
    g = a(before.narrow(1, 3 * units, units))
    c = torch.addcmul(f * c, i, g)
    return [o * a(c), c], (i, f, o, g)


def _lstm(add: AddProduct, a: Elementwise, r: Elementwise, p: Tensor, states: list[Tensor]) -> Stepped:
    h, c = states
    return lstm_update(add(p, h), c, a, r)


def _rnn(add: AddProduct, a: Elementwise, p: Tensor, states: list[Tensor]) -> Stepped:
    h = a(add(p, states[0]))
    return [h], (h,)


def _gru_after(product: Elementwise, a: Elementwise, r: Elementwise, p: Tensor, states: list[Tensor]) -> Stepped:
    (h,) = states
    units = h.shape[1]
    u = product(h)
    reset, z = r(p.narrow(1, 0, 2 * units) + u.narrow(1, 0, 2 * units)).chunk(2, 1)
    n = a(torch.addcmul(p.narrow(1, 2 * units, units), reset, u.narrow(1, 2 * units, units)))
    return [torch.lerp(n, h, z)], (reset, z, n)  # n + z (h - n) = z h + (1 - z) n


def _gru_before(
    add_pair: AddProduct,
    add_new: AddProduct,
    dropped: Tensor | None,
    a: Elementwise,
    r: Elementwise,
    p: Tensor,
    states: list[Tensor],
) -> Stepped:
    (h,) = states
    units = h.shape[1]
    reset, z = r(add_pair(p.narrow(1, 0, 2 * units), h)).chunk(2, 1)
    kept = reset * h if dropped is None else reset * (h * dropped)
    n = a(add_new(p.narrow(1, 2 * units, units), kept))
    return [torch.lerp(n, h, z)], (reset, z, n)


def scan(step: Step, products: Tensor, states: list[Tensor], mask: Tensor | None) -> tuple[Tensor, list[Tensor]]:
    """Every step's h (T, B, h, …), and the last states. A masked step leaves every state as it was."""
    sequence: list[Tensor] = []
    if mask is None:
        for p in products.unbind(0):
            states, _ = step(p, states)
            sequence.append(states[0])
        return torch.stack(sequence), states
    mask = mask.reshape(*mask.shape, *(1,) * (products.ndim - 2))
    for p, counts in zip(products.unbind(0), mask.unbind(0), strict=True):
        new, _ = step(p, states)
        states = [torch.where(counts, after, before) for after, before in zip(new, states, strict=True)]
        sequence.append(states[0])
    return torch.stack(sequence), states


def draw(rate: float, like: Tensor, gates: int | None) -> Tensor | None:
    """A fresh dropout mask for tensors as `like`, one for each of `gates` where given. Keras drops only for
    0 < rate < 1."""
    if not 0.0 < rate < 1.0:
        return None
    shape: Any = like.shape if gates is None else (gates, *like.shape)
    return functional.dropout(like.new_ones(shape), rate)
