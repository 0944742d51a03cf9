"""The recurrence as PyTorch operators: a cell over all steps, and back.

All tensors have time first, gates as PyTorch stores them. The backward operator gives the gradients of the products;
those of the weights and the input are products of whole matrices, all steps at once, which PyTorch computes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from weight_mapping.errors import PortingError, Unsupported
from weight_mapping.spec import GATES
from weight_mapping.torch.kernel import library

SAVED = {"lstm": 4, "gru_after": 4, "gru_before": 4, "rnn": 1}
"""By kind: how many numbers a unit and step leaves for the backward run; run.h and the cells' headers say which."""


def forward(
    x: Tensor, weight_ih: Tensor, bias_ih: Tensor | None, weight_hh: Tensor, bias_hh: Tensor | None, h: Tensor,
    c: Tensor | None, mask: Tensor | None, kind: str, activation: str, recurrent_activation: str, save: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """Every h (T, B, U) and, of an LSTM, the last c (B, U), from x (T, B, I), weights (G U, I) and (G U, U), biases
    (G U), states (B, U), and a mask (T, B), False where a step doesn't count. `gru_after` alone has a bias_hh. With
    `save` also what a backward run needs: every c, and `saved` (T, B, S, U); else these are empty."""
    y, c_last, c_all, saved = _outputs(x, h, c, kind, save)
    x = x if x.stride(-1) == 1 else x.contiguous()
    given = _checked(
        x, h, kind, weight_ih=weight_ih, bias_ih=bias_ih, weight_hh=weight_hh, bias_hh=bias_hh, c=c, mask=mask
    )
    made = _there(y=y, c_last=c_last, c_all=c_all, saved=saved)
    _call(f"{kind}_forward", activation, recurrent_activation, x, given | made)
    if save and c is not None:
        c_last.copy_(c_all[-1])
    return y, c_last, c_all, saved


def _call(function: str, activation: str, recurrent_activation: str, x: Tensor, tensors: dict[str, Tensor]) -> None:
    call = library.call
    if x.is_cuda:
        from weight_mapping.torch.kernel.gpu.running import call  # and Triton, which only builds for CUDA bring
    call(function, activation, recurrent_activation, x, tensors)


def _outputs_alone(
    x: Tensor, _weight_ih: Tensor, _bias_ih: Tensor | None, _weight_hh: Tensor, _bias_hh: Tensor | None, h: Tensor,
    c: Tensor | None, _mask: Tensor | None, kind: str, _activation: str, _recurrent_activation: str, save: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    return _outputs(x, h, c, kind, save)


def _outputs(
    x: Tensor, h: Tensor, c: Tensor | None, kind: str, save: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    (steps, batch, _), units = x.shape, h.shape[-1]
    nothing = (0,)
    return (
        x.new_empty(steps, batch, units),
        x.new_empty(nothing if c is None else (batch, units)),
        x.new_empty((steps, batch, units) if save and c is not None else nothing),
        x.new_empty((steps, batch, SAVED[kind], units) if save else nothing),
    )


def backward(
    grad_y: Tensor, grad_c: Tensor | None, weight_hh: Tensor, h: Tensor, c: Tensor | None, mask: Tensor | None,
    y: Tensor, c_all: Tensor, saved: Tensor, kind: str, activation: str, recurrent_activation: str,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """The gradients of x W + b, of `gru_after`'s h U + b (of others empty: the same), of h and of c."""
    d_products, d_recurrent, d_h, d_c = _gradients(weight_hh, h, c, y, kind)
    d_h.zero_()
    if c is not None:
        d_c.copy_(grad_c) if grad_c is not None else d_c.zero_()
    given = _checked(
        y, h, kind, weight_hh=weight_hh, c=c, mask=mask, y=y, c_all=None if c is None else c_all, saved=saved,
        grad_y=grad_y,
    )  # fmt: skip
    made = _there(d_products=d_products, d_recurrent=d_recurrent, d_h=d_h, d_c=d_c)
    _call(f"{kind}_backward", activation, recurrent_activation, y, given | made)
    return d_products, d_recurrent, d_h, d_c


def _gradients_alone(
    _grad_y: Tensor, _grad_c: Tensor | None, weight_hh: Tensor, h: Tensor, c: Tensor | None, _mask: Tensor | None,
    y: Tensor, _c_all: Tensor, _saved: Tensor, kind: str, _activation: str, _recurrent_activation: str,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    return _gradients(weight_hh, h, c, y, kind)


def _gradients(
    weight_hh: Tensor, h: Tensor, c: Tensor | None, y: Tensor, kind: str
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    all_gates = (*y.shape[:2], weight_hh.shape[0])
    return (
        y.new_empty(all_gates),
        y.new_empty(all_gates if kind == "gru_after" else (0,)),
        y.new_empty(h.shape),
        y.new_empty((0,) if c is None else c.shape),
    )


def _there(**made: Tensor) -> dict[str, Tensor]:
    """Those of an operator's results that this kind has and this run is to make."""
    return {name: t for name, t in made.items() if t.ndim > 1}


def _checked(x: Tensor, h: Tensor, kind: str, **tensors: Tensor | None) -> dict[str, Tensor]:
    """Those that are there, contiguous, named as in run.h: compiled code reads as far as it is told to, whatever is
    there."""
    shapes, dtype, found = _shapes(kind, *x.shape, h.shape[-1]), x.dtype, {}
    tensors["h"] = h
    for name, t in tensors.items():
        if t is None:
            continue
        right = dtype if name != "mask" else torch.bool
        if t.shape != shapes[name] or t.dtype != right:
            raise PortingError(
                f"{name} doesn't fit the recurrence", found=f"{tuple(t.shape)} {t.dtype}",
                expected=f"{shapes[name]} {right}",
            )  # fmt: skip
        found[name] = t.contiguous()
    return found


@lru_cache
def _shapes(kind: str, steps: int, batch: int, inputs: int, units: int) -> dict[str, tuple[int, ...]]:
    """Those of the tensors that an operator is given."""
    rows = len(GATES[kind.partition("_")[0]]) * units
    sequence, state = (steps, batch, units), (batch, units)
    return {
        "weight_ih": (rows, inputs), "bias_ih": (rows,), "weight_hh": (rows, units), "bias_hh": (rows,), "h": state,
        "c": state, "mask": (steps, batch), "y": sequence, "c_all": sequence, "grad_y": sequence,
        "saved": (steps, batch, SAVED[kind], units),
    }  # fmt: skip


def remember(ctx: Any, inputs: Any, output: Any) -> None:
    x, weight_ih, _, weight_hh, _, h, c, mask, *ctx.words, _ = inputs
    y, _, c_all, saved = output
    ctx.set_materialize_grads(False)
    ctx.mark_non_differentiable(c_all, saved)
    ctx.save_for_backward(x, weight_ih, weight_hh, h, c, mask, y, c_all, saved)


def back(ctx: Any, grad_y: Tensor | None, grad_c: Tensor | None, *_: Any, run: Any = None) -> tuple[Tensor | None, ...]:
    """The gradients of `forward`'s arguments; `run` is the operator's gradient, or its function alone."""
    x, weight_ih, weight_hh, h, c, mask, y, c_all, saved = ctx.saved_tensors
    d_products, d_recurrent, d_h, d_c = (run or recurrence_backward)(
        torch.zeros_like(y) if grad_y is None else grad_y, grad_c, weight_hh, h, c, mask, y, c_all, saved, *ctx.words
    )
    kind, needed = ctx.words[0], ctx.needs_input_grad
    d_recurrent = d_recurrent if kind == "gru_after" else d_products
    d_weight = None
    if needed[3] and kind == "gru_before":
        pair, new = d_products.split([2 * h.shape[1], h.shape[1]], -1)
        d_weight = torch.cat([_recurrent_weight(pair, h, y), _weight(new, saved.select(2, 3))])
    elif needed[3]:
        d_weight = _recurrent_weight(d_recurrent, h, y)
    gradients = (
        d_products @ weight_ih if needed[0] else None,
        _weight(d_products, x) if needed[1] else None,
        d_products.sum((0, 1)) if needed[2] else None,
        d_weight,
        d_recurrent.sum((0, 1)) if needed[4] else None,
        d_h,
        None if c is None else d_c,
    )
    return (*gradients, *[None] * 5)


def _weight(d_gates: Tensor, rows: Tensor) -> Tensor:
    """The sum over steps and samples of gradients (T, B, G) times rows (T, B, k): one product."""
    return d_gates.flatten(0, 1).t() @ rows.flatten(0, 1)


def _recurrent_weight(d_gates: Tensor, h: Tensor, y: Tensor) -> Tensor:
    """The same with the h before each step."""
    return torch.addmm(d_gates[0].t() @ h, d_gates[1:].flatten(0, 1).t(), y[:-1].flatten(0, 1))


def _once(_ctx: Any, *_: Any) -> None:
    raise Unsupported(
        "the kernel for recurrent cells has no second derivative",
        way_out="Set LSTM_PARITY_KERNEL=off in the environment.",
    )


def _operator(
    name: str, run: Callable[..., Any], fake: Callable[..., Any], back: Callable[..., Any],
    remember: Callable[..., Any] | None = None,
) -> Any:  # fmt: skip
    """`run` registered with PyTorch under this name, for the CPU and CUDA. By parts: `torch.library.custom_op` would
    import the whole compiler at its first call, a second of time. PyTorch takes a name once a process: a module that is
    imported anew, as by a notebook's autoreload, finds its operator there."""
    qualified = f"lstm_parity::{name}"
    if hasattr(torch.ops.lstm_parity, name):
        return getattr(torch.ops.lstm_parity, name)
    torch.library.define(qualified, torch.library.infer_schema(run, mutates_args=()))
    torch.library.impl(qualified, ("cpu", "cuda"), run)
    torch.library.register_fake(qualified, fake)
    torch.library.register_autograd(qualified, back, setup_context=remember)
    return getattr(torch.ops.lstm_parity, name)


recurrence_backward = _operator("recurrence_backward", backward, _gradients_alone, _once)
recurrence = _operator("recurrence", forward, _outputs_alone, back, remember)
