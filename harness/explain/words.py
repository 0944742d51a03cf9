"""What both explanations say alike: the names of gates and states, and the rows of their tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any

from weight_mapping.spec import Cell, ConvCell, Merge, Recurrent

Shape = list[int]
GATE_NAMES: Mapping[str, Mapping[str, str]] = {
    "lstm": {"i": "input gate", "f": "forget gate", "c": "candidate g", "o": "output gate"},
    "gru": {"z": "update gate", "r": "reset gate", "n": "candidate"},
    "rnn": {"n": "new state"},
}
UPDATE = {
    "lstm": ("c' = f * c + i * g", "h' = o * {activation}(c')"),
    "gru": ("h' = z * h + (1 - z) * n",),
    "rnn": ("h' = n",),
}
ORDER = {
    "lstm": "Gates in the order i f c o, as in Keras; PyTorch's documents call c g.",
    "gru": "Gates in the order r z n, where Keras has z r n.",
    "rnn": "One block.",
}
STATES = {
    "h": "the output, handed to the next step and to the next layer",
    "c": "the memory, handed to the next step only",
}


def array(name: str, shape: Shape, by_gate: Shape, meaning: str) -> dict[str, Any]:
    """A row of the weights: an array's shape, and what of it belongs to one gate."""
    return {"name": name, "shape": shape, "by_gate": by_gate, "numbers": prod(shape), "meaning": meaning}


def choices(
    batch: Shape, time: int, each: Shape, state: Shape, states: Sequence[str], layer: Recurrent | None,
    merge: Merge | None = None,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """What comes out for each of the four ways to ask, the layer's own way marked; of both directions with `merge`.
    `each`: the shape of h at one step as it is given out; `state`: that of a state."""
    sides = ("forward ", "backward ") if merge else ("",)
    for sequences in (False, True):
        for asked in (False, True):
            what = f"h at all {time} steps" if sequences else "h at the last step"
            size = [*batch, time, *each] if sequences else [*batch, *each]
            first = [[f"{side}{what}", size] for side in sides] if merge == "none" else [[what, size]]
            kept = [[f"{side}state {s}", [*batch, *state]] for side in sides for s in states] if asked else []
            own = layer is not None and (layer.return_sequences, layer.return_state) == (sequences, asked)
            yield {"return_sequences": sequences, "return_state": asked, "outputs": [*first, *kept], "own": own}


def times(sizes: Sequence[int]) -> str:
    """'3 x 3'."""
    return " x ".join(map(str, sizes))


def parameter_formula(cell: Cell | ConvCell) -> str:
    """The number of a cell's weights as a formula with the numbers in: G (units input + units units + parts units); a
    convolution's products each times the places of its window."""
    vectors = {"none": 0, "single": 1, "split": 2}[cell.bias]
    g, u, i = len(cell.gates), cell.units, cell.input_size
    window = prod(cell.kernel_size) if isinstance(cell, ConvCell) else 1
    places = f" x {window}" if isinstance(cell, ConvCell) else ""
    formula = f"{g} x ({u} x {'input' if i is None else i}{places} + {u} x {u}{places} + {vectors} x {u})"
    return formula if i is None else f"{formula} = {g * u * ((i + u) * window + vectors)}"
