"""The order in which Keras itself lists a functional model's layers: the order by which it finds their weights."""

from __future__ import annotations

from dataclasses import replace

from weight_mapping.spec import Layer, ModelSpec, Node, TimeDistributed


def in_keras_order(spec: ModelSpec) -> ModelSpec:
    """The same model, its layers and those of the models inside it listed as Keras does once it has built the graph.

    Both Keras read weights by place, not by name: in any other order two layers of one shape would trade theirs.
    Layers that no call reaches come last. Source: map_graph_network of tf_keras 2.21, map_graph of Keras 3.15."""
    inside = {name: _inner(layer) for name, layer in spec.layers.items()}
    if spec.sequential:
        return replace(spec, layers=inside)
    first = [name for name in _by_depth(spec) if name in inside]
    return replace(spec, layers={name: inside[name] for name in (*first, *(n for n in inside if n not in first))})


def _inner(layer: Layer) -> Layer:
    if isinstance(layer, ModelSpec):
        return in_keras_order(layer)
    return replace(layer, layer=_inner(layer.layer)) if isinstance(layer, TimeDistributed) else layer


def _by_depth(spec: ModelSpec) -> list[str]:
    """Layers by their greatest distance from the outputs, at one distance in the order of the walk from the outputs."""
    nodes = {node.name: node for node in spec.nodes}
    met: dict[str, None] = {}  # in the order of the walk
    finished: dict[str, Node] = {}
    stack = [(ref.node, False) for ref in reversed(spec.outputs)]
    while stack:
        name, done = stack.pop()
        if name not in nodes or name in finished:
            continue
        node = nodes[name]
        if done:
            finished[name] = node
            continue
        met.setdefault(node.layer)
        stack.append((name, True))
        stack += [(source, False) for source in reversed(_sources(node))]
    depths = dict.fromkeys(finished, 0)
    of_layer: dict[str, int] = {}
    for name, node in reversed(finished.items()):
        depth = of_layer[node.layer] = max(depths[name], of_layer.get(node.layer, 0))
        for source in _sources(node):
            if source in depths:
                depths[source] = max(depths[source], depth + 1)
    return sorted(met, key=lambda layer: -of_layer[layer])


def _sources(node: Node) -> list[str]:
    return [ref.node for ref in (*node.inputs, *node.initial_state, *((node.mask,) if node.mask else ()))]
