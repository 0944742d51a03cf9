"""Activations as C++: every row, both dtypes, against NumPy in float64, at the ends of the numbers too."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from weight_mapping import activations
from weight_mapping.activations import ROWS, Activation, activation
from weight_mapping.torch import kernel
from weight_mapping.torch.kernel import formulas, library

pytestmark = pytest.mark.skipif(not kernel.standing().runs, reason=f"no compiled cells: {kernel.standing().why}")
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


def computed(of: Activation, what: str, dtype: str, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the compiled 'value' or 'slope' leaves in x and in the derivative; x is a multiple of any register."""
    values, slopes = x.astype(NUMPY[dtype]).copy(), np.zeros(len(x), NUMPY[dtype])
    arrays = [values] if what == "value" else [values, slopes]
    kinds = [*(ctypes.c_void_p for _ in arrays), ctypes.c_long]
    address = library.address(of, what, dtype)
    ctypes.CFUNCTYPE(None, *kinds)(address)(*(a.ctypes.data for a in arrays), len(x))
    return values, slopes


def grid(dtype: str) -> np.ndarray:
    near = np.linspace(-12, 12, 4001)
    tiny = np.concatenate([s * np.logspace(-44 if dtype == "float" else -300, 0, 500) for s in (-1, 1)])
    wide = np.concatenate([s * np.logspace(0, 2.5, 300) for s in (-1, 1)])
    x = np.concatenate([near, tiny, wide, [0.0, -0.0]]).astype(NUMPY[dtype])
    return np.concatenate([x, np.zeros(-len(x) % 64, x.dtype)])


@pytest.mark.parametrize("dtype", UNIT)
@pytest.mark.parametrize("name", ALL)
def test_every_row_as_in_numpy(name: str, dtype: str) -> None:
    of, x = ALL[name], grid(dtype)
    value, slope = computed(of, "slope", dtype, x)
    assert near(computed(of, "value", dtype, x)[0], of.function, x, dtype).all()
    assert near(value, of.function, x, dtype).all()
    assert near(slope, of.derivative, x, dtype).all()


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


@pytest.mark.parametrize("dtype", UNIT)
@pytest.mark.parametrize("name", ["tanh", "sigmoid", "linear", "elu", "exponential", "softplus", "hard_sigmoid 1/5"])
def test_the_ends_of_the_numbers(name: str, dtype: str) -> None:
    x = np.tile([np.nan, np.inf, -np.inf, 1e30], 16)
    with np.errstate(all="ignore"):
        expected = ALL[name].function(x)
    found = computed(ALL[name], "value", dtype, x)[0]
    if name == "exponential":
        expected[x == 1e30] = np.inf
    assert np.array_equal(found, expected.astype(NUMPY[dtype]), equal_nan=True)


@pytest.mark.parametrize("name", ["tanh", "linear"])
def test_zero_keeps_its_sign(name: str) -> None:
    found = computed(ALL[name], "value", "float", np.tile([-0.0, 0.0], 32))[0]
    assert np.array_equal(np.signbit(found), np.tile([True, False], 32))


def test_only_numbers_reach_the_text() -> None:
    text = formulas.source(activation("relu", max_value=float("inf"), negative_slope=-float("inf"), threshold=1e-310))
    assert "T(INFINITY)" in text and "T(-INFINITY)" in text and "0x" in text
    with pytest.raises(ValueError, match="could not convert"):
        formulas.source(Activation("leaky_relu", (("negative_slope", "0); system("),)))


def test_a_wrong_row_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The steps compute silu with a slope that is off, the compiled row was made from another."""
    from weight_mapping.spec import Cell
    from weight_mapping.torch.kernel import check
    from weight_mapping.torch.kernel.words import words_of

    words = words_of(Cell(kind="rnn", units=1, activation=activation("silu")))
    assert check.difference(words, torch.float32) < check.LARGEST
    row = activations.ROWS["silu"]
    wrong = replace(row, function=lambda x, xp: row.function(x, xp) * 1.01)
    monkeypatch.setitem(activations.ROWS, "silu", wrong)
    assert check.difference(words, torch.float32) > 10 * check.LARGEST
