"""The names of models and layers in characters that today's Keras takes: a file that it wrote once may hold any."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from weight_mapping.errors import Unrepresentable, shown
from weight_mapping.spec import Layer, ModelSpec, Node, Ref, TimeDistributed
from weight_mapping.weights import Portable

Rename = Callable[[str], str]


def accepted(name: str, generation: int) -> str:
    """The name itself where this Keras takes it. Source: the scopes that both Keras open in TensorFlow's graphs, and
    keras/src/layers/layer.py of 3.15, which takes no slash."""
    plain = re.sub(r"[^A-Za-z0-9_.\\/>-]", "_", name if generation < 3 else name.replace("/", "_"))
    return plain if re.match(r"[A-Za-z0-9.]", plain) else f"layer{plain}"


def with_accepted_names(portable: Portable, generation: int) -> Portable:
    """The same model under names that the generation takes. Raises Unrepresentable where two would become one."""

    def rename(name: str) -> str:
        return accepted(name, generation)

    spec = _model(portable.spec, rename)
    if spec == portable.spec:
        return portable
    weights = {tuple(rename(part) for part in path): own for path, own in portable.weights.items()}
    return replace(portable, spec=spec, weights=weights)


def _model(spec: ModelSpec, rename: Rename) -> ModelSpec:
    names = [*spec.layers, *(one.name for one in spec.inputs)]
    if len({rename(name) for name in names}) < len(set(names)):
        raise Unrepresentable("two layers whose names are one in characters that Keras takes", where=shown(spec.name))
    called = {one.name: rename(one.name) for one in spec.inputs}
    # A second call is a node of its own name, which no file shows: the layer's, and its number.
    called |= {node.name: rename(node.layer) + node.name.removeprefix(node.layer) for node in spec.nodes}

    def at(ref: Ref) -> Ref:
        return replace(ref, node=called[ref.node])

    def moved(node: Node) -> Node:
        mask = None if node.mask is None else at(node.mask)
        inputs, states = (tuple(map(at, refs)) for refs in (node.inputs, node.initial_state))
        name, layer = called[node.name], rename(node.layer)
        return replace(node, name=name, layer=layer, inputs=inputs, mask=mask, initial_state=states)

    return replace(
        spec,
        name=rename(spec.name),
        inputs=tuple(replace(one, name=rename(one.name)) for one in spec.inputs),
        layers={rename(name): _layer(layer, rename) for name, layer in spec.layers.items()},
        nodes=tuple(map(moved, spec.nodes)),
        outputs=tuple(map(at, spec.outputs)),
    )


def _layer(layer: Layer, rename: Rename) -> Any:
    if isinstance(layer, TimeDistributed):
        return replace(layer, layer=_layer(layer.layer, rename))
    return _model(layer, rename) if isinstance(layer, ModelSpec) else layer
