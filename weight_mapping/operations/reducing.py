"""Operations along axes: sums, means, lengths, extremes, running sums, products of matrices and tensors. Each is
written once for NumPy, PyTorch and ONNX, its parameters named as in keras.ops."""

from __future__ import annotations

from typing import Any

from weight_mapping.errors import Unsupported, shown
from weight_mapping.operations import rearranging
from weight_mapping.operations.elementwise import Array, Formula, cast, is_float
from weight_mapping.operations.rearranging import axes_of


def reduction(name: str) -> Formula:
    def formula(xp: Any, x: Array, axis: Any = None, keepdims: bool = False) -> Array:
        return getattr(xp, name)(x, axis=axes_of(x, axis), keepdims=bool(keepdims))

    return formula


def mean(xp: Any, x: Array, axis: Any = None, keepdims: bool = False) -> Array:
    return xp.mean(x if is_float(x) else x * 1.0, axis=axes_of(x, axis), keepdims=bool(keepdims))


def variance(xp: Any, x: Array, axis: Any = None, keepdims: bool = False) -> Array:
    off = x - mean(xp, x, axis, True)
    return mean(xp, off * off, axis, keepdims)


def norm(xp: Any, x: Array, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Array:
    if ord not in (None, 2, "euclidean"):
        raise Unsupported("a norm that is not the root of the squares' sum", class_name="norm", found=shown(ord))
    return xp.sqrt(xp.sum(x * x, axis=axes_of(x, axis), keepdims=bool(keepdims)))


def normalize(xp: Any, x: Array, axis: Any = -1, order: int = 2, epsilon: float | None = None) -> Array:
    """Keras 3: a length below epsilon counts as epsilon."""
    if order != 2:
        raise Unsupported("a norm that is not the root of the squares' sum", class_name="normalize", found=shown(order))
    return l2_normalize(xp, x, axis, (1e-7 if epsilon is None else epsilon) ** 2)


def l2_normalize(xp: Any, x: Array, axis: Any = None, epsilon: float = 1e-12) -> Array:
    """TensorFlow: a square of a length below epsilon counts as epsilon."""
    return x / xp.sqrt(xp.clip(xp.sum(x * x, axis=axes_of(x, axis), keepdims=True), epsilon, None))


def cumsum(xp: Any, x: Array, axis: int = 0, exclusive: bool = False, reverse: bool = False) -> Array:
    if exclusive or reverse:
        raise Unsupported("a cumsum that is exclusive or in reverse", class_name="cumsum")
    return xp.cumsum(x, int(axis))


def argmax(xp: Any, x: Array, axis: int = 0, keepdims: bool = False, dtype: str | None = None) -> Array:
    found = xp.argmax(x, int(axis))
    found = rearranging.expand_dims(found, int(axis)) if keepdims else found
    return found if dtype is None else cast(xp, found, dtype)


def prod(xp: Any, x: Array, axis: Any = None, keepdims: bool = False) -> Array:
    axes = axes_of(x, axis)
    for a in axes:
        x = xp.prod(x, axis=a, keepdims=True)
    return x if keepdims or not axes else xp.squeeze(x, axes)


def matmul(xp: Any, x1: Array, x2: Array, adj_x: bool = False, adj_y: bool = False) -> Array:
    x1 = xp.swapaxes(x1, -1, -2) if adj_x else x1
    return x1 @ (xp.swapaxes(x2, -1, -2) if adj_y else x2)


def einsum(xp: Any, *operands: Any, subscripts: str | None = None) -> Array:
    """The equation as a keyword (Keras) or as the first argument (TensorFlow)."""
    return xp.einsum(*operands) if subscripts is None else xp.einsum(subscripts, *operands)
