"""Activations: one row each, with the function and its derivative, written once for NumPy and PyTorch alike.

A function takes the array and `xp`, the namespace it computes in: `NUMPY` here, the `torch` module elsewhere. Both
offer the same names, so the row is the only place where an activation is written.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from weight_mapping.errors import Unsupported, shown

Array = Any
Formula = Callable[..., Array]


class _NumPy:
    """NumPy under the names that PyTorch uses."""

    tanh, exp, expm1, log1p, sqrt, where, clip = np.tanh, np.exp, np.expm1, np.log1p, np.sqrt, np.where, np.clip
    abs, sign, logaddexp, zeros_like, ones_like = np.abs, np.sign, np.logaddexp, np.zeros_like, np.ones_like
    erf = staticmethod(np.vectorize(math.erf, otypes=[np.float64]))
    split = staticmethod(lambda x, size, axis: np.split(x, x.shape[axis] // size, axis))
    log = np.log

    @staticmethod
    def sigmoid(x: Array) -> Array:
        e = np.exp(-np.abs(x))  # never overflows
        return np.where(x >= 0, 1, e) / (1 + e)

    @staticmethod
    def softmax(x: Array, axis: int) -> Array:
        e = np.exp(x - x.max(axis, keepdims=True))
        return e / e.sum(axis, keepdims=True)


NUMPY: Any = _NumPy


@dataclass(frozen=True, slots=True)
class Row:
    """`function(x, xp, **parameters)`, `derivative(x, xp, **parameters)` at x, and the parameters' defaults.

    `derivative` is None where the output at one place depends on others (softmax): as a gate such an activation acts on
    all of its units at once, where `check_gate` allows it. `source` says whose definition it is, `since` the first
    generation of Keras that knows the name."""

    function: Formula
    derivative: Formula | None
    parameters: Mapping[str, float | int | None]
    source: str
    since: int = 1


@dataclass(frozen=True, slots=True)
class Activation:
    """An activation with nothing left to resolve: a row's name and its parameters, sorted."""

    name: str
    parameters: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        inside = ", ".join(f"{k}={_fraction(v)}" for k, v in self.parameters)
        return f"{self.name}({inside})" if inside else self.name

    def function(self, x: Array, xp: Any = NUMPY) -> Array:
        return ROWS[self.name].function(x, xp, **dict(self.parameters))

    def derivative(self, x: Array, xp: Any = NUMPY) -> Array:
        derivative = ROWS[self.name].derivative
        if derivative is None:
            raise Unsupported(f"the activation {self.name} has no derivative by element", way_out="It can't be a gate.")
        return derivative(x, xp, **dict(self.parameters))


def activation(name: str, **parameters: Any) -> Activation:
    """The activation of this name, with the row's defaults for what is not given.

    >>> str(activation("hard_sigmoid", slope=1 / 5))
    'hard_sigmoid(slope=1/5)'
    """
    row = ROWS.get(name)
    if row is None:
        raise Unsupported(
            f"no activation is called {shown(name)!r}", class_name=name, way_out=f"Known: {', '.join(sorted(ROWS))}."
        )
    unknown = parameters.keys() - row.parameters.keys()
    if unknown:
        raise Unsupported(f"the activation {name} takes no {', '.join(sorted(unknown))}", class_name=name)
    return Activation(name, tuple(sorted({**row.parameters, **parameters}.items())))


def is_elementwise(of: Activation) -> bool:
    """Whether the output at one place depends on that place alone."""
    return ROWS[of.name].derivative is not None


def check_gate(of: Activation, *, images: bool = False) -> None:
    """Raise Unsupported for an activation that can't be a cell's: one across other axes than a gate's units (the last;
    of a cell on `images` across any), or one that gives fewer than it takes."""
    over_units = of.name in ("softmax", "log_softmax") and dict(of.parameters)["axis"] == -1 and not images
    if not (is_elementwise(of) or over_units):
        raise Unsupported(
            f"the activation {of} mixes the places of a gate",
            class_name=of.name,
            way_out="Only one that acts element by element can be a gate; of a cell without images softmax too.",
        )


KERAS_SLOPES: Mapping[int, float] = {1: 1 / 5, 2: 1 / 5, 3: 1 / 6}
"""What each generation of Keras means by hard_sigmoid; PyTorch means the same as Keras 3."""


def hard_sigmoid(slope: float) -> Activation:
    """clip(slope x + 1/2, 0, 1); the slope is one of `KERAS_SLOPES`."""
    return activation("hard_sigmoid", slope=slope)


def _fraction(value: Any) -> str:
    for bottom in (5, 6):
        if value == 1 / bottom:
            return f"1/{bottom}"
    return str(value)


def _ones(x: Array, xp: Any) -> Array:
    return xp.ones_like(x)


def _d_sigmoid(x: Array, xp: Any) -> Array:
    y = xp.sigmoid(x)
    return y * (1 - y)


def _softplus(x: Array, xp: Any) -> Array:
    return xp.logaddexp(x, xp.zeros_like(x))


def _hard_sigmoid(x: Array, xp: Any, slope: float) -> Array:
    return xp.clip(slope * x + 0.5, 0, 1)


def _d_hard_sigmoid(x: Array, xp: Any, slope: float) -> Array:
    return xp.where(xp.abs(slope * x) < 0.5, slope * xp.ones_like(x), xp.zeros_like(x))


def _relu(x: Array, xp: Any, max_value: float | None, negative_slope: float, threshold: float) -> Array:
    below = negative_slope * (x - threshold) if negative_slope else xp.zeros_like(x)  # 0 times -inf is no number
    y = xp.where(x > threshold, x, below)
    return y if max_value is None else xp.where(y > max_value, max_value * xp.ones_like(y), y)


def _d_relu(x: Array, xp: Any, max_value: float | None, negative_slope: float, threshold: float) -> Array:
    inside = x > threshold if max_value is None else (x > threshold) & (x < max_value)
    below = xp.where(x <= threshold, negative_slope * xp.ones_like(x), xp.zeros_like(x))
    return xp.where(inside, xp.ones_like(x), below)


def _elu(x: Array, xp: Any, alpha: float) -> Array:
    return xp.where(x > 0, x, alpha * xp.expm1(xp.clip(x, None, 0)))


def _d_elu(x: Array, xp: Any, alpha: float) -> Array:
    return xp.where(x > 0, xp.ones_like(x), alpha * xp.exp(xp.clip(x, None, 0)))


_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def _gelu(x: Array, xp: Any, approximate: bool) -> Array:
    if approximate:
        return 0.5 * x * (1 + xp.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))
    return 0.5 * x * (1 + xp.erf(x / math.sqrt(2)))


def _d_gelu(x: Array, xp: Any, approximate: bool) -> Array:
    if approximate:
        t = xp.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x))
        return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x * x)
    return 0.5 * (1 + xp.erf(x / math.sqrt(2))) + x * xp.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def _d_silu(x: Array, xp: Any) -> Array:
    y = xp.sigmoid(x)
    return y * (1 + x * (1 - y))


def _d_mish(x: Array, xp: Any) -> Array:
    t = xp.tanh(_softplus(x, xp))
    return t + x * (1 - t * t) * xp.sigmoid(x)


def _leaky(x: Array, xp: Any, negative_slope: float) -> Array:
    return xp.where(x >= 0, x, negative_slope * x)


def _d_leaky(x: Array, xp: Any, negative_slope: float) -> Array:
    return xp.where(x > 0, xp.ones_like(x), negative_slope * xp.ones_like(x))


def _d_hard_silu(x: Array, xp: Any, slope: float) -> Array:
    return _hard_sigmoid(x, xp, slope) + x * _d_hard_sigmoid(x, xp, slope)


def _within(x: Array, xp: Any, bound: float) -> Array:
    return xp.where(xp.abs(x) < bound, xp.ones_like(x), xp.zeros_like(x))


def _soft_shrink(x: Array, xp: Any, threshold: float) -> Array:
    return xp.sign(x) * xp.clip(xp.abs(x) - threshold, 0, None)


def _d_shrink(x: Array, xp: Any, threshold: float) -> Array:
    return 1 - xp.where(xp.abs(x) <= threshold, xp.ones_like(x), xp.zeros_like(x))


def _squareplus(x: Array, xp: Any, b: float) -> Array:
    return (x + xp.sqrt(x * x + b)) / 2


def _sparse_plus(x: Array, xp: Any) -> Array:
    return xp.where(x <= -1, xp.zeros_like(x), xp.where(x < 1, (x + 1) ** 2 / 4, x))


def _d_sparse_plus(x: Array, xp: Any) -> Array:
    return xp.where(x <= -1, xp.zeros_like(x), xp.where(x < 1, (x + 1) / 2, xp.ones_like(x)))


def _glu(x: Array, xp: Any, axis: int) -> Array:
    left, right = xp.split(x, x.shape[axis] // 2, axis)
    return left * xp.sigmoid(right)


def _log_softmax(x: Array, xp: Any, axis: int) -> Array:
    return xp.log(xp.softmax(x, axis))


def _threshold(x: Array, xp: Any, threshold: float, default_value: float) -> Array:
    return xp.where(x > threshold, x, default_value * xp.ones_like(x))


_BOTH = "Keras 1, 2 and 3"
_three = partial(Row, source="Keras 3 (keras/src/activations)", since=3)
ROWS: dict[str, Row] = {
    "linear": Row(lambda x, xp: x, _ones, {}, _BOTH),
    "sigmoid": Row(lambda x, xp: xp.sigmoid(x), _d_sigmoid, {}, _BOTH),
    "tanh": Row(lambda x, xp: xp.tanh(x), lambda x, xp: 1 - xp.tanh(x) ** 2, {}, _BOTH),
    "hard_sigmoid": Row(_hard_sigmoid, _d_hard_sigmoid, {"slope": None}, "slope 1/5: Keras 1, 2; 1/6: Keras 3, torch"),
    "relu": Row(_relu, _d_relu, {"max_value": None, "negative_slope": 0.0, "threshold": 0.0}, _BOTH),
    "relu6": Row(lambda x, xp: xp.clip(x, 0, 6), lambda x, xp: _within(x - 3, xp, 3), {}, "tf.keras and Keras 3"),
    "softmax": Row(lambda x, xp, axis: xp.softmax(x, axis), None, {"axis": -1}, _BOTH),
    "softplus": Row(_softplus, lambda x, xp: xp.sigmoid(x), {}, _BOTH),
    "softsign": Row(lambda x, xp: x / (1 + xp.abs(x)), lambda x, xp: 1 / (1 + xp.abs(x)) ** 2, {}, _BOTH),
    "elu": Row(_elu, _d_elu, {"alpha": 1.0}, _BOTH),
    "selu": Row(
        lambda x, xp: _SELU_SCALE * _elu(x, xp, _SELU_ALPHA),
        lambda x, xp: _SELU_SCALE * _d_elu(x, xp, _SELU_ALPHA),
        {},
        "Klambauer et al. 2017; Keras 2 and 3",
    ),
    "exponential": Row(lambda x, xp: xp.exp(x), lambda x, xp: xp.exp(x), {}, "Keras 2.1.6 on"),
    "gelu": Row(_gelu, _d_gelu, {"approximate": False}, "tf.keras 2.4 on, exact by default"),
    "silu": Row(lambda x, xp: x * xp.sigmoid(x), _d_silu, {}, "tf.keras 2.2 on, called swish there"),
    "mish": Row(lambda x, xp: x * xp.tanh(_softplus(x, xp)), _d_mish, {}, "tf.keras 2.13 on"),
    "leaky_relu": Row(_leaky, _d_leaky, {"negative_slope": 0.2}, "the activation: 0.2; the layer LeakyReLU: 0.3"),
    "hard_silu": _three(lambda x, xp, slope: x * _hard_sigmoid(x, xp, slope), _d_hard_silu, {"slope": 1 / 6}),
    "hard_tanh": _three(lambda x, xp: xp.clip(x, -1, 1), lambda x, xp: _within(x, xp, 1), {}),
    "celu": _three(
        lambda x, xp, alpha: _elu(x / alpha, xp, 1.0) * alpha,
        lambda x, xp, alpha: _d_elu(x / alpha, xp, 1.0),
        {"alpha": 1.0},
    ),
    "soft_shrink": _three(_soft_shrink, _d_shrink, {"threshold": 0.5}),
    "hard_shrink": _three(lambda x, xp, threshold: x * _d_shrink(x, xp, threshold), _d_shrink, {"threshold": 0.5}),
    "tanh_shrink": _three(lambda x, xp: x - xp.tanh(x), lambda x, xp: xp.tanh(x) ** 2, {}),
    "squareplus": _three(_squareplus, lambda x, xp, b: (1 + x / xp.sqrt(x * x + b)) / 2, {"b": 4}),
    "sparse_plus": _three(_sparse_plus, _d_sparse_plus, {}),
    "sparse_sigmoid": _three(lambda x, xp: xp.clip(0.5 * x + 0.5, 0, 1), lambda x, xp: 0.5 * _within(x, xp, 1), {}),
    "log_sigmoid": _three(lambda x, xp: -_softplus(-x, xp), lambda x, xp: xp.sigmoid(-x), {}),
    "log_softmax": Row(_log_softmax, None, {"axis": -1}, "tf.keras and Keras 3"),
    "glu": _three(_glu, None, {"axis": -1}),
    "threshold": _three(
        _threshold,
        lambda x, xp, threshold, default_value: xp.where(x > threshold, xp.ones_like(x), xp.zeros_like(x)),
        {"threshold": 0.0, "default_value": 0.0},
    ),
}
