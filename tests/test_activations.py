"""Every activation at some points, against its definition in plain numbers: written out here, apart from the rows."""

from __future__ import annotations

from collections.abc import Callable
from math import erf, exp, log, pi, sqrt, tanh
from typing import Any

import numpy as np
import pytest

from weight_mapping.activations import NUMPY, ROWS, Activation, activation, check_gate, hard_sigmoid
from weight_mapping.errors import Unsupported


def _sigmoid(x: float) -> float:
    return 1 / (1 + exp(-x))


def _clip(x: float, low: float, high: float) -> float:
    return min(max(x, low), high)


def _softplus(x: float) -> float:
    return log(1 + exp(x))


# On both sides of every corner (0, ±0.5, ±1, ±2.5, ±3, 6), and off every symmetry.
POINTS = (-7.0, -2.9, -2.4, -1.25, -0.75, -0.3, 0.0, 0.2, 0.7, 1.3, 2.6, 3.25, 6.5)
Scalar = Callable[[float], float]
TABLE: list[tuple[str, dict[str, Any], Scalar, Scalar]] = [
    ("linear", {}, lambda x: x, lambda x: 1),
    ("sigmoid", {}, _sigmoid, lambda x: _sigmoid(x) * _sigmoid(-x)),
    ("tanh", {}, tanh, lambda x: 1 - tanh(x) ** 2),
    ("hard_sigmoid", {"slope": 1 / 5}, lambda x: _clip(x / 5 + 0.5, 0, 1), lambda x: 0.2 if abs(x) < 2.5 else 0),
    ("hard_sigmoid", {"slope": 1 / 6}, lambda x: _clip(x / 6 + 0.5, 0, 1), lambda x: 1 / 6 if abs(x) < 3 else 0),
    ("relu", {}, lambda x: max(x, 0), lambda x: 1 if x > 0 else 0),
    (
        "relu", {"max_value": 2.5, "negative_slope": 0.1, "threshold": 0.5},
        lambda x: min(x, 2.5) if x > 0.5 else 0.1 * (x - 0.5), lambda x: 0.1 if x < 0.5 else 1 if x < 2.5 else 0,
    ),
    ("relu6", {}, lambda x: _clip(x, 0, 6), lambda x: 1 if 0 < x < 6 else 0),
    ("softplus", {}, _softplus, _sigmoid),
    ("softsign", {}, lambda x: x / (1 + abs(x)), lambda x: (1 + abs(x)) ** -2),
    ("elu", {}, lambda x: x if x > 0 else exp(x) - 1, lambda x: 1 if x > 0 else exp(x)),
    ("elu", {"alpha": 0.3}, lambda x: x if x > 0 else 0.3 * (exp(x) - 1), lambda x: 1 if x > 0 else 0.3 * exp(x)),
    (
        "selu", {},
        lambda x: 1.0507009873554805 * (x if x > 0 else 1.6732632423543772 * (exp(x) - 1)),
        lambda x: 1.0507009873554805 * (1 if x > 0 else 1.6732632423543772 * exp(x)),
    ),
    ("exponential", {}, exp, exp),
    (
        "gelu", {}, lambda x: x * (1 + erf(x / sqrt(2))) / 2,
        lambda x: (1 + erf(x / sqrt(2))) / 2 + x * exp(-x * x / 2) / sqrt(2 * pi),
    ),
    (
        "gelu", {"approximate": True}, lambda x: x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3))),
        lambda x: _slope(lambda t: t / 2 * (1 + tanh(sqrt(2 / pi) * (t + 0.044715 * t**3))), x),
    ),
    ("silu", {}, lambda x: x * _sigmoid(x), lambda x: _slope(lambda t: t * _sigmoid(t), x)),
    ("mish", {}, lambda x: x * tanh(_softplus(x)), lambda x: _slope(lambda t: t * tanh(_softplus(t)), x)),
    ("leaky_relu", {}, lambda x: x if x > 0 else 0.2 * x, lambda x: 1 if x > 0 else 0.2),
    ("leaky_relu", {"negative_slope": 0.3}, lambda x: x if x > 0 else 0.3 * x, lambda x: 1 if x > 0 else 0.3),
    (
        "hard_silu", {}, lambda x: x * _clip(x / 6 + 0.5, 0, 1),
        lambda x: 0 if x < -3 else 1 if x > 3 else x / 3 + 0.5,
    ),
    ("hard_tanh", {}, lambda x: _clip(x, -1, 1), lambda x: 1 if abs(x) < 1 else 0),
    (
        "celu", {"alpha": 0.4}, lambda x: x if x > 0 else 0.4 * (exp(x / 0.4) - 1),
        lambda x: 1 if x > 0 else exp(x / 0.4),
    ),
    ("celu", {}, lambda x: x if x > 0 else exp(x) - 1, lambda x: 1 if x > 0 else exp(x)),
    (
        "soft_shrink", {}, lambda x: 0 if abs(x) <= 0.5 else x - 0.5 if x > 0 else x + 0.5,
        lambda x: 0 if abs(x) <= 0.5 else 1,
    ),
    ("hard_shrink", {}, lambda x: 0 if abs(x) <= 0.5 else x, lambda x: 0 if abs(x) <= 0.5 else 1),
    (
        "hard_shrink", {"threshold": 2.5}, lambda x: 0 if abs(x) <= 2.5 else x,
        lambda x: 0 if abs(x) <= 2.5 else 1,
    ),
    ("tanh_shrink", {}, lambda x: x - tanh(x), lambda x: tanh(x) ** 2),
    ("squareplus", {}, lambda x: (x + sqrt(x * x + 4)) / 2, lambda x: (1 + x / sqrt(x * x + 4)) / 2),
    (
        "sparse_plus", {}, lambda x: 0 if x < -1 else x if x > 1 else (x + 1) ** 2 / 4,
        lambda x: 0 if x < -1 else 1 if x > 1 else (x + 1) / 2,
    ),
    ("sparse_sigmoid", {}, lambda x: _clip(x / 2 + 0.5, 0, 1), lambda x: 0.5 if abs(x) < 1 else 0),
    ("log_sigmoid", {}, lambda x: log(_sigmoid(x)), lambda x: _sigmoid(-x)),
    ("threshold", {}, lambda x: max(x, 0), lambda x: 1 if x > 0 else 0),
    (
        "threshold", {"threshold": 0.5, "default_value": -3.0}, lambda x: x if x > 0.5 else -3.0,
        lambda x: 1 if x > 0.5 else 0,
    ),
]  # fmt: skip
ACROSS = ("softmax", "log_softmax", "glu")
"""Those whose output at one place depends on others."""
CORNERS = {"relu": (0.0,), "elu": (0.0,), "selu": (0.0,), "celu": (0.0,), "leaky_relu": (0.0,), "threshold": (0.0,)}


def _slope(function: Scalar, x: float) -> float:
    return (function(x + 1e-6) - function(x - 1e-6)) / 2e-6


@pytest.mark.parametrize(
    ("name", "parameters", "function", "derivative"), TABLE, ids=[f"{name} {given}" for name, given, _, _ in TABLE]
)
def test_an_activation_is_what_its_definition_says(
    name: str, parameters: dict[str, Any], function: Scalar, derivative: Scalar
) -> None:
    row = activation(name, **parameters)
    x = np.array(POINTS)
    assert row.function(x) == pytest.approx([function(p) for p in POINTS], rel=1e-14, abs=1e-15)
    smooth = np.array([p for p in POINTS if p not in CORNERS.get(name, ())])
    # A slope by differences is good to some 1e-10.
    assert row.derivative(smooth) == pytest.approx([derivative(p) for p in smooth], rel=1e-8, abs=1e-9)


class Tensors(NUMPY):  # type: ignore[misc]
    """NumPy as strict as the other libraries: their tensors are made of tensors, and sizes are whole numbers."""

    @staticmethod
    def ones_like(x: Any) -> Any:
        assert isinstance(x, np.ndarray)
        return np.ones_like(x)

    @staticmethod
    def zeros_like(x: Any) -> Any:
        assert isinstance(x, np.ndarray)
        return np.zeros_like(x)

    @staticmethod
    def split(x: Any, size: int, axis: int) -> Any:
        assert isinstance(size, int)
        return NUMPY.split(x, size, axis)


@pytest.mark.parametrize(
    ("name", "parameters"), [(name, given) for name, given, *_ in TABLE] + [(n, {}) for n in ACROSS]
)
def test_a_row_is_the_same_formula_for_every_library(name: str, parameters: dict[str, Any]) -> None:
    row, x = activation(name, **parameters), np.array([*POINTS, 9.0])
    assert np.array_equal(row.function(x, Tensors), row.function(x))
    if name not in ACROSS:
        assert np.array_equal(row.derivative(x, Tensors), row.derivative(x))


def test_at_a_step_the_side_is_that_of_keras() -> None:
    """Keras 3.15's ReLU and Threshold take what is greater than the threshold, and no more."""
    x = np.array([0.5])
    assert activation("relu", threshold=0.5, negative_slope=0.1).function(x) == 0
    assert activation("threshold", threshold=0.5, default_value=-3.0).function(x) == -3


def test_every_activation_is_written_out_here() -> None:
    assert {name for name, *_ in TABLE} | set(ACROSS) == ROWS.keys()


def test_activations_across_an_axis() -> None:
    x = np.array([[0.5, -1.0, 2.0, 0.0], [3.0, 1.0, -2.0, 1.0], [800.0, 0.0, -1.0, 2.0]])
    shares = np.exp(x[:2]) / np.exp(x[:2]).sum(1, keepdims=True)
    assert np.allclose(activation("softmax").function(x)[:2], shares, rtol=1e-15)
    assert np.array_equal(activation("softmax").function(x)[2], [1, 0, 0, 0])  # does not run over
    columns = np.exp(x[:2]) / np.exp(x[:2]).sum(0)
    assert np.allclose(activation("softmax", axis=0).function(x[:2]), columns, rtol=1e-15)
    assert np.allclose(activation("log_softmax").function(x[:2]), np.log(shares), rtol=1e-14)
    assert np.allclose(activation("log_softmax", axis=0).function(x[:2]), np.log(columns), rtol=1e-14)
    gate = 1 / (1 + np.exp(-x))
    assert np.allclose(activation("glu").function(x), x[:, :2] * gate[:, 2:], rtol=1e-15)
    assert np.allclose(activation("glu", axis=0).function(x[:2]), x[:1] * gate[1:2], rtol=1e-15)


def test_nothing_runs_over_where_the_limit_is_finite() -> None:
    far = np.array([-1e4, 1e4])
    with np.errstate(over="raise", invalid="raise"):
        assert np.array_equal(activation("sigmoid").function(far), [0, 1])
        assert np.array_equal(activation("softplus").function(far), [0, 1e4])
        assert np.array_equal(activation("elu").function(far), [-1, 1e4])
        assert np.array_equal(activation("elu").derivative(far), [0, 1])
        assert np.array_equal(activation("relu").function(np.array([-np.inf, np.inf])), [0, np.inf])
        assert np.array_equal(activation("relu").derivative(far), [0, 1])


def test_an_activation_says_what_it_is() -> None:
    assert str(activation("tanh")) == "tanh"
    assert str(hard_sigmoid(1 / 5)) == "hard_sigmoid(slope=1/5)"
    assert str(hard_sigmoid(1 / 6)) == "hard_sigmoid(slope=1/6)"
    assert str(hard_sigmoid(0.25)) == "hard_sigmoid(slope=0.25)"
    given = activation("relu", threshold=1.0, max_value=2.0)
    assert str(given) == "relu(max_value=2.0, negative_slope=0.0, threshold=1.0)"
    assert given == Activation("relu", (("max_value", 2.0), ("negative_slope", 0.0), ("threshold", 1.0)))
    assert hard_sigmoid(0.2) == activation("hard_sigmoid", slope=0.2) != hard_sigmoid(1 / 6)


def test_what_is_not_known_is_refused_by_name() -> None:
    with pytest.raises(Unsupported, match=r"no activation is called 'wave'.*elu, exponential, gelu") as refused:
        activation("wave")
    assert refused.value.class_name == "wave"
    with pytest.raises(Unsupported, match=r"the activation relu takes no alpha, beta$") as refused:
        activation("relu", beta=1, alpha=2, threshold=0.0)
    assert refused.value.class_name == "relu"
    with pytest.raises(Unsupported, match=r"the activation softmax has no derivative by element\. It can't be a gate"):
        activation("softmax").derivative(np.zeros(3))


@pytest.mark.parametrize("of", [activation("sigmoid"), activation("softmax"), activation("log_softmax")], ids=str)
def test_what_acts_on_each_number_or_on_all_units_can_be_a_gate(of: Activation) -> None:
    check_gate(of)


@pytest.mark.parametrize(
    ("of", "images"),
    [
        (activation("softmax", axis=1), False), (activation("softmax"), True), (activation("log_softmax"), True),
        (activation("glu"), False),
    ],
)  # fmt: skip
def test_what_mixes_other_places_or_gives_fewer_is_refused_as_a_gate(of: Activation, images: bool) -> None:
    with pytest.raises(Unsupported, match="mixes the places of a gate") as refused:
        check_gate(of, images=images)
    assert refused.value.class_name == of.name and "softmax too" in str(refused.value.way_out)
