"""A cell over a sequence by the operator."""

from __future__ import annotations

import torch
from torch import Tensor

from weight_mapping.torch.fused import Stored
from weight_mapping.torch.kernel.direct import recurrence
from weight_mapping.torch.kernel.words import Words


def run(
    words: Words, p: Stored, x: Tensor, states: list[Tensor] | None, mask: Tensor | None
) -> tuple[Tensor, list[Tensor]]:
    """The cell over x (T, B, i): every h (T, B, h) and the last states; mask (T, B), states (B, h) or zeros."""
    h, *rest = states or [x.new_zeros(x.shape[1], p.weight_hh.shape[1])] * (2 if words[0] == "lstm" else 1)
    c = rest[0] if rest else None
    inputs = x, p.weight_ih, p.bias_ih, p.weight_hh, p.bias_hh, h, c
    save = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in inputs)
    y, c_last, _, _ = recurrence(*inputs, mask, *words, save)
    return y, [y[-1]] if c is None else [y[-1], c_last]
