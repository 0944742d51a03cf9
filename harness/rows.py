"""A row of the table of cases, and the layers that rows are made of: templates, whose sizes are the regime's.

In the regime `different` no two sizes are alike, so that a mixed-up axis shows as a shape; in `square` all are, so
that a transpose, which fits there, shows as a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.problems import Layer, Sizes
from harness.training.penalties import configuration as c
from weight_mapping.activations import hard_sigmoid
from weight_mapping.spec import Bidirectional, Cell, Merge, Recurrent

REGIMES: Mapping[str, Sizes] = {"different": Sizes(3, 11, 5, 4), "square": Sizes(10, 10, 10, 10)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One configuration. `layer` is a template: units and input size are the regime's. `arguments` go to Keras'
    constructor as they are. `gain` scales the weights (3 or more reaches both clips of a hard_sigmoid). `weights`:
    random; diagonal (the recurrent kernel's gates); fresh (what Keras' initialisers draw)."""

    id: str
    title: str
    layer: Layer
    arguments: Mapping[str, Any] = field(default_factory=dict)
    sizes: Mapping[str, Sizes] = field(default_factory=lambda: REGIMES)
    mask: str = "none"
    gain: float = 1.0
    batches: int = 1
    first_step_only: bool = False
    weights: str = "random"
    walk: str = ""
    """Compare fifty steps of this optimizer of `optimizers.WALKS`, and nothing else."""
    scalar: bool = False
    """Compare the layer with `units` layers of one unit each."""


def cell(kind: Any, **options: Any) -> Cell:
    return Cell(kind=kind, units=1, **options)


def run(*cells: Cell, **options: Any) -> Recurrent:
    """A layer that shows all it has, unless `options` say otherwise: the whole sequence and the final states."""
    return Recurrent(cells=cells, **{"return_sequences": True, "return_state": True, **options})


def both_ways(cell: Cell, merge: Merge, **options: Any) -> Bidirectional:
    return Bidirectional(forward=run(cell, **options), backward=run(cell, go_backwards=True, **options), merge=merge)


LSTM, RNN = cell("lstm"), cell("rnn")
GRU_AFTER, GRU_BEFORE = cell("gru", bias="split", reset_after=True), cell("gru")
FIFTH, SIXTH = hard_sigmoid(1 / 5), hard_sigmoid(1 / 6)
DIFFERENT = {"different": REGIMES["different"]}
SLOPES = {"1-5": (FIFTH, "Keras 1 and 2's"), "1-6": (SIXTH, "Keras 3's and PyTorch's")}

STRENGTH = {"l1": c("L1", l1=0.015625), "l2": c("L2", l2=0.03125), "l1l2": c("L1L2", l1=0.015625, l2=0.0625)}
CONSTRAINTS = {
    "max_norm": c("MaxNorm", max_value=1.0, axis=0),
    "non_neg": c("NonNeg"),
    "unit_norm": c("UnitNorm", axis=0),
    "min_max_norm": c("MinMaxNorm", min_value=0.5, max_value=1.0, rate=0.75, axis=0),
}
