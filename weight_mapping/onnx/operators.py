"""ONNX's own recurrent operators LSTM, GRU and RNN, for the cells that they can state; they know no Keras mask.

Everything has time first: x (T, B, i), sequences (T, B, u) in the order of time, whatever the direction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from weight_mapping.onnx.activations import named
from weight_mapping.onnx.functions import stack
from weight_mapping.onnx.graph import Graph
from weight_mapping.onnx.tensor import Tensor
from weight_mapping.packing import pack
from weight_mapping.spec import Cell, ConvCell
from weight_mapping.weights import CellWeights

CellOf = tuple[Cell | ConvCell, CellWeights]


@dataclass(frozen=True, slots=True)
class Run:
    """One cell over time: its outputs (T, B, …) in the order of time, the last one computed, the final states."""

    sequence: Tensor
    last: Tensor
    states: list[Tensor]


def states_it(cell: Cell | ConvCell) -> bool:
    """Whether an operator computes this cell."""
    return isinstance(cell, Cell) and all(named(of) for of in _activations(cell))


def state_together(one: Cell | ConvCell, other: Cell | ConvCell) -> bool:
    """Whether one operator computes two cells as its two directions."""
    alike = [(c.kind, c.units, c.bias == "none", isinstance(c, Cell) and c.reset_after) for c in (one, other)]
    return states_it(one) and states_it(other) and alike[0] == alike[1]


def run(
    g: Graph, cells: Sequence[CellOf], x: Tensor, states: Sequence[Sequence[Tensor]], *, reverse: bool
) -> list[Run]:
    """One cell, backwards in time with `reverse`; or two, the second one backwards. Each one's states: (B, u), or
    none."""
    cell = cells[0][0]
    packed = [pack("onnx", weights) for _, weights in cells]
    weights = {name: np.concatenate([each[name] for each in packed]) for name in packed[0]}
    stated = [named(of) for one, _ in cells for of in _activations(one)]
    known = [one for one in stated if one]
    initial = [stack(parts) for parts in zip(*states, strict=True)] if all(states) else []
    outputs = g.ops(
        cell.kind.upper(), x, *(g.constant(array, name) for name, array in weights.items()),
        *([None] * (3 - len(weights))), None, *initial, outputs=1 + len(cell.states), hidden_size=cell.units,
        direction="bidirectional" if len(cells) > 1 else "reverse" if reverse else "forward",
        activations=[name for name, _, _ in known],
        activation_alpha=[number for _, alpha, _ in known for number in alpha] or None,
        activation_beta=[number for _, _, beta in known for number in beta] or None,
        linear_before_reset=int(cell.reset_after) if isinstance(cell, Cell) and cell.kind == "gru" else None,
    )  # fmt: skip
    sequence, *final = outputs
    return [Run(sequence[:, n], final[0][n], [state[n] for state in final]) for n in range(len(cells))]


def _activations(cell: Cell | ConvCell) -> list[Any]:
    """In the operator's order: of the gates, of the candidate, of the LSTM's output."""
    return {
        "lstm": [cell.recurrent_activation, cell.activation, cell.activation],
        "gru": [cell.recurrent_activation, cell.activation],
        "rnn": [cell.activation],
    }[cell.kind]
