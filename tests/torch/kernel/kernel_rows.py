"""For the tests of compiled activations: the rows, numbers to try them on, and how near a result must be."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from weight_mapping.activations import ROWS, activation

UNIT = {"float": 2.0**-24, "double": 2.0**-53}
NUMPY = {"float": np.float32, "double": np.float64}
OTHER = {
    "hard_sigmoid 1/5": activation("hard_sigmoid", slope=1 / 5),
    "relu 6": activation("relu", max_value=6.0, negative_slope=0.1, threshold=-0.5),
    "gelu tanh": activation("gelu", approximate=True),
    "celu 2": activation("celu", alpha=2.0),
}
ALL = {
    **{n: activation(n) for n, row in ROWS.items() if row.derivative and None not in row.parameters.values()},
    "relu": activation("relu"),
    **OTHER,
}


def grid(dtype: str) -> np.ndarray:
    near = np.linspace(-12, 12, 4001)
    tiny = np.concatenate([s * np.logspace(-44 if dtype == "float" else -300, 0, 500) for s in (-1, 1)])
    wide = np.concatenate([s * np.logspace(0, 2.5, 300) for s in (-1, 1)])
    x = np.concatenate([near, tiny, wide, [0.0, -0.0]]).astype(NUMPY[dtype])
    return np.concatenate([x, np.zeros(-len(x) % 64, x.dtype)])


def near(found: np.ndarray, row: Callable[[np.ndarray], np.ndarray], x: np.ndarray, dtype: str) -> np.ndarray:
    """Whether each is the row's at x, or at a rounding's distance: x - 3 rounds, and may jump there. A difference of
    nearly equal numbers, as in x - tanh(x) or 1 - sigmoid(x), is off by units of what it was taken from, and that
    times x."""
    close, x = np.zeros(len(x), bool), x.astype(np.float64)
    most, tiny = np.finfo(NUMPY[dtype]).max / 8, np.finfo(NUMPY[dtype]).tiny / UNIT[dtype]
    for moved in (x, x - 4 * UNIT[dtype], x + 4 * UNIT[dtype]):
        with np.errstate(all="ignore"):
            right = row(moved)
            bound = 16 * UNIT[dtype] * np.maximum(np.maximum(np.abs(right), np.abs(x)), tiny)
            close |= (np.abs(found - right) <= bound) | ((np.abs(right) > most) & (np.abs(found) > most / 2))
    return close
