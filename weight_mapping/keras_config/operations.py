"""Operations as nodes: Keras 3's, tf.keras' TFOpLambda, SlicingOpLambda and TensorFlowOpLayer -> spec.

A function's name is compared with the closed list of `weight_mapping.operations`, and never looked up anywhere."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from weight_mapping.errors import DamagedFile, Unsupported, shown
from weight_mapping.keras_config import plain_layers, recurrent
from weight_mapping.keras_config.calls import Called, Given, Tensor
from weight_mapping.keras_config.node_def import read_node
from weight_mapping.keras_config.ownership import keras_class
from weight_mapping.keras_config.values import scalar
from weight_mapping.operations.table import KERAS3, NODE_OPS, ROWS, TF_FUNCTIONS
from weight_mapping.spec import Operation, Slot


@dataclass(frozen=True, slots=True)
class OperationClass:
    """A stored operation; `read` gives the operation of one call and the order of its tensors. `fixed`: keywords that
    its configuration gives; `constants`: what stands between the tensors of a TensorFlowOpLayer, by place."""

    canonical: Callable[[str], str]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    constants: Mapping[int, Any] | None = None

    def read(self, call: Called, where: str) -> tuple[Operation, list[Tensor]]:
        order: list[Tensor] = []
        given = call.arguments if self.constants is None else _between(call.tensors, self.constants)
        arguments = tuple(_slotted(a, order) for a in given)
        canonical = self.canonical(where)
        if not call.tensors:  # tf.keras writes the first argument of einsum alone, its equation
            raise DamagedFile(
                f"the operation {canonical} without the tensors that it takes", where=shown(where),
                way_out="The file lacks them: build the model again with a layer (Dot) in its place, and save it.",
            )  # fmt: skip
        keywords = {**self.fixed, **call.keywords}
        pairs = tuple(
            (k, _slotted(v, order)) for k, v in keywords.items() if not (k == "name" or (k == "mask" and v is None))
        )
        return Operation(name=canonical, arguments=arguments, keywords=pairs), order


def _between(tensors: list[Tensor], constants: Mapping[int, Any]) -> list[Any]:
    waiting = iter(tensors)
    return [constants[n] if n in constants else Given(next(waiting)) for n in range(len(tensors) + len(constants))]


def operation_node(class_name: str, value: Mapping[str, Any]) -> OperationClass | None:
    """The operation that a stored node is, or None where it is a layer."""
    config = value.get("config") or {}
    if class_name in ("TFOpLambda", "SlicingOpLambda"):
        function = str(config.get("function"))
        return OperationClass(lambda where: _known(TF_FUNCTIONS, function, class_name, where))
    if class_name == "TensorFlowOpLayer":
        where = shown(config.get("name"))
        op, attributes = read_node(config.get("node_def"), where)
        constants = _constants(config.get("constants") or {}, where)
        return OperationClass(lambda where: _known(NODE_OPS, op, class_name, where), attributes, constants)
    if class_name in KERAS3 and keras_class(value) and _is_operation(class_name, value, config):
        # An operation's own arguments (axis, keepdims) may ride in its configuration instead of the call.
        taken = inspect.signature(ROWS[KERAS3[class_name]].formula).parameters
        idle = {"name", "trainable"} | ({"dtype"} - taken.keys())
        fixed = {k: v for k, v in config.items() if k not in idle and v is not None}
        return OperationClass(lambda where: KERAS3[class_name], fixed)
    return None


def _is_operation(class_name: str, value: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
    """Whether a class of this name is the operation, where a layer bears the name too (Add, Concatenate, …): told by
    the module or, in Keras 3's .h5 files, which leave it out, by `trainable`, which every layer states."""
    module = str(value.get("module") or "")
    if "ops" in module.split("."):
        return True
    if module:
        return not module.startswith("keras.layers") and not _is_layer(class_name)
    inbound = value.get("inbound_nodes") or []
    keras3 = any(isinstance(node, Mapping) and "args" in node for node in inbound)
    return not _is_layer(class_name) or (keras3 and "trainable" not in config)


def _is_layer(class_name: str) -> bool:
    return plain_layers.known(class_name) or recurrent.known(class_name)


def _known(names: Mapping[str, str], name: str, class_name: str, where: str) -> str:
    if name not in names:
        raise Unsupported(
            f"the operation {shown(name)} ({class_name})",
            where=where,
            class_name=name,
            way_out="It is not on the list of operations that a port understands.",
        )
    return names[name]


def _constants(value: Any, where: str) -> dict[int, Any]:
    """The constants by place; JSON made text of the places."""
    if not isinstance(value, Mapping) or not all(str(k).isdecimal() for k in value):
        raise DamagedFile("an operation's constants are not numbered", where=where, found=shown(value))
    return {int(k): scalar(v) if isinstance(v, Mapping) else v for k, v in value.items()}


def _slotted(value: Any, order: list[Tensor]) -> Any:
    match value:
        case Given(tensor):
            if tensor not in order:
                order.append(tensor)
            return Slot(order.index(tensor))
        case list():
            return [_slotted(v, order) for v in value]
        case tuple():
            return tuple(_slotted(v, order) for v in value)
        case slice():
            return slice(*(_slotted(v, order) for v in (value.start, value.stop, value.step)))
        case _:
            return value
