"""A cell over a sequence by the operator: the input's products of all steps at once, then the recurrence."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from weight_mapping.spec import Cell
from weight_mapping.torch.fused import Stored, zeros
from weight_mapping.torch.kernel.operators import recurrence
from weight_mapping.torch.kernel.words import words_of


def run(
    cell: Cell, p: Stored, x: Tensor, states: list[Tensor] | None, mask: Tensor | None
) -> tuple[Tensor, list[Tensor]]:
    """The cell over x (T, B, i): every h (T, B, h) and the last states; mask (T, B), states (B, h) or zeros."""
    products = functional.linear(x, p.weight_ih, p.bias_ih)
    h, *rest = states or zeros(cell, products)
    c = rest[0] if rest else None
    learning = (t is not None and t.requires_grad for t in (products, p.weight_hh, p.bias_hh, h, c))
    y, c_last, _, _ = recurrence(
        products, p.weight_hh, p.bias_hh, h, c, mask, *words_of(cell), torch.is_grad_enabled() and any(learning)
    )
    return y, [y[-1]] if c is None else [y[-1], c_last]
