"""A cell's run over a sequence: PyTorch's own module where nothing stands against it, else the kernel, and the loop of
`steps` where that can't run or dropout masks come in between."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from weight_mapping.errors import PortingError
from weight_mapping.spec import Cell, ConvCell
from weight_mapping.torch import kernel
from weight_mapping.torch.cells import KERAS
from weight_mapping.torch.conv_lstm import run_conv_lstm
from weight_mapping.torch.fused import Fused, Stored, given_or_drawn, zeros
from weight_mapping.torch.steps import COMPUTED, DropoutMasks, ordered_mask, project, scan, stepper
from weight_mapping.weights import CellWeights


def run_cell(
    cell: Cell | ConvCell,
    module: nn.Module,
    x: Tensor,
    states: list[Tensor] | None,
    mask: Tensor | None,
    dropped: DropoutMasks | None,
) -> tuple[Tensor, list[Tensor]]:
    """The cell over x (T, B, i): every h (T, B, h) and the last states; a mask (T, B) is False where a step doesn't
    count. Without `states` they start at zero. In training a cell with dropout draws masks unless some are given."""
    _same_dtype(x, module)
    dropping = module.training and (cell.dropout > 0 or cell.recurrent_dropout > 0 or dropped is not None)
    if isinstance(module, nn.RNNBase) and mask is None and not dropping:
        return _run_native(module, x, states)
    masks = (dropped or DropoutMasks()) if dropping else None
    if isinstance(cell, ConvCell):
        return run_conv_lstm(cell, module, x, states, mask, masks)
    if masks is None and kernel.serves(words := kernel.words_of(cell), x):
        return kernel.run(words, Stored(cell, module), x, states, mask)
    p, of_input, of_state = Fused(cell, module), None, None
    if masks is not None:
        gates, h = len(cell.gates), x.new_empty(x.shape[1], cell.units)
        of_input = given_or_drawn(masks.input, cell.dropout, x[0], gates if cell.dropout_per_gate else None)
        of_state = given_or_drawn(masks.recurrent, cell.recurrent_dropout, h, gates)
    products = project(x, p.weight_ih, p.bias_ih, ordered_mask(cell.kind, of_input))
    step = stepper(cell, p.weight_hh, p.bias_hh, ordered_mask(cell.kind, of_state))
    return scan(step, products, states or zeros(cell, products), mask)


def _same_dtype(x: Tensor, module: nn.Module) -> None:
    """Autocast alone may bring the two together."""
    expected = (module.weight_ih_l0 if isinstance(module, nn.RNNBase) else module.weight_ih).dtype
    if x.dtype != expected and not torch.is_autocast_enabled(x.device.type):
        raise PortingError(
            "an input of another dtype than the weights", found=x.dtype, expected=expected,
            way_out=f"Give the layer x.to({expected}), or bring it to the input's by .to({x.dtype}).",
        )  # fmt: skip


def _run_native(module: nn.RNNBase, x: Tensor, states: list[Tensor] | None) -> tuple[Tensor, list[Tensor]]:
    layered = [s.unsqueeze(0).contiguous() for s in states or ()]
    start: Any = None if not layered else layered[0] if len(layered) == 1 else tuple(layered)
    sequence, last = module(x.transpose(0, 1), start)
    return sequence.transpose(0, 1), [s.squeeze(0) for s in (last if isinstance(last, tuple) else (last,))]


def step(
    cell: Cell, weights: CellWeights, x: Any, states: list[Any], dtype: torch.dtype = torch.float32
) -> tuple[list[Tensor], dict[str, Tensor]]:
    """One step in `dtype` from x (B, i) and the states (B, h): the new states, and the gates by canonical letter."""
    module = KERAS[cell.kind](cell, weights, dtype)
    with torch.no_grad():
        p = Fused(cell, module)
        product = project(torch.as_tensor(x, dtype=dtype)[None], p.weight_ih, p.bias_ih, None)[0]
        start = [torch.as_tensor(s, dtype=dtype) for s in states]
        new, gates = stepper(cell, p.weight_hh, p.bias_hh, None)(product, start)
    return new, dict(zip(COMPUTED[cell.kind], gates, strict=True))
