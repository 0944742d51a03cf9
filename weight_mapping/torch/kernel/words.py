"""A cell as an operator's arguments: the kind of its equations, its activations, in words that a graph can keep."""

from __future__ import annotations

from functools import cache

from weight_mapping.activations import Activation, activation
from weight_mapping.spec import Cell

Words = tuple[str, str, str]
"""'lstm', 'gru_after', 'gru_before' or 'rnn'; the activation; the recurrent activation: 'hard_sigmoid slope=0.2'."""

_NAMES = {"None": None, "True": True, "False": False}


def words_of(cell: Cell) -> Words:
    kind = cell.kind if cell.kind != "gru" else "gru_after" if cell.reset_after else "gru_before"
    return kind, _stated(cell.activation), _stated(cell.recurrent_activation)


def cell_of(words: Words, units: int) -> Cell:
    """A cell of these words."""
    kind, of_candidate, of_gates = words
    return Cell(
        kind=kind.partition("_")[0], units=units, activation=understood(of_candidate),  # type: ignore[arg-type]
        recurrent_activation=understood(of_gates), reset_after=kind == "gru_after",
    )  # fmt: skip


def _stated(of: Activation) -> str:
    return " ".join([of.name, *[f"{name}={value!r}" for name, value in of.parameters]])


@cache
def understood(text: str) -> Activation:
    name, *parameters = text.split(" ")
    pairs = (parameter.split("=") for parameter in parameters)
    return activation(name, **{key: _NAMES[value] if value in _NAMES else float(value) for key, value in pairs})
