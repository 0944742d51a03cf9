"""Random layers' numbers for the oracle's tests: every weight distinct, biases and states far from zero."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from weight_mapping.spec import Bidirectional, Cell, ConvCell, Path, Recurrent, leaves
from weight_mapping.weights import BIAS_PARTS, CellWeights

Float = NDArray[np.float64]
SIZES = {"all different": (3, 4, 5), "all equal": (4, 4, 4)}
"""Batch, input size, units. A transpose breaks the first; what only shapes would tell apart is tested by the second."""
STEPS = 10


def weights(layer: Recurrent | Bidirectional, input_size: int, seed: int = 0) -> dict[Path, CellWeights]:
    """Weights for every cell of the layer; a stack's later cells take the units of the one before."""
    rng, found = np.random.default_rng(seed), {}
    width = input_size
    for path, cell in leaves(layer):
        assert isinstance(cell, Cell | ConvCell)
        width = input_size if path[-1] == "0" else width
        gates, window = len(cell.gates), cell.kernel_size if isinstance(cell, ConvCell) else ()
        parts = BIAS_PARTS[cell.bias]
        found[path] = CellWeights(
            kind=cell.kind,
            kernel=rng.normal(0, 0.6, (gates, cell.units, width, *window)),
            recurrent=rng.normal(0, 0.6, (gates, cell.units, cell.units, *window)),
            bias=rng.normal(0, 0.6, (parts, gates, cell.units)) if parts else None,
            reset_after=getattr(cell, "reset_after", False),
        )
        width = cell.units
    return found


def error(found: object, expected: object) -> float:
    """The greatest difference, relative to the greatest expected number; NaN where anything is."""
    a, b = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    assert a.shape == b.shape, f"shapes {a.shape} and {b.shape}"
    return float(np.max(np.abs(a - b)) / max(float(np.max(np.abs(b))), 1e-3))


def rounding(layer: Recurrent | Bidirectional, input_size: int) -> float:
    """What float64 may lose in one run: every step a sum of input + units products, half an ulp each, over all steps,
    sixteen-fold for the functions and for two sides that both round."""
    units = sum(cell.units for _, cell in leaves(layer))  # type: ignore[union-attr]
    return 16 * STEPS * (input_size + units) * 2.0**-53


def patterns(batch: int) -> dict[str, NDArray[np.bool_]]:
    """Masks by name: padding at either side, scattered, and one with whole rows masked."""
    steps, rng = np.arange(STEPS), np.random.default_rng(5)
    lengths = 2 + np.arange(batch)[:, None]
    scattered = rng.random((batch, STEPS)) < 0.5
    nothing = scattered.copy()
    nothing[0] = False
    return {"right": steps < lengths, "left": steps >= STEPS - lengths, "scattered": scattered, "a row masked": nothing}
