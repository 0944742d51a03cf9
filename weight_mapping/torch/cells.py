"""The cells as modules: the parameters of one cell, in PyTorch's layout, and its run over a sequence.

A cell that `nn.LSTM`, `nn.GRU` or `nn.RNN` can express is that very module; any other is a `KerasCell`. Both are run by
`running.run_cell`, so a mask or a dropout, which PyTorch's module can't take, goes through the step loop on its
parameters.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import nn

from weight_mapping.activations import activation, check_gate
from weight_mapping.errors import PortingError
from weight_mapping.layouts import ArrayRow, Layout
from weight_mapping.packing import laid_out, layout, unpack_row, with_bias
from weight_mapping.spec import Cell, ConvCell
from weight_mapping.torch import arrays
from weight_mapping.weights import Array, CellWeights

NATIVE: dict[str, Any] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
_TANH, _SIGMOID, _RELU = activation("tanh"), activation("sigmoid"), activation("relu")


def is_native(cell: Cell | ConvCell) -> bool:
    """Whether PyTorch's own module computes this cell's equations (dropout aside)."""
    if isinstance(cell, ConvCell):
        return False
    if cell.kind == "rnn":
        return cell.activation in (_TANH, _RELU)
    gates = (cell.activation, cell.recurrent_activation) == (_TANH, _SIGMOID)
    return gates and (cell.kind == "lstm" or cell.reset_after)


def module_row(kind: str, bias: str, reset_after: bool | None, rank: int = 0) -> Layout:
    """The layout of a `KerasCell`'s parameters: the table's row of PyTorch, with one bias where the cell has one."""
    row = layout("torch", "lstm" if rank else kind, bias="none", reset_after=True if kind == "gru" else None)
    space = " ".join(("z", "y", "x")[3 - rank :]) if rank else ""
    kernels = tuple(replace(a, pattern=f"{a.pattern} {space}".strip()) for a in row.arrays)
    name = {"none": None, "single": "bias", "split": "bias_{p}"}[bias]
    biases = () if name is None else (ArrayRow(name, "bias", "(g h)"),)
    kind = f"conv_lstm{rank}" if rank else kind
    return replace(row, format="module", kind=kind, bias=bias, reset_after=reset_after, arrays=(*kernels, *biases))


class KerasCell(nn.Module):
    """A cell with Keras' semantics. Parameters: weight_ih (G h, i), weight_hh (G h, h), bias (G h), or bias_ih and
    bias_hh where the bias is split; gates as PyTorch orders them, behind them a convolution's axes of space."""

    weight_ih: nn.Parameter
    weight_hh: nn.Parameter

    def __init__(self, cell: Cell | ConvCell, weights: CellWeights, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        for of in (cell.activation, cell.recurrent_activation):
            check_gate(of, images=isinstance(cell, ConvCell))
        self.cell = cell
        for name, array in laid_out(self.row(), weights):
            self.register_parameter(name, arrays.parameter(array, dtype))

    def row(self) -> Layout:
        rank = self.cell.rank if isinstance(self.cell, ConvCell) else 0
        reset_after = self.cell.reset_after if isinstance(self.cell, Cell) and self.cell.kind == "gru" else None
        return module_row(self.cell.kind, self.cell.bias, reset_after, rank)

    def extra_repr(self) -> str:
        return f"{self.cell.input_size}, {self.cell.units}, {self.cell.activation}, {self.cell.recurrent_activation}"


class KerasLSTM(KerasCell):
    """LSTM with any activations."""


class KerasGRU(KerasCell):
    """GRU with the reset gate before or after the product, and any activations."""


class KerasRNN(KerasCell):
    """SimpleRNN with any activation."""


class KerasConvLSTM(KerasCell):
    """LSTM with convolutions for products, over 1, 2 or 3 axes of space."""


KERAS: dict[str, type[KerasCell]] = {
    "lstm": KerasLSTM, "gru": KerasGRU, "rnn": KerasRNN, "conv_lstm": KerasConvLSTM,
}  # fmt: skip


_UNDRAWN: dict[str, type[nn.Module]] = {
    kind: type(native.__name__, (native,), {"reset_parameters": lambda self: None}) for kind, native in NATIVE.items()
}
"""PyTorch's modules as they are made: no random weights are drawn, and the device "meta", which would not draw them
either, is left alone: its first use imports SymPy."""


def make_cell(
    cell: Cell | ConvCell, weights: CellWeights, *, dtype: torch.dtype | None, native: bool,
    trainable_second_bias: bool,
) -> nn.Module:  # fmt: skip
    """The module for one cell. Where PyTorch's module has two biases and the cell one, the second is zero and, unless
    `trainable_second_bias`, frozen: two trainable ones would move their sum twice as fast as Keras moves its one."""
    if not (native and is_native(cell)):
        return KERAS[cell.kind](cell, weights, dtype)
    options: dict[str, Any] = {"nonlinearity": str(cell.activation.name)} if cell.kind == "rnn" else {}
    made: nn.Module = _UNDRAWN[cell.kind](
        weights.input_size, weights.units, bias=cell.bias != "none", batch_first=True, **options
    )
    made.__class__ = NATIVE[cell.kind]
    row = layout("torch", cell.kind, bias="none" if cell.bias == "none" else "split", reset_after=_reset_after(cell))
    dtype = dtype or arrays.floating_dtype([weights.kernel])
    for name, array in laid_out(row, with_bias(weights, row.bias)):
        made.get_parameter(f"{name}_l0").data = arrays.tensor(array, dtype)
    if cell.bias == "single":
        made.get_parameter("bias_hh_l0").requires_grad_(trainable_second_bias)
    return made


def _reset_after(cell: Cell | ConvCell) -> bool | None:
    return True if cell.kind == "gru" else None


def bias_form(cell: Cell | ConvCell, module: nn.Module) -> str:
    """The form of bias that the module's numbers need: a second bias that trains, or isn't zero, makes a single one
    split."""
    if isinstance(module, KerasCell) or cell.bias != "single":
        return cell.bias
    second = module.get_parameter("bias_hh_l0")
    return "split" if second.requires_grad or bool(second.detach().any()) else "single"


def read_cell(cell: Cell | ConvCell, module: nn.Module, *, gradient: bool = False) -> CellWeights:
    """The cell's weights in canonical form, or their gradients; `PortingError` where a gradient is missing."""
    named = {name.removesuffix("_l0"): parameter for name, parameter in module.named_parameters()}
    form = bias_form(cell, module)
    if isinstance(module, KerasCell):
        row = module.row()
    else:
        row = layout("torch", cell.kind, bias="none" if form == "none" else "split", reset_after=_reset_after(cell))
        if form == "single":  # the second bias only fills PyTorch's form: zero, and without a gradient
            named["bias_hh"] = named["bias_ih"]
    weights = unpack_row(row, {name: _gradient(p) if gradient else arrays.array(p) for name, p in named.items()})
    return replace(weights, bias=weights.bias[:1]) if form == "single" and weights.bias is not None else weights


def _gradient(parameter: nn.Parameter) -> Array:
    if parameter.grad is None:
        raise PortingError("a parameter has no gradient", way_out="Call backward() on a loss that depends on it.")
    return arrays.array(parameter.grad)
