"""Keras' initial weights for a PyTorch module.

Source: glorot_uniform, orthogonal and unit_forget_bias of Keras 2 and 3, read and measured.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor, nn

from weight_mapping.errors import Unrepresentable, Unsupported
from weight_mapping.torch.cells import KerasCell
from weight_mapping.torch.steps import STORED


def init_like_keras_(module: nn.Module, generator: Generator | None = None) -> nn.Module:
    """Fill every recurrent cell inside `module`, in place, as a fresh Keras layer is filled; returns the module.

    glorot_uniform over the fused kernel, limit sqrt(6 / (fan in + fan out)) with fan out G units; orthogonal over the
    whole (units, G units); biases zero, the LSTM's forget gate one. A second bias, where it only doubles the first
    (LSTM, RNN), is zero and frozen; the GRU's stays trainable, as Keras' is."""
    cells = [part for part in module.modules() if isinstance(part, nn.RNNBase | KerasCell)]
    if not cells:
        raise Unsupported(f"no recurrent cell inside a {type(module).__name__}", class_name=type(module).__name__)
    with torch.no_grad():
        for cell in cells:
            if isinstance(cell, nn.LSTM) and cell.proj_size:
                raise Unrepresentable("Keras has no LSTM with proj_size", class_name="LSTM")
            for name, parameter in cell.named_parameters():
                _fill(_kind(cell), name, parameter, generator)
    return module


def _kind(cell: nn.RNNBase | KerasCell) -> str:
    kind = cell.cell.kind if isinstance(cell, KerasCell) else cell.mode.split("_")[0].lower()
    return "lstm" if kind == "conv_lstm" else str(kind)


def _fill(kind: str, name: str, parameter: nn.Parameter, generator: Generator | None) -> None:
    if name.startswith("weight_ih"):
        rows, columns, *window = parameter.shape  # (G h, i, *kernel_size)
        limit = math.sqrt(6 / ((rows + columns) * math.prod(window)))
        parameter.uniform_(-limit, limit, generator=generator)
    elif name.startswith("weight_hh"):
        parameter.copy_(_orthogonal(parameter, generator))
    else:
        parameter.zero_()
        second = name.startswith("bias_hh")
        if kind == "lstm" and not second:
            parameter.view(len(STORED[kind]), -1)[STORED[kind].index("f")] = 1
        if second and kind != "gru":
            parameter.requires_grad_(False)


def _orthogonal(weight: Tensor, generator: Generator | None) -> Tensor:
    """(G h, h, *window) whose transpose, flattened to Keras' (window h, G h), has orthonormal rows or columns."""
    *window, before, after = (*weight.shape[2:], weight.shape[1], weight.shape[0])
    rows = math.prod(window) * before
    shape = (max(rows, after), min(rows, after))
    drawn = torch.randn(shape, generator=generator, dtype=torch.float64, device=weight.device)
    q, r = torch.linalg.qr(drawn)
    q = q * torch.diagonal(r).sign()
    flat: Tensor = q if rows >= after else q.t()
    whole = flat.reshape(*window, before, after)
    return whole.permute(-1, -2, *range(len(window))).to(weight.dtype)
