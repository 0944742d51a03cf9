"""An ONNX graph as it is written.

Types and shapes come from ONNX's own inference, node by node. A size that a model leaves open stays open.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper, shape_inference

from weight_mapping.errors import Unrepresentable, shown
from weight_mapping.identifiers import identifier, unique
from weight_mapping.onnx.tensor import Sizes, Tensor
from weight_mapping.spec import Path
from weight_mapping.weights import fingerprint

OPSET = 18


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
        numbers = {t.name: self.initializers[t.name] for t in there if t.name in self.initializers and t.ndim < 2}
        try:
            found = shape_inference.infer_node_outputs(
                onnx.defs.get_schema(node.op_type, OPSET, ""), node, {t.name: t.type for t in there}, numbers,
                opset_imports=[helper.make_opsetid("", OPSET)],
            )  # fmt: skip
        except shape_inference.InferenceError as problem:
            said = shown(str(problem).strip())
            raise Unrepresentable(f"ONNX's {node.op_type} does not take this", found=said) from problem
        types = []
        for name in node.output:
            known = found[name].tensor_type
            if not known.HasField("shape"):
                raise Unrepresentable(f"a result of ONNX's {node.op_type} whose number of axes is open")
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
