"""An ONNX graph as it is written, and its tensors, which act like arrays: what is done to one becomes a node.

Types and shapes come from ONNX's own inference, node by node. A size that a model leaves open stays open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper, shape_inference

from weight_mapping.errors import Unrepresentable, shown
from weight_mapping.identifiers import identifier, unique
from weight_mapping.spec import Path
from weight_mapping.weights import fingerprint

OPSET = 18
Sizes = tuple[int | None, ...]
_FAR = 2**62
"""Beyond every axis: a slice ends there, or, negative, before the first place."""


class _Level:
    """The nodes of the model itself or of one loop body, and what they computed so far."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.known: dict[Any, tuple[Tensor, ...]] = {}


class Graph:
    """What is written so far. `dtype`: that of the model's floats. `scope`: the path of the layer that is being
    written; names start with it, and nodes tell it.

    The same operation on the same tensors is written once."""

    def __init__(self, dtype: str = "float32") -> None:
        self.dtype = np.dtype(dtype)
        self.scope: Path = ()
        self.initializers: dict[str, onnx.TensorProto] = {}
        self._given: set[str] = set()
        self._constants: dict[str, Tensor] = {}
        self._levels = [_Level()]

    @property
    def nodes(self) -> list[onnx.NodeProto]:
        return self._levels[-1].nodes

    def name(self, text: str) -> str:
        """A name in ONNX's alphabet that was not given before."""
        return unique(identifier("_".join((*self.scope, text))), self._given)

    def tensor(self, text: str, dtype: Any, sizes: Sequence[int | None]) -> Tensor:
        """A value that comes from outside: an input of the model or of a loop body."""
        return Tensor(self, self.name(text), np.dtype(dtype), tuple(sizes))

    def constant(self, value: Any, name: str = "constant", dtype: Any = None) -> Tensor:
        """Numbers as an initializer; floats in the model's own dtype unless another is asked for."""
        array = np.asarray(value)
        own = self.dtype if array.dtype.kind == "f" else array.dtype if array.dtype == bool else np.int64
        array = np.array(array, dtype or own, order="C")
        key = fingerprint(array)
        if key not in self._constants:
            found = self._constants[key] = Tensor(self, self.name(name), array.dtype, array.shape)
            self.initializers[found.name] = numpy_helper.from_array(array, found.name)
        return self._constants[key]

    def op(self, kind: str, *inputs: Any, **attributes: Any) -> Tensor:
        """One operator with one output."""
        return self.ops(kind, *inputs, outputs=1, **attributes)[0]

    def ops(
        self, kind: str, *inputs: Any, outputs: int, types: Sequence[tuple[Any, Sizes]] | None = None, **attributes: Any
    ) -> tuple[Tensor, ...]:
        """One operator. An input is a tensor, numbers, or None where it is left out. `types`: (dtype, sizes) of each
        output, where inference can't tell them."""
        tensors = [None if x is None else x if isinstance(x, Tensor) else self.constant(x) for x in inputs]
        attributes = {name: value for name, value in attributes.items() if value is not None}
        key = (kind, *(None if t is None else t.name for t in tensors), repr(sorted(attributes.items())))
        for level in self._levels:
            if key in level.known:
                return level.known[key]
        names, read = [self.name(kind.lower()) for _ in range(outputs)], ["" if t is None else t.name for t in tensors]
        told = "/".join(map(shown, self.scope))
        node = helper.make_node(kind, read, names, name=names[0], doc_string=told, **attributes)
        found = types or self._inferred(node, tensors)
        made = tuple(Tensor(self, n, np.dtype(dtype), sizes) for n, (dtype, sizes) in zip(names, found, strict=True))
        self.nodes.append(node)
        self._levels[-1].known[key] = made
        return made

    def _inferred(self, node: onnx.NodeProto, inputs: Sequence[Tensor | None]) -> list[tuple[Any, Sizes]]:
        there = [t for t in inputs if t is not None]
        found = shape_inference.infer_node_outputs(
            onnx.defs.get_schema(node.op_type, OPSET, ""), node, {t.name: t.type for t in there},
            {t.name: self.initializers[t.name] for t in there if t.name in self.initializers and t.ndim < 2},
            opset_imports=[helper.make_opsetid("", OPSET)],
        )  # fmt: skip
        types = []
        for name in node.output:
            known = found[name].tensor_type
            if not known.HasField("shape"):
                raise TypeError(f"{node.op_type}: no shape can be inferred")
            sizes = tuple(d.dim_value if d.HasField("dim_value") else None for d in known.shape.dim)
            types.append((helper.tensor_dtype_to_np_dtype(known.elem_type), sizes))
        return types

    @contextmanager
    def body(self) -> Iterator[list[onnx.NodeProto]]:
        """The nodes of a loop body: what is written meanwhile. It may use every tensor from outside."""
        self._levels.append(_Level())
        try:
            yield self.nodes
        finally:
            self._levels.pop()


def needed(nodes: Sequence[onnx.NodeProto], outputs: Iterable[str]) -> tuple[list[onnx.NodeProto], set[str]]:
    """The nodes that these outputs depend on, and every name that they read."""
    read, kept = set(outputs), list[onnx.NodeProto]()
    for node in reversed(nodes):
        if not read.isdisjoint(node.output):
            kept.append(node)
            read.update(node.input)
            for attribute in node.attribute:
                read |= needed(attribute.g.node, (o.name for o in attribute.g.output))[1]
    return kept[::-1], read


Operator = Callable[[Any, Any], "Tensor"]


def _operator(kind: str) -> tuple[Operator, Operator]:
    """x · y and its reflection, of two operands brought to one dtype."""

    def forward(self: Tensor, other: Any) -> Tensor:
        return self.graph.op(kind, *met(self, other))

    def reflected(self: Tensor, other: Any) -> Tensor:
        return self.graph.op(kind, *met(other, self))

    return forward, reflected


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

    def __truediv__(self, other: Any) -> Tensor:
        x, y = met(self, other)
        return x.graph.op("Div", *((x, y) if x.dtype.kind == "f" else (x.floating(), y.floating())))

    def __rtruediv__(self, other: Any) -> Tensor:
        x, y = met(self, other)
        return y.__truediv__(x)

    def __floordiv__(self, other: Any) -> Tensor:
        x, y = met(self, other)
        if x.dtype.kind == "f":
            return self.graph.op("Floor", x / y)
        return self.graph.op("Div", x - x % y, y)  # of whole numbers ONNX's own cuts towards zero

    def __mod__(self, other: Any) -> Tensor:
        x, y = met(self, other)
        return self.graph.op("Mod", x, y) if x.dtype.kind == "i" else x - y * self.graph.op("Floor", x / y)


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
