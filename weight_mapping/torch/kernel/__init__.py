"""Cells that nn.LSTM, nn.GRU and nn.RNN can't express, at their speed: C++ that is compiled at first use.

`serves` says whether it can run a cell here and now; if not, the steps of `weight_mapping.torch.steps` do.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from weight_mapping.spec import Cell
from weight_mapping.torch.fused import Stored, zeros
from weight_mapping.torch.kernel.operators import recurrence, stated


def run(cell: Cell, p: Stored, x: Tensor, states: list[Tensor] | None, mask: Tensor | None) -> tuple[Tensor, list[Tensor]]:
    """As `running.run_cell`, from parameters in the order in which PyTorch stores them."""
    products = functional.linear(x, p.weight_ih, p.bias_ih)
    h, *c = states or zeros(cell, products)
    inputs = products, p.weight_hh, p.bias_hh, h, *c
    save = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in inputs)
    kind = {None: cell.kind, True: "gru_after", False: "gru_before"}[cell.reset_after if cell.kind == "gru" else None]
    y, c_last, _, _ = recurrence(
        products, p.weight_hh, p.bias_hh, h, c[0] if c else None, mask, kind, stated(cell.activation),
        stated(cell.recurrent_activation), save,
    )  # fmt: skip
    return y, [y[-1], c_last] if c else [y[-1]]
