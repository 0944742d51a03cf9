"""A stored model -> `ModelSpec`: of which class it is, and a Sequential's chain. `functional` reads the graph of any
other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from weight_mapping.errors import DamagedFile, Unsupported, shown
from weight_mapping.keras_config.functional import read_functional
from weight_mapping.keras_config.input_shapes import sequential_shape, stated_shape
from weight_mapping.keras_config.layers import MODELS, Stored, described, name_of, read_layer, read_merge
from weight_mapping.keras_config.ownership import keras_class
from weight_mapping.keras_config.values import refuse_more
from weight_mapping.keras_config.words import Reading
from weight_mapping.spec import Input, Layer, ModelSpec, Node, Path, Ref, chain


def read_model(value: Any, reading: Reading, stored: Stored, path: Path = ()) -> ModelSpec:
    """The graph of a stored model. Raises for a class that is no model and for a graph that does not hang together."""
    where = "/".join(path) or "the model"
    class_name, config = described(value, where)
    base = keras_class(value)
    if base not in MODELS or base == "Graph" or "layers" not in config:
        raise Unsupported(
            f"a model of the class {shown(class_name)}",
            where=where,
            class_name=class_name,
            expected="Sequential or a functional Model with its layers written out",
            way_out="A subclassed model's file holds no graph; port its layers one by one (--layers-only).",
        )
    if not isinstance(config["layers"], list):
        raise DamagedFile("layers is no list", where=where)
    refuse_more(config["layers"], "layers", where)
    name = str(config.get("name") or base.lower())
    if base == "Sequential" and "input_layers" not in config:
        return _read_sequential(name, config, reading, stored, path)

    def read_named(part: Any, layer_name: str) -> Layer:
        return _read_part(part, reading, stored, (*path, layer_name))

    return read_functional(name, config, reading, read_named)


def _read_part(value: Any, reading: Reading, stored: Stored, path: Path) -> Layer:
    """A model's part: a layer, or a model in its turn."""
    class_name, config = described(value, "/".join(path))
    stored.remember(path, class_name, config)
    if keras_class(value) in MODELS:
        return read_model(value, reading, stored, path)
    return read_layer(value, reading, stored, path, _read_part)


def _read_sequential(name: str, config: Mapping[str, Any], reading: Reading, stored: Stored, path: Path) -> ModelSpec:
    values = config["layers"]
    if not values:
        raise DamagedFile("a model without layers", where="/".join(path) or "the model")
    if described(values[0], "layers[0]")[0] == "Merge":
        return _read_branches(name, values, reading, stored, path)
    first = Input(name=f"{name}_input", shape=sequential_shape(values[0], config))
    layers: dict[str, Layer] = {}
    for position, value in enumerate(values):
        class_name, inner = described(value, f"layers[{position}]")
        layer_name = name_of(value, position)
        if class_name == "InputLayer":
            first = Input(name=layer_name, shape=stated_shape(inner))
            continue
        if layer_name in layers or layer_name == first.name:
            raise DamagedFile("two layers of one name", where=shown(layer_name))
        layers[layer_name] = _read_part(value, reading, stored, (*path, layer_name))
    if not layers:
        raise DamagedFile("a model without layers", where="/".join(path) or "the model")
    return chain(name, first, layers)


def _read_branches(name: str, values: list[Any], reading: Reading, stored: Stored, path: Path) -> ModelSpec:
    """Keras 1's Sequential that begins by merging other models: their inputs are the model's, in order."""
    merge_name, merge = name_of(values[0], 0), described(values[0], "layers[0]")[1]
    layers: dict[str, Layer] = {}
    inputs: list[Input] = []
    nodes: list[Node] = []
    for position, branch in enumerate(merge.get("layers") or []):
        branch_name = f"{name_of(branch, position)}_{position}"
        spec = read_model(branch, reading, stored, (*path, branch_name))
        own = [replace(i, name=f"{branch_name}_{i.name}") for i in spec.inputs]
        layers[branch_name] = spec
        inputs += own
        nodes.append(Node(name=branch_name, layer=branch_name, inputs=tuple(Ref(i.name) for i in own)))
    layers[merge_name] = read_merge(merge, merge_name)
    nodes.append(Node(name=merge_name, layer=merge_name, inputs=tuple(Ref(n.name) for n in nodes)))
    for position, value in enumerate(values[1:], 1):
        layer_name = name_of(value, position)
        layers[layer_name] = _read_part(value, reading, stored, (*path, layer_name))
        nodes.append(Node(name=layer_name, layer=layer_name, inputs=(Ref(nodes[-1].name),)))
    return ModelSpec(name=name, inputs=tuple(inputs), layers=layers, nodes=tuple(nodes), outputs=(Ref(nodes[-1].name),))
