"""Random layers and models for the PyTorch side's tests: every number distinct, biases and states far from zero."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weight_mapping.activations import activation, hard_sigmoid
from weight_mapping.plain import weight_shapes
from weight_mapping.spec import Bidirectional, Cell, ConvCell, Path, Plain, Recurrent, leaves
from weight_mapping.weights import BIAS_PARTS, CellWeights

STEPS = 10
SIZES = {"all different": (3, 4, 5), "all equal": (4, 4, 4), "one sample": (1, 4, 5)}
"""Batch, input size, units."""
CELLS: dict[str, Cell] = {
    "lstm": Cell(kind="lstm", units=5),
    "lstm no bias": Cell(kind="lstm", units=5, bias="none"),
    "lstm split": Cell(kind="lstm", units=5, bias="split"),
    "lstm hard_sigmoid 1/5": Cell(kind="lstm", units=5, recurrent_activation=hard_sigmoid(1 / 5)),
    "lstm hard_sigmoid 1/6, relu": Cell(
        kind="lstm", units=5, recurrent_activation=hard_sigmoid(1 / 6), activation=activation("relu")
    ),
    "gru": Cell(kind="gru", units=5, bias="split", reset_after=True),
    "gru no bias": Cell(kind="gru", units=5, bias="none", reset_after=True),
    "gru softsign": Cell(kind="gru", units=5, bias="split", reset_after=True, activation=activation("softsign")),
    "gru before": Cell(kind="gru", units=5),
    "gru before, no bias": Cell(kind="gru", units=5, bias="none", recurrent_activation=hard_sigmoid(1 / 5)),
    "rnn": Cell(kind="rnn", units=5),
    "rnn relu": Cell(kind="rnn", units=5, activation=activation("relu")),
    "rnn selu": Cell(kind="rnn", units=5, activation=activation("selu"), bias="none"),
}
NATIVE = {"lstm", "lstm no bias", "lstm split", "gru", "gru no bias", "rnn", "rnn relu"}


def cell_weights(cell: Cell | ConvCell, width: int, rng: np.random.Generator) -> CellWeights:
    gates, window = len(cell.gates), cell.kernel_size if isinstance(cell, ConvCell) else ()
    parts = BIAS_PARTS[cell.bias]
    return CellWeights(
        kind=cell.kind,
        kernel=rng.normal(0, 0.6, (gates, cell.units, width, *window)),
        recurrent=rng.normal(0, 0.6, (gates, cell.units, cell.units, *window)),
        bias=rng.normal(0, 0.6, (parts, gates, cell.units)) if parts else None,
        reset_after=getattr(cell, "reset_after", False),
    )


def layer_weights(layer: Recurrent | Bidirectional, width: int, seed: int = 0) -> dict[Path, CellWeights]:
    """Weights for every cell; a stack's later cells take the units of the one before."""
    rng, found, size = np.random.default_rng(seed), {}, width
    for path, cell in leaves(layer):
        assert isinstance(cell, Cell | ConvCell)
        found[path] = cell_weights(cell, width if path[-1] == "0" else size, rng)
        size = cell.units
    return found


def plain_weights(layer: Plain, sizes: Mapping[str, int], seed: int = 0) -> dict[str, NDArray[Any]]:
    """Weights of the layer's shapes, letters by `sizes`; variances and counts are positive."""
    rng = np.random.default_rng(seed)
    found = {}
    for name, shape in weight_shapes(layer).items():
        array = rng.normal(0, 0.6, [n if isinstance(n, int) else sizes[n] for n in shape])
        found[name] = np.abs(array) + 0.5 if name in ("moving_variance", "variance", "count") else array
    return found


def states(layer: Recurrent | Bidirectional, batch: int, seed: int = 1) -> list[NDArray[Any]]:
    rng = np.random.default_rng(seed)
    return [
        rng.normal(0, 1, (batch, cell.units))
        for _, cell in leaves(layer)
        if isinstance(cell, Cell)
        for _ in cell.states
    ]


def masks(batch: int) -> dict[str, NDArray[np.bool_]]:
    """Padding at either side, scattered, and one with whole rows masked."""
    steps, rng = np.arange(STEPS), np.random.default_rng(5)
    lengths = 2 + np.arange(batch)[:, None]
    nothing = rng.random((batch, STEPS)) < 0.5
    nothing[0] = False
    return {"right": steps < lengths, "left": steps >= STEPS - lengths, "a row masked": nothing}


def error(found: Any, expected: Any) -> float:
    """The greatest difference, relative to the greatest expected number; NaN where anything is."""
    a, b = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    assert a.shape == b.shape, f"shapes {a.shape} and {b.shape}"
    return float(np.max(np.abs(a - b)) / max(float(np.max(np.abs(b))), 1e-3))


def rounding(width: int, units: int, unit: float = 2.0**-53) -> float:
    """What a run may lose: every step a sum of `width` + `units` products, half an ulp each, over all steps,
    sixteen-fold for the functions and for two sides that both round."""
    return 16 * STEPS * (width + units) * unit
