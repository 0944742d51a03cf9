"""A spec as Keras stores it: models, their calls, and each layer in the words of the target."""

from __future__ import annotations

from typing import Any

from weight_mapping.errors import PortingError, Unrepresentable
from weight_mapping.keras_config.era import Era
from weight_mapping.keras_config.writing_calls import write_call
from weight_mapping.keras_config.writing_operations import write_operation
from weight_mapping.keras_config.writing_plain import write_plain
from weight_mapping.keras_config.writing_recurrent import write_bidirectional, write_recurrent
from weight_mapping.spec import (
    Bidirectional,
    Custom,
    Input,
    Layer,
    ModelSpec,
    Operation,
    Plain,
    Recurrent,
    TimeDistributed,
)

_FUNCTIONAL = {2: "tf_keras.src.engine.functional", 3: "keras.src.models.functional"}
"""The module where each generation looks up the class Functional."""


def write_model(spec: ModelSpec, target: Era, name: str | None = None) -> dict[str, Any]:
    """The stored object of a model. Raises `Unrepresentable` for what the target has no word for."""
    head = {"name": name or spec.name, "trainable": True}
    if spec.sequential and len(spec.inputs) == 1:
        layers = [write_layer(n, layer, target) for n, layer in spec.layers.items()]
        first = [] if spec.inputs[0].shape is None else [_input_layer(spec.inputs[0], target)]
        return target.stored("Sequential", {**head, "layers": [*first, *layers]}, "keras")
    listed = {one.name: {**_input_layer(one, target), "name": one.name, "inbound_nodes": []} for one in spec.inputs}
    calls = {one.name: (one.name, 0) for one in spec.inputs}
    called = {node.layer for node in spec.nodes}
    for layer_name, layer in spec.layers.items():  # in their order: Keras finds weights by it
        if layer_name in called:
            written = write_layer(layer_name, layer, target)
            listed[layer_name] = {**written, "name": layer_name, "inbound_nodes": []}
    for node in spec.nodes:
        layer = spec.layers[node.layer]
        inbound: list[Any] = listed[node.layer]["inbound_nodes"]
        calls[node.name] = (node.layer, len(inbound) + _first_call(layer, target))
        inbound.append(write_call(node, layer, calls, target))
    ends = {
        "input_layers": [[one.name, 0, 0] for one in spec.inputs],
        "output_layers": [[*calls[ref.node], ref.output] for ref in spec.outputs],
    }
    config = {**head, "layers": list(listed.values()), **ends}
    return target.stored("Functional", config, _FUNCTIONAL[target.generation])


def _first_call(layer: Layer, target: Era) -> int:
    """In tf_keras a nested model counts the node that made it, so its first call is 1; in Keras 3's files it is 0."""
    if not isinstance(layer, ModelSpec) or target.generation >= 3:
        return 0
    return int(not layer.sequential or layer.inputs[0].shape is not None)


def _input_layer(one: Input, target: Era) -> dict[str, Any]:
    if one.shape is None:
        raise PortingError(
            "an input of unknown shape", where=one.name, way_out="Give the input a shape, or save as .safetensors."
        )
    shape = {"batch_shape" if target.generation >= 3 else "batch_input_shape": list(one.shape)}
    ragged = {} if target.generation >= 3 else {"ragged": False}
    return target.stored("InputLayer", {"name": one.name, **shape, "dtype": one.dtype, "sparse": False, **ragged})


def write_layer(name: str, layer: Layer, target: Era) -> dict[str, Any]:
    """The stored object of one layer, without its place in the graph."""
    match layer:
        case ModelSpec():
            return write_model(layer, target, name)
        case Operation():
            return write_operation(name, layer)
        case Custom():
            raise Unrepresentable(layer.refusal, where=name)
        case TimeDistributed():
            class_name, config = "TimeDistributed", {"layer": write_layer(f"{name}_inner", layer.layer, target)}
        case Recurrent():
            class_name, config = write_recurrent(layer, target, name)
        case Bidirectional():
            class_name, config = "Bidirectional", write_bidirectional(layer, target, name)
        case Plain():
            class_name, config = write_plain(layer, target, name)
    # Keras 3's SpatialDropout takes no such key.
    trainable = {} if class_name.startswith("SpatialDropout") and target.generation >= 3 else {"trainable": True}
    return target.stored(class_name, {"name": name, **trainable, "dtype": "float32", **config})
