"""Operations that compute each number by itself or from those in its place in other arrays, and the activations. Each
is written once for NumPy, PyTorch and ONNX, its parameters named as in keras.ops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from weight_mapping.activations import NUMPY, Activation
from weight_mapping.activations import activation as row_of
from weight_mapping.errors import Unsupported, shown

Array = Any
Formula = Callable[..., Any]


def _acted(of: Activation, xp: Any, x: Array) -> Array:
    return of.function(x, NUMPY if xp is np else xp)


def activation(name: str, **fixed: Any) -> Formula:
    """A row of `weight_mapping.activations` as an operation."""

    def formula(xp: Any, x: Array) -> Array:
        return _acted(row_of(name, **fixed), xp, x)

    return formula


def gelu(xp: Any, x: Array, approximate: bool = False) -> Array:
    return _acted(row_of("gelu", approximate=approximate), xp, x)


def elu(xp: Any, x: Array, alpha: float = 1.0) -> Array:
    return _acted(row_of("elu", alpha=alpha), xp, x)


def log_softmax(xp: Any, x: Array, axis: int = -1) -> Array:
    return _acted(row_of("log_softmax", axis=-1 if axis is None else axis), xp, x)


def softmax(xp: Any, x: Array, axis: int = -1) -> Array:
    return _acted(row_of("softmax", axis=-1 if axis is None else axis), xp, x)


def leaky_relu(xp: Any, x: Array, negative_slope: float = 0.2) -> Array:
    return _acted(row_of("leaky_relu", negative_slope=negative_slope), xp, x)


def of_xp(name: str) -> Formula:
    """The function that NumPy and PyTorch have under this name."""
    return lambda xp, x: getattr(xp, name)(x)


def like(xp: Any, x: Array, other: Array) -> Array:
    """x as an array, a plain number in the dtype of the array beside it."""
    return x if hasattr(x, "dtype") else xp.asarray(x, dtype=getattr(other, "dtype", None))


def extreme(name: str) -> Formula:
    def formula(xp: Any, x1: Array, x2: Array) -> Array:
        return getattr(xp, name)(like(xp, x1, x2), like(xp, x2, x1))

    return formula


def round(xp: Any, x: Array, decimals: int = 0) -> Array:
    """Halves go to the even neighbour."""
    if decimals:
        raise Unsupported("rounding to decimals", class_name="round", found=shown(decimals))
    return xp.round(x)


def is_float(x: Array) -> bool:
    return "float" in str(x.dtype)


def cast(xp: Any, x: Array, dtype: str) -> Array:
    """A float stays in the precision in which the model is computed, whatever width the file asks for."""
    name = str(dtype)
    if name.startswith(("float", "bfloat")):
        return x if is_float(x) else x * 1.0
    if name == "bool":
        return x != 0
    if name.startswith(("int", "uint")):
        return x.astype(np.int64) if xp is np else x.long()
    raise Unsupported(f"a cast to {shown(name)}", class_name="cast")


def one_hot(
    xp: Any, x: Array, num_classes: int, axis: int = -1, dtype: str | None = None, sparse: bool = False,
    on_value: Any = None, off_value: Any = None,
) -> Array:  # fmt: skip
    """1 at the place that each number of x says, 0 elsewhere, in a new last axis."""
    if axis not in (-1, x.ndim) or sparse or on_value not in (None, 1) or off_value not in (None, 0):
        raise Unsupported("the operation one_hot with anything but ones in a last axis", class_name="one_hot")
    ones = x[(..., None)] == xp.asarray(tuple(range(int(num_classes))), dtype=x.dtype)
    return cast(xp, ones, dtype or "float32")


def filled_like(name: str) -> Formula:
    """zeros_like and ones_like: x's shape, filled."""

    def formula(xp: Any, x: Array, dtype: str | None = None) -> Array:
        y = getattr(xp, name)(x)
        return y if dtype is None else cast(xp, y, dtype)

    return formula


def where(xp: Any, condition: Array, x1: Array, x2: Array) -> Array:
    return xp.where(condition, like(xp, x1, x2), like(xp, x2, x1))
