"""The kernel against the plain steps, before it is trusted: forward and backward of a small problem, once a cell."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

from weight_mapping.spec import Cell
from weight_mapping.torch.kernel.operators import recurrence
from weight_mapping.torch.kernel.words import Words, cell_of
from weight_mapping.torch.steps import project, reordered, scan, stepper

STEPS, BATCH, INPUTS, UNITS = 4, 7, 3, 37
"""Sizes that fill no register and no tile, and are work enough for two threads."""
LARGEST = 2.0**12
"""How many roundings' worth two correct results may part: few steps of few units amplify no more. A wrong gate, row or
step is off by a hundred times this in float32."""


def difference(words: Words, dtype: torch.dtype, device: str = "cpu") -> float:
    """The greatest difference from the plain steps in any output or gradient, relative to its largest number, in units
    of rounding; NaN counts as infinite."""
    cell, draw = cell_of(words, UNITS), torch.Generator().manual_seed(0)

    def drawn(*shape: int, scale: float = 1.0) -> Tensor:
        return torch.randn(*shape, dtype=dtype, generator=draw).mul_(scale).to(device).requires_grad_()

    # Who asks may be tracing a graph; what is asked is about this process.
    with _disable_current_modes(), torch.inference_mode(False), torch.enable_grad(), torch.device("cpu"):
        rows = len(cell.gates) * UNITS
        weight_ih, weight_hh = drawn(rows, INPUTS), drawn(rows, UNITS, scale=UNITS**-0.5)
        bias_ih, bias_hh = drawn(rows), drawn(rows) if cell.reset_after else None
        h, c = drawn(BATCH, UNITS), drawn(BATCH, UNITS) if cell.kind == "lstm" else None
        given = drawn(STEPS, BATCH, INPUTS), weight_ih, bias_ih, weight_hh, bias_hh, h, c
        mask = (torch.rand(STEPS, BATCH, generator=draw) > 0.3).to(device)
        y, c_last, _, _ = recurrence(*given, mask, *words, True)
        expected = _plain(cell, *given, mask)
        inputs = [t for t in given if t is not None]
        pairs = zip(_results([y, c_last], inputs), _results(expected, inputs), strict=False)
        tiny = torch.finfo(dtype).tiny
        parts = [(a - b).abs().max() / b.abs().max().clamp_min(tiny) for a, b in pairs]
        worst = float(torch.stack(parts).detach().max())  # of which NaN is the greatest
    return worst / (torch.finfo(dtype).eps / 2) if worst == worst else float("inf")


def _plain(
    cell: Cell, x: Tensor, weight_ih: Tensor, bias_ih: Tensor, weight_hh: Tensor, bias_hh: Tensor | None, h: Tensor,
    c: Tensor | None, mask: Tensor,
) -> list[Tensor]:  # fmt: skip
    """Every h, and the last c."""
    products = project(x, reordered(cell.kind, weight_ih), reordered(cell.kind, bias_ih), None)
    bias = None if bias_hh is None else reordered(cell.kind, bias_hh)
    step = stepper(cell, reordered(cell.kind, weight_hh), bias, None)
    y, last = scan(step, products, [h] if c is None else [h, c], mask)
    return [y, *last[1:]]


def _results(outputs: list[Tensor], inputs: list[Tensor]) -> list[Tensor]:
    """The gradients of the outputs' weighted sum, and the outputs."""
    draw: Any = torch.Generator().manual_seed(1)
    weights = [torch.randn(o.shape, dtype=o.dtype, generator=draw).to(o.device) for o in outputs]
    loss = torch.stack([(o * w).sum() for o, w in zip(outputs, weights, strict=True)]).sum()
    return [*torch.autograd.grad(loss, inputs), *outputs]
