"""The calls of a functional model's layers as the inbound nodes of Keras 2 and 3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from weight_mapping.errors import Unrepresentable, shown
from weight_mapping.keras_config.era import Era
from weight_mapping.keras_config.writing_operations import call_arguments
from weight_mapping.spec import Bidirectional, Layer, Node, Operation, Recurrent, Ref, Slot


def write_call(node: Node, layer: Layer, index: Mapping[str, tuple[str, int]], target: Era) -> Any:
    """One inbound node in the form of the `target`."""
    if target.generation >= 3:
        return _write_call_of_keras3(node, layer, index)
    keywords: dict[str, Any] = {}
    given = (*node.inputs, *node.initial_state)
    if getattr(layer, "kind", "") == "multi_head_attention":  # its value and key are parameters of their own
        keywords |= {k: [*index[ref.node], ref.output] for k, ref in zip(("value", "key"), given[1:], strict=False)}
        given = given[:1]
    places = [[*index[ref.node], ref.output] for ref in given]
    if node.mask is not None:
        keywords["mask"] = [*index[node.mask.node], node.mask.output]
    if getattr(layer, "options", {}).get("causal"):
        keywords["use_causal_mask"] = True
    if isinstance(layer, Operation):
        raise Unrepresentable(
            f"the operation {layer.name} as a node of a Keras 2 model",
            where=shown(node.name),
            way_out="Save as .keras for Keras 3.",
        )
    return [[*place, keywords] for place in places]


def _write_call_of_keras3(node: Node, layer: Layer, index: Mapping[str, tuple[str, int]]) -> dict[str, Any]:
    def tensor(ref: Ref) -> dict[str, Any]:
        history = {"keras_history": [*index[ref.node], ref.output]}
        return {"class_name": "__keras_tensor__", "config": {"shape": [None, None], "dtype": "float32", **history}}

    if isinstance(layer, Operation):
        given = [tensor(ref) for ref in node.inputs]
        return {"args": [_filled(a, given) for a in call_arguments(node.name, layer)], "kwargs": {}}
    tensors = [tensor(ref) for ref in node.inputs]
    many = len(tensors) > 1 and not isinstance(layer, Recurrent | Bidirectional)
    spread = getattr(layer, "kind", "") == "multi_head_attention"
    keywords: dict[str, Any] = {}
    if node.mask is not None:
        keywords["mask"] = tensor(node.mask)
    if node.initial_state:
        keywords["initial_state"] = [tensor(ref) for ref in node.initial_state]
    if getattr(layer, "options", {}).get("causal"):
        keywords["use_causal_mask"] = True
    return {"args": [tensors] if many and not spread else tensors, "kwargs": keywords}


def _filled(value: Any, tensors: list[dict[str, Any]]) -> Any:
    match value:
        case Slot(index):
            return tensors[index]
        case slice():
            return {
                "class_name": "__slice__",
                "config": {k: _filled(getattr(value, k), tensors) for k in ("start", "stop", "step")},
            }
        case tuple():
            return {"class_name": "__tuple__", "items": [_filled(v, tensors) for v in value]}
        case list():
            return [_filled(v, tensors) for v in value]
        case _ if value is Ellipsis:
            return {"class_name": "__ellipsis__", "config": {}}
        case _:
            return value
