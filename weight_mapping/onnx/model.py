"""A Portable as an ONNX model: the graph's walk with layers that write nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from weight_mapping import graph, operations
from weight_mapping.errors import PortingError, Unrepresentable, Unsupported, shown
from weight_mapping.files.atomic import replacing
from weight_mapping.graph import Call
from weight_mapping.onnx import functions as xp
from weight_mapping.onnx import recurrent
from weight_mapping.onnx.graph import OPSET, Graph, needed
from weight_mapping.onnx.plain import FUNCTIONS
from weight_mapping.onnx.tensor import Tensor
from weight_mapping.spec import (
    Bidirectional,
    Cell,
    Custom,
    Input,
    ModelSpec,
    Operation,
    Plain,
    Recurrent,
    TimeDistributed,
)
from weight_mapping.weights import CellWeights, LeafWeights, Portable

_LARGEST = 2**31 - 1
"""Bytes of a protobuf message."""


def to_onnx(portable: Portable, *, dtype: str = "float32") -> onnx.ModelProto:
    """The model in ONNX, opset 18, its inputs and outputs in Keras' order; open sizes stay open. `dtype` of all floats
    is float32 or float64 (in which ONNX Runtime has no recurrent operators).

    ONNX keeps no state between calls. A stateful layer's states are further inputs, zero where they are left out, and
    further outputs behind the model's own: feed the one with the other. `Unsupported` names a layer that ONNX can't
    state."""
    if dtype not in ("float32", "float64"):
        raise PortingError("an ONNX model of another precision", found=shown(dtype), expected="float32 or float64")
    g = Graph(dtype)
    inputs = [_input(g, one) for one in portable.spec.inputs]
    walk = _Walk(g, portable.weights)
    outputs, _ = graph.run(portable.spec, inputs, walk, xp)
    g.scope = ()
    named = [(ref.node, y) for ref, y in zip(portable.spec.outputs, outputs, strict=True)]
    final = [_output(g, name, y) for name, y in (*named, *walk.final)]
    return _model(g, inputs, walk.given, final)


def save(portable: Portable, path: str | Path, *, dtype: str = "float32") -> None:
    """Write the model as `to_onnx` states it; it is checked, and read again, before it takes the place of a file."""
    model = to_onnx(portable, dtype=dtype)
    if model.ByteSize() > _LARGEST:
        raise Unrepresentable("more weights than one ONNX file holds", where=str(path), found=model.ByteSize())
    with replacing(Path(path)) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))
        onnx.checker.check_model(str(temporary), full_check=True)
        if onnx.load(temporary, format="protobuf") != model:
            raise PortingError("the file read again is another", where=str(path))


def _input(g: Graph, one: Input) -> Tensor:
    if one.shape is None:
        raise Unsupported("an input whose number of axes nothing tells", where=shown(one.name))
    kinds: Mapping[str, Any] = {"f": g.dtype, "b": g.dtype, "i": np.int32 if one.dtype == "int32" else np.int64}
    dtype = np.bool_ if one.dtype == "bool" else kinds.get(one.dtype[:1].replace("u", "i"))
    if dtype is None:
        raise Unsupported(f"an input of {shown(one.dtype)}", where=shown(one.name))
    return g.tensor(one.name, dtype, one.shape)


def _output(g: Graph, name: str, y: Tensor) -> Tensor:
    """The tensor under the layer's name: also where it is an input, or another output too."""
    made = g.tensor(name, y.dtype, y.sizes)
    g.nodes.append(helper.make_node("Identity", [y.name], [made.name], name=made.name))
    return made


def _model(g: Graph, inputs: Sequence[Tensor], states: Sequence[Tensor], outputs: Sequence[Tensor]) -> onnx.ModelProto:
    nodes, read = needed(g.nodes, [y.name for y in outputs])
    made = helper.make_graph(
        nodes, "model", [*(_value(x, "batch") for x in inputs), *(_value(x) for x in states)],
        [_value(y) for y in outputs], [array for name, array in g.initializers.items() if name in read],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", OPSET)]
    ir_version = helper.find_min_ir_version_for(opsets)
    return helper.make_model(made, opset_imports=opsets, ir_version=ir_version, producer_name="lstm-parity")


def _value(tensor: Tensor, first: str = "") -> onnx.ValueInfoProto:
    """Name, dtype and sizes; an open size has a name, the first one `first`, if any."""
    names = [f"{tensor.name}_{axis}" if axis or not first else first for axis in range(tensor.ndim)]
    sizes = [name if n is None else n for name, n in zip(names, tensor.sizes, strict=True)]
    return helper.make_tensor_value_info(tensor.name, helper.np_dtype_to_tensor_dtype(tensor.dtype), sizes)


class _Walk:
    """What the graph's walk calls for every layer. `given`: the states that are inputs; `final`: those that end."""

    def __init__(self, g: Graph, weights: Mapping[tuple[str, ...], LeafWeights]) -> None:
        self.g, self.weights = g, weights
        self.given: list[Tensor] = []
        self.final: list[tuple[str, Tensor]] = []

    def __call__(self, call: Call) -> list[Tensor]:
        self.g.scope = call.path
        try:
            return self._state(call)
        except Unsupported as problem:
            if problem.where:
                raise
            raise type(problem)(
                problem.what, where="/".join(map(shown, call.path)), found=problem.found, expected=problem.expected,
                way_out=problem.way_out or "--layers-only ports the recurrent layers around it.",
                class_name=problem.class_name,
            ) from problem  # fmt: skip

    def _state(self, call: Call) -> list[Tensor]:
        match call.layer:
            case Recurrent() | Bidirectional():
                return self._recurrent(call, call.layer)
            case TimeDistributed():
                return self._time_distributed(call, call.layer)
            case Plain(kind=kind, options=options):
                weights = self.weights.get(call.path, {})
                assert not isinstance(weights, CellWeights)
                inputs = [x if kind == "embedding" else x.floating() for x in call.inputs]
                return [FUNCTIONS[kind](options, weights, inputs, call.masks)]
            case Operation():
                return self._operation(call, call.layer)
            case Custom() as layer:
                raise Unsupported(layer.refusal, class_name=layer.class_name)
        raise TypeError("the graph's walk goes into nested models itself")

    def _recurrent(self, call: Call, layer: Recurrent | Bidirectional) -> list[Tensor]:
        depth = len(call.path)
        weights = {
            path[depth:]: found
            for path, found in self.weights.items()
            if path[:depth] == call.path and isinstance(found, CellWeights)
        }
        sides = [layer.forward, layer.backward] if isinstance(layer, Bidirectional) else [layer]
        stateful = sides[0].stateful
        states = call.initial_state
        if stateful and not states:
            states = [state for side in sides for state in self._carried(call, side)]
        found = recurrent.run(self.g, layer, weights, call.inputs[0], call.mask, states)
        if stateful:
            self.final += [(f"{'_'.join(call.path)}_final_state", state) for state in found.states]
        return found.outputs

    def _carried(self, call: Call, layer: Recurrent) -> list[Tensor]:
        """The states as inputs of the model, with zeros for a default: one row, which stands for every sample."""
        made: list[Tensor] = []
        for cell in layer.cells:
            if not isinstance(cell, Cell):
                raise Unsupported("a stateful ConvLSTM", way_out="Port it to PyTorch.")
            for _ in cell.states:
                one = self.g.tensor("state", self.g.dtype, (None, cell.units))
                zeros = np.zeros((1, cell.units), self.g.dtype)
                self.g.initializers[one.name] = numpy_helper.from_array(zeros, one.name)
                made.append(one)
        self.given += made
        batch = call.inputs[0].shape[1 if layer.time_major else 0]
        return [xp.broadcast_to(one, (batch, *one.shape[1:])) for one in made]

    def _time_distributed(self, call: Call, layer: TimeDistributed) -> list[Tensor]:
        """The steps become samples, and samples steps again; a mask goes along where it has an axis more than steps."""
        x, path = call.inputs[0], (*call.path, "layer")
        folded = x.reshape(-1, *x.shape[2:])
        mask = None if call.mask is None or call.mask.ndim < 3 else call.mask.reshape(-1, *call.mask.shape[2:])
        if isinstance(layer.layer, ModelSpec):
            outputs, _ = graph.run(layer.layer, [folded], self, xp, masks=[mask], path=path)
        else:
            outputs = self(Call(path, layer.layer, [folded], [mask]))
        return [y.reshape(*x.shape[:2], *y.shape[1:]) for y in outputs]

    def _operation(self, call: Call, layer: Operation) -> list[Tensor]:
        result = operations.apply(layer, call.inputs, xp)
        found = result if isinstance(result, list | tuple) else [result]
        return [y if isinstance(y, Tensor) else self.g.constant(y) for y in found]
