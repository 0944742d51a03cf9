"""The recurrence as PyTorch operators: a cell over all steps, and back.

`lstm_parity::recurrence` takes the input's products of all steps; these, and the weight's gradient, are products of
whole matrices that PyTorch computes. All tensors have time first, gates as PyTorch stores them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from weight_mapping.errors import Unsupported
from weight_mapping.torch.kernel import library
from weight_mapping.torch.kernel.words import understood

SAVED = {"lstm": 4, "gru_after": 4, "gru_before": 4, "rnn": 1}
"""By kind: how many numbers a unit and step leaves for the backward run; run.h and the cells' headers say which."""


@torch.library.custom_op("lstm_parity::recurrence", mutates_args=(), device_types="cpu")
def recurrence(
    products: Tensor, weight: Tensor, bias: Tensor | None, h: Tensor, c: Tensor | None, mask: Tensor | None, kind: str,
    activation: str, recurrent_activation: str, save: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """Every h (T, B, U) and, of an LSTM, the last c (B, U), from products (T, B, G U), weight (G U, U), states (B, U),
    mask (T, B), False where a step doesn't count, and bias (G U), which `gru_after` alone has inside its product. With
    `save` also what a backward run needs: every c, and `saved` (T, B, S, U); else these are empty."""
    y, c_last, c_all, saved = _outputs(products, h, c, kind, save)
    tensors = {
        "products": products.contiguous(), "weight": weight.contiguous(), "h": h.contiguous(), "y": y,
        "bias": None if bias is None else bias.contiguous(), "c": None if c is None else c.contiguous(),
        "mask": None if mask is None else mask.contiguous(),
        "c_last": c_last, "c_all": c_all if save and c is not None else None, "saved": saved if save else None,
    }  # fmt: skip
    pair = understood(activation), understood(recurrent_activation)
    library.call(f"{kind}_forward", *pair, _sizes(y), tensors)
    if save and c is not None:
        c_last.copy_(c_all[-1])
    return y, c_last, c_all, saved


@recurrence.register_fake
def _outputs_alone(
    products: Tensor, _weight: Tensor, _bias: Tensor | None, h: Tensor, c: Tensor | None, _mask: Tensor | None,
    kind: str, _activation: str, _recurrent_activation: str, save: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    return _outputs(products, h, c, kind, save)


def _outputs(
    products: Tensor, h: Tensor, c: Tensor | None, kind: str, save: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    (steps, batch, _), units = products.shape, h.shape[-1]
    nothing = (0,)
    return (
        products.new_empty(steps, batch, units),
        products.new_empty(nothing if c is None else (batch, units)),
        products.new_empty((steps, batch, units) if save and c is not None else nothing),
        products.new_empty((steps, batch, SAVED[kind], units) if save else nothing),
    )


@torch.library.custom_op("lstm_parity::recurrence_backward", mutates_args=(), device_types="cpu")
def recurrence_backward(
    grad_y: Tensor, grad_c: Tensor | None, weight: Tensor, h: Tensor, c: Tensor | None, mask: Tensor | None, y: Tensor,
    c_all: Tensor, saved: Tensor, kind: str, activation: str, recurrent_activation: str,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """The gradients of the products, of `gru_after`'s h U + b (of others empty: the same), of h and of c."""
    d_products, d_recurrent, d_h, d_c = _gradients(weight, h, c, y, kind)
    d_h.zero_()
    if c is not None:
        d_c.copy_(grad_c) if grad_c is not None else d_c.zero_()
    tensors = {
        "weight": weight.contiguous(), "h": h.contiguous(), "c": None if c is None else c.contiguous(),
        "mask": None if mask is None else mask.contiguous(), "y": y, "c_all": c_all, "saved": saved,
        "grad_y": grad_y.contiguous(), "d_products": d_products, "d_recurrent": d_recurrent, "d_h": d_h, "d_c": d_c,
    }  # fmt: skip
    pair = understood(activation), understood(recurrent_activation)
    library.call(f"{kind}_backward", *pair, _sizes(y), tensors)
    return d_products, d_recurrent, d_h, d_c


@recurrence_backward.register_fake
def _gradients_alone(
    _grad_y: Tensor, _grad_c: Tensor | None, weight: Tensor, h: Tensor, c: Tensor | None, _mask: Tensor | None,
    y: Tensor, _c_all: Tensor, _saved: Tensor, kind: str, _activation: str, _recurrent_activation: str,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    return _gradients(weight, h, c, y, kind)


def _gradients(
    weight: Tensor, h: Tensor, c: Tensor | None, y: Tensor, kind: str
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    all_gates = (*y.shape[:2], weight.shape[0])
    return (
        y.new_empty(all_gates),
        y.new_empty(all_gates if kind == "gru_after" else (0,)),
        y.new_empty(h.shape),
        y.new_empty((0,) if c is None else c.shape),
    )


def _sizes(y: Tensor) -> tuple[int, int, int]:
    steps, batch, units = y.shape
    return steps, batch, units


def _remember(ctx: Any, inputs: Any, output: Any) -> None:
    _, weight, bias, h, c, mask, *ctx.words, save = inputs
    y, _, c_all, saved = output
    ctx.set_materialize_grads(False)
    ctx.mark_non_differentiable(c_all, saved)
    ctx.save_for_backward(weight, bias, h, c, mask, y, c_all, saved)
    ctx.save = save


def _back(ctx: Any, grad_y: Tensor | None, grad_c: Tensor | None, *_: Any) -> tuple[Any, ...]:
    weight, bias, h, c, mask, y, c_all, saved = ctx.saved_tensors
    grad_y = torch.zeros_like(y) if grad_y is None else grad_y
    kind = ctx.words[0]
    d_products, d_recurrent, d_h, d_c = recurrence_backward(
        grad_y, grad_c, weight, h, c, mask, y, c_all, saved, *ctx.words
    )
    d_gates = d_recurrent if kind == "gru_after" else d_products
    d_weight = d_bias = None
    if ctx.needs_input_grad[1]:
        if kind == "gru_before":
            pair, new = d_gates.split([2 * h.shape[1], h.shape[1]], -1)
            kept = saved.select(2, 3)
            d_weight = torch.cat([_weight(pair, h, y), new.flatten(0, 1).t() @ kept.flatten(0, 1)])
        else:
            d_weight = _weight(d_gates, h, y)
    if bias is not None and ctx.needs_input_grad[2]:
        d_bias = d_gates.sum((0, 1))
    return d_products, d_weight, d_bias, d_h, None if c is None else d_c, None, None, None, None, None


def _weight(d_gates: Tensor, h: Tensor, y: Tensor) -> Tensor:
    """The sum over all steps of gradients (T, B, G) times the h before each: one product for all but the first."""
    first = d_gates[0].t() @ h
    return torch.addmm(first, d_gates[1:].flatten(0, 1).t(), y[:-1].flatten(0, 1))


recurrence.register_autograd(_back, setup_context=_remember)


def _once(_ctx: Any, *_: Any) -> None:
    raise Unsupported(
        "the kernel for recurrent cells has no second derivative",
        way_out="Set LSTM_PARITY_KERNEL=off in the environment.",
    )


recurrence_backward.register_autograd(_once)
