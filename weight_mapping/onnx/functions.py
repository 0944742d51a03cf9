"""The namespace `xp` of tensors in an ONNX graph: what NumPy and PyTorch call these functions, for the formulas of
activations and operations, which are written once. Numbers alone stay NumPy's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from weight_mapping.errors import Unrepresentable, shown
from weight_mapping.onnx.graph import Graph
from weight_mapping.onnx.tensor import Tensor, met


def _elementwise(kind: str) -> Callable[[Tensor], Tensor]:
    return lambda x: x.graph.op(kind, x.floating())


tanh, sigmoid, exp, log, sqrt, erf, sin, cos, floor, ceil, round = map(
    _elementwise, ("Tanh", "Sigmoid", "Exp", "Log", "Sqrt", "Erf", "Sin", "Cos", "Floor", "Ceil", "Round")
)


def expm1(x: Tensor) -> Tensor:
    return exp(x) - 1.0


def log1p(x: Tensor) -> Tensor:
    return log(x + 1.0)


def abs(x: Tensor) -> Tensor:
    return x.graph.op("Abs", x)


def sign(x: Tensor) -> Tensor:
    return x.graph.op("Sign", x)


def softmax(x: Tensor, axis: int) -> Tensor:
    return x.graph.op("Softmax", x, axis=axis)


def maximum(x: Any, y: Any) -> Tensor:
    both = met(x, y)
    return both[0].graph.op("Max", *both)


def minimum(x: Any, y: Any) -> Tensor:
    both = met(x, y)
    return both[0].graph.op("Min", *both)


def logaddexp(x: Tensor, y: Tensor) -> Tensor:
    return maximum(x, y) + log1p(exp(-abs(x - y)))


def clip(x: Tensor, low: float | None, high: float | None) -> Tensor:
    x = x if low is None else maximum(x, low)
    return x if high is None else minimum(x, high)


def where(condition: Tensor, x: Any, y: Any) -> Tensor:
    condition = condition.astype(bool)
    if not isinstance(x, Tensor) and not isinstance(y, Tensor):
        x = condition.graph.constant(x)
    return condition.graph.op("Where", condition, *met(x, y))


def _filled(value: int) -> Callable[[Tensor], Tensor]:
    return lambda x: broadcast_to(x.graph.constant(x.dtype.type(value)), x.shape)


zeros_like, ones_like = map(_filled, (0, 1))


def broadcast_to(x: Tensor, sizes: Sequence[Any]) -> Tensor:
    """As in NumPy; sizes may be open."""
    types = [(x.dtype, tuple(n if isinstance(n, int) else None for n in sizes))]
    return x.graph.ops("Expand", x, asarray(tuple(sizes)), outputs=1, types=types)[0]


def asarray(x: Any, dtype: Any = None) -> Any:
    opened = [size for size in x if isinstance(size, Tensor)] if isinstance(x, tuple) else []
    if opened:
        parts = [size if isinstance(size, Tensor) else np.array([size]) for size in x]
        return opened[0].graph.op("Concat", *parts, axis=0)
    return x if isinstance(x, Tensor) else np.asarray(x, dtype)


def _reduction(kind: str) -> Callable[..., Tensor]:
    def reduced(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
        over = None if axis is None else np.atleast_1d(np.asarray(axis, np.int64))
        if over is not None and not over.size:
            return x  # an empty list means every axis to the operator
        return x.graph.op(kind, x, over, keepdims=int(keepdims))

    return reduced


sum, mean, amax, amin, prod = map(_reduction, ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd"))


def any(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    return amax((x != 0).astype(np.int64), axis, keepdims).astype(bool)


def all(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    return amin((x != 0).astype(np.int64), axis, keepdims).astype(bool)


def cumsum(x: Tensor, axis: int) -> Tensor:
    return x.graph.op("CumSum", x, np.int64(axis))


def argmax(x: Tensor, axis: int) -> Tensor:
    return x.graph.op("ArgMax", x, axis=axis, keepdims=0)


def reshape(x: Tensor, sizes: Sequence[Any]) -> Tensor:
    return x.reshape(*sizes)


def squeeze(x: Tensor, axes: Any) -> Tensor:
    axes = np.atleast_1d(np.asarray(axes, np.int64))
    return x.graph.op("Squeeze", x, axes) if axes.size else x


def moveaxis(x: Tensor, source: Any, destination: Any) -> Tensor:
    numbered = np.empty(range(1, x.ndim + 1))  # each axis' size is its number, from 1
    return x.transpose(*(n - 1 for n in np.moveaxis(numbered, source, destination).shape))


def swapaxes(x: Tensor, one: int, other: int) -> Tensor:
    axes = list(range(x.ndim))
    axes[one], axes[other] = axes[other], axes[one]
    return x.transpose(*axes)


def concatenate(xs: Sequence[Any], axis: int = 0) -> Tensor:
    """Of one dtype, the highest among them."""
    graph = next(x for x in xs if isinstance(x, Tensor)).graph
    tensors = [x if isinstance(x, Tensor) else graph.constant(x) for x in xs]
    highest = max(tensors, key=lambda x: "biuf".index(x.dtype.kind))
    return graph.op("Concat", *(met(x, highest)[0] for x in tensors), axis=int(axis))


def stack(xs: Sequence[Tensor], axis: int = 0) -> Tensor:
    return concatenate([x.graph.op("Unsqueeze", x, np.array([axis])) for x in xs], axis)


def split(x: Tensor, size: int, axis: int) -> list[Tensor]:
    """Parts of this size."""
    whole = x.sizes[axis]
    if whole is None:
        raise Unrepresentable("a split of an axis whose size is open")
    ends = range(0, whole + 1, size)
    return [x[(slice(None),) * (axis % x.ndim) + (slice(a, b),)] for a, b in pairwise(ends)]


def flip(x: Tensor, axes: Any) -> Tensor:
    axes = {int(a) % x.ndim for a in np.atleast_1d(axes)}
    return x[tuple(slice(None, None, -1) if n in axes else slice(None) for n in range(x.ndim))]


def tile(x: Tensor, repeats: Sequence[int]) -> Tensor:
    whole = max(len(repeats), x.ndim)
    x = x.reshape(*(1,) * (whole - x.ndim), *x.shape)
    return x.graph.op("Tile", x, np.array([*(1,) * (whole - len(repeats)), *repeats]))


def arange(graph: Graph, size: int | Tensor) -> Tensor:
    """0, 1, … up to a size that may be open."""
    if isinstance(size, int):
        return graph.constant(np.arange(size))
    return graph.op("Range", np.int64(0), graph.op("Squeeze", size, np.array([0])), np.int64(1))


def einsum(subscripts: str, *operands: Any) -> Tensor:
    graph = next(x for x in operands if isinstance(x, Tensor)).graph
    if not subscripts.isascii():
        raise Unrepresentable("an equation of einsum that is none", found=shown(subscripts))
    return graph.op("Einsum", *operands, equation=subscripts.replace(" ", ""))
