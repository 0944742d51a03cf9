"""Activations as C++: every row, both dtypes, against NumPy in float64, at the ends of the numbers too."""

from __future__ import annotations

import ctypes
from dataclasses import replace

import numpy as np
import pytest
import torch
from kernel_rows import ALL, NUMPY, UNIT, grid, near

from weight_mapping import activations
from weight_mapping.activations import Activation, activation
from weight_mapping.spec import Cell
from weight_mapping.torch import kernel
from weight_mapping.torch.kernel import check, formulas, library
from weight_mapping.torch.kernel.words import words_of

pytestmark = pytest.mark.skipif(not kernel.standing().runs, reason=f"no compiled cells: {kernel.standing().why}")


def computed(of: Activation, what: str, dtype: str, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the compiled 'value' or 'slope' leaves in x and in the derivative; x is a multiple of any register."""
    values, slopes = x.astype(NUMPY[dtype]).copy(), np.zeros(len(x), NUMPY[dtype])
    arrays = [values] if what == "value" else [values, slopes]
    kinds = [*(ctypes.c_void_p for _ in arrays), ctypes.c_long]
    address = library.address(of, what, dtype)
    ctypes.CFUNCTYPE(None, *kinds)(address)(*(a.ctypes.data for a in arrays), len(x))
    return values, slopes


@pytest.mark.parametrize("dtype", UNIT)
@pytest.mark.parametrize("name", ALL)
def test_every_row_as_in_numpy(name: str, dtype: str) -> None:
    of, x = ALL[name], grid(dtype)
    value, slope = computed(of, "slope", dtype, x)
    assert near(computed(of, "value", dtype, x)[0], of.function, x, dtype).all()
    assert near(value, of.function, x, dtype).all()
    assert near(slope, of.derivative, x, dtype).all()


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
    ends = activation("relu", max_value=float("inf"), negative_slope=-float("inf"), threshold=1e-310)
    text = formulas.source(ends)
    assert "T(INFINITY)" in text and "T(-INFINITY)" in text and "0x" in text
    text = formulas.triton_source(ends)
    assert "float('inf')" in text and "float('-inf')" in text and "1e-310" in text
    for write in (formulas.source, formulas.triton_source):
        with pytest.raises(ValueError, match="could not convert"):
            write(Activation("leaky_relu", (("negative_slope", "0); system("),)))


def test_a_wrong_row_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The steps compute silu with a slope that is off, the compiled row was made from another."""
    words = words_of(Cell(kind="rnn", units=1, activation=activation("silu")))
    assert check.difference(words, torch.float32) < check.LARGEST
    row = activations.ROWS["silu"]
    wrong = replace(row, function=lambda x, xp: row.function(x, xp) * 1.01)
    monkeypatch.setitem(activations.ROWS, "silu", wrong)
    assert check.difference(words, torch.float32) > 10 * check.LARGEST


UNBOUNDED = [
    ("lstm", "exponential", "hard_sigmoid slope=0.2"), ("lstm", "tanh", "exponential"), ("lstm", "tanh", "linear"),
    ("gru_after", "exponential", "sigmoid"), ("gru_before", "tanh", "exponential"), ("rnn", "exponential", "sigmoid"),
]  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("words", UNBOUNDED, ids=" ".join)
def test_activations_without_a_bound_are_judged_on_numbers_that_they_bear(
    words: tuple[str, str, str], dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They agree there; and a row that is off by a hundredth still doesn't."""
    assert check.difference(words, dtype) < check.LARGEST
    name = words[1] if words[1] != "tanh" else words[2]
    row = activations.ROWS[name]
    monkeypatch.setitem(activations.ROWS, name, replace(row, function=lambda x, xp: row.function(x, xp) * 1.01))
    assert check.difference(words, dtype) > 5 * check.LARGEST
