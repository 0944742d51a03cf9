"""A mask that travels unseen made a tensor of its own, for Keras 3: it hands a layer no mask beside initial states
unless the call names one, where Keras 2 did."""

from __future__ import annotations

from dataclasses import replace

from weight_mapping.masks import reachable
from weight_mapping.saving.mask_origins import passes
from weight_mapping.spec import Layer, ModelSpec, Node, Operation, Plain, Ref, Slot


def with_named_masks(spec: ModelSpec) -> ModelSpec:
    """The same function with the mask of each call that has initial states named: ids that are not 0, computed from
    what the Embedding takes. A mask from elsewhere, or in a nested model, stays as it is."""
    reached = reachable(spec)
    made = {node.name: node for node in spec.nodes}
    layers: dict[str, Layer] = dict(spec.layers)
    nodes: list[Node] = []
    for node in spec.nodes:
        needs = node.initial_state and node.masked and node.mask is None and (node.layer,) in reached
        ids = _ids(spec, made, node.inputs[0]) if needs else None
        if ids is not None:
            name = f"{node.name}_mask"
            layers[name] = Operation(name="not_equal", arguments=(Slot(0), 0))
            nodes.append(Node(name=name, layer=name, inputs=(ids,)))
            node = replace(node, mask=Ref(name))
        nodes.append(node)
    return replace(spec, layers=layers, nodes=tuple(nodes))


def _ids(spec: ModelSpec, made: dict[str, Node], ref: Ref) -> Ref | None:
    """The ids whose zeros are the mask that this tensor carries, back through layers that pass their mask on."""
    while ref.node in made:
        node = made[ref.node]
        layer = spec.layers[node.layer]
        if node.mask is not None:
            return None
        if isinstance(layer, Plain) and layer.kind == "embedding":
            return node.inputs[0] if layer.options["mask_zero"] else None
        if not passes(layer):
            return None
        ref = node.inputs[0]
    return None
