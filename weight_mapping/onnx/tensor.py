"""Values of an ONNX graph that act like arrays: what is done to one becomes a node of its graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import helper

from weight_mapping.errors import Unrepresentable

if TYPE_CHECKING:
    from weight_mapping.onnx.graph import Graph

Sizes = tuple[int | None, ...]
_FAR = 2**62
"""Beyond every axis: a slice ends there, or, negative, before the first place."""

Operator = Callable[[Any, Any], "Tensor"]


def _operator(kind: str) -> tuple[Operator, Operator]:
    """x · y and its reflection, of two operands brought to one dtype."""

    def forward(self: Tensor, other: Any) -> Tensor:
        return self.graph.op(kind, *met(self, other))

    def reflected(self: Tensor, other: Any) -> Tensor:
        return self.graph.op(kind, *met(other, self))

    return forward, reflected


def _both_ways(compute: Operator) -> tuple[Operator, Operator]:
    return compute, lambda self, other: compute(met(other, self)[0], self)


class Tensor:
    """One value: `dtype` and `sizes`, None where open. Operators, slices, `reshape`, `transpose` and `any` are NumPy's;
    dtypes that differ meet as booleans, integers, then floats."""

    __array_ufunc__ = None  # NumPy leaves arithmetic with a tensor to the tensor
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, graph: Graph, name: str, dtype: np.dtype[Any], sizes: Sizes) -> None:
        self.graph, self.name, self.dtype, self.sizes = graph, name, dtype, sizes

    @property
    def ndim(self) -> int:
        return len(self.sizes)

    @property
    def type(self) -> onnx.TypeProto:
        return helper.make_tensor_type_proto(helper.np_dtype_to_tensor_dtype(self.dtype), self.sizes)

    @property
    def shape(self) -> tuple[int | Tensor, ...]:
        """Each size as a number, or as a tensor of one number where it is open."""
        return tuple(self._size(axis) if n is None else n for axis, n in enumerate(self.sizes))

    def _size(self, axis: int) -> Tensor:
        return self.graph.op("Shape", self, start=axis, end=axis + 1)

    def astype(self, dtype: Any) -> Tensor:
        wanted = np.dtype(dtype)
        return self if self.dtype == wanted else self.graph.op("Cast", self, to=helper.np_dtype_to_tensor_dtype(wanted))

    def long(self) -> Tensor:
        """As PyTorch calls it: whole numbers."""
        return self.astype(np.int64)

    def floating(self) -> Tensor:
        """The same in the model's own precision."""
        return self.astype(self.graph.dtype)

    def reshape(self, *sizes: int | Tensor) -> Tensor:
        """As in NumPy; sizes may be open."""
        own = self.shape
        wanted = [0 if axis < len(own) and n is own[axis] else n for axis, n in enumerate(sizes)]
        opened = [n for n, size in enumerate(wanted) if isinstance(size, Tensor)]
        if len(opened) == 1 and not any(isinstance(n, int) and n == -1 for n in wanted):
            wanted[opened[0]] = -1
        if not any(isinstance(size, Tensor) for size in wanted):
            return self.graph.op("Reshape", self, wanted)
        parts = [n if isinstance(n, Tensor) else np.array([n]) for n in sizes]
        types = [(self.dtype, tuple(n if isinstance(n, int) and n >= 0 else None for n in sizes))]
        return self.graph.ops("Reshape", self, self.graph.op("Concat", *parts, axis=0), outputs=1, types=types)[0]

    def transpose(self, *axes: int) -> Tensor:
        return self if axes == tuple(range(self.ndim)) else self.graph.op("Transpose", self, perm=axes)

    def any(self, axis: int, keepdims: bool = False) -> Tensor:
        whole = self.astype(np.int64)
        return self.graph.op("ReduceMax", whole, np.array([axis]), keepdims=int(keepdims)).astype(bool)

    def __getitem__(self, key: Any) -> Tensor:
        keys = list(key) if isinstance(key, tuple) else [key]
        if any(not isinstance(k, int | np.integer | slice | type(...) | None) for k in keys):
            raise Unrepresentable("indexing by a tensor is not stated in ONNX", found=type(key).__name__)
        used = sum(k is not None and k is not ... for k in keys)
        at = keys.index(...) if ... in keys else len(keys)
        keys[at : at + 1] = [slice(None)] * (self.ndim - used)
        cuts, axis = list[tuple[int, ...]](), 0
        dropped, added = list[int](), list[int]()
        for k in keys:
            if k is None:
                added.append(axis - len(dropped) + len(added))
                continue
            if not isinstance(k, slice):
                dropped.append(axis)
                k = slice(int(k), int(k) + 1 if k != -1 else None)
            if k not in (slice(None), slice(0, self.sizes[axis])):
                cuts.append((axis, *_bounds(k)))
            axis += 1
        x = self
        if cuts:
            axes, starts, ends, steps = (np.array(column) for column in zip(*cuts, strict=True))
            x = self.graph.op("Slice", x, starts, ends, axes, steps)
        x = self.graph.op("Squeeze", x, np.array(dropped)) if dropped else x
        return self.graph.op("Unsqueeze", x, np.array(added)) if added else x

    def __len__(self) -> int:
        return int(self.shape[0])

    def __bool__(self) -> bool:
        raise Unrepresentable("a choice that depends on a tensor is not stated in ONNX")

    def __index__(self) -> int:
        raise Unrepresentable("a size that only a run tells is not stated in ONNX as a number")

    __int__ = __index__

    __add__, __radd__ = _operator("Add")
    __sub__, __rsub__ = _operator("Sub")
    __mul__, __rmul__ = _operator("Mul")
    __pow__, __rpow__ = _operator("Pow")
    __matmul__, __rmatmul__ = _operator("MatMul")
    __and__, __rand__ = _operator("And")
    __or__, __ror__ = _operator("Or")
    __lt__, __gt__ = _operator("Less")
    __le__, __ge__ = _operator("LessOrEqual")
    __eq__ = _operator("Equal")[0]  # type: ignore[assignment]

    def __neg__(self) -> Tensor:
        return self.graph.op("Neg", self)

    def __invert__(self) -> Tensor:
        return self.graph.op("Not", self)

    def __ne__(self, other: object) -> Tensor:  # type: ignore[override]
        return ~self.graph.op("Equal", *met(self, other))

    def _divided(self, other: Any) -> Tensor:
        return self.graph.op("Div", self.floating(), met(self, other)[1].floating())

    def _floored(self, other: Any) -> Tensor:
        x, y = met(self, other)
        if x.dtype.kind == "f":
            return self.graph.op("Floor", x / y)
        return self.graph.op("Div", x - x % y, y)  # of whole numbers ONNX's own cuts towards zero

    def _rest(self, other: Any) -> Tensor:
        x, y = met(self, other)
        return self.graph.op("Mod", x, y) if x.dtype.kind == "i" else x - y * self.graph.op("Floor", x / y)

    __truediv__, __rtruediv__ = _both_ways(_divided)
    __floordiv__, __rfloordiv__ = _both_ways(_floored)
    __mod__, __rmod__ = _both_ways(_rest)


def _bounds(k: slice) -> tuple[int, int, int]:
    step = 1 if k.step is None else int(k.step)
    first, last = (0, _FAR) if step > 0 else (_FAR, -_FAR)
    return first if k.start is None else int(k.start), last if k.stop is None else int(k.stop), step


def met(x: Any, y: Any) -> tuple[Tensor, Tensor]:
    """Two operands, at least one of them a tensor, as tensors of one dtype."""
    graph: Graph = (x if isinstance(x, Tensor) else y).graph
    kinds = ["biuf".index(np.asarray(v).dtype.kind if not isinstance(v, Tensor) else v.dtype.kind) for v in (x, y)]
    dtype = graph.dtype if max(kinds) == 3 else np.dtype(np.int64 if max(kinds) else bool)
    both = [v if isinstance(v, Tensor) else graph.constant(np.asarray(v, dtype)) for v in (x, y)]
    return both[0].astype(dtype), both[1].astype(dtype)
