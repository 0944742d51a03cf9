"""Where a mask comes from, where it is used, and which layers of a model would treat theirs otherwise in another
generation of Keras."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping

from weight_mapping.masks import makes_mask, reachable
from weight_mapping.plain import KINDS
from weight_mapping.spec import (
    Bidirectional,
    Layer,
    ModelSpec,
    Node,
    Operation,
    Path,
    Plain,
    Recurrent,
    Ref,
    TimeDistributed,
)

OPTIONS = ("any_mask", "ends_mask")
"""What a layer does with masks in one generation of Keras and not in another; no file has a word for it."""
_VALUES_TOO = ("multiply", "maximum", "minimum")
_USING = (*_VALUES_TOO, "attention", "multi_head_attention", "global_pool")


def passes(layer: Layer) -> bool:
    """Whether the layer's outputs carry the mask of its first input, unchanged."""
    match layer:
        case Plain():
            return KINDS[layer.kind].mask == "pass" and not layer.options.get("ends_mask")
        case Recurrent() | Bidirectional():
            return layer.return_sequences
        case _:
            return isinstance(layer, TimeDistributed) and not (layer.inner_mask and makes_mask(layer.layer))


def told_by_generation(models: Mapping[Path, ModelSpec]) -> Iterator[tuple[Path, Plain]]:
    """The layers that a mask reaches whose `OPTIONS` then change what is computed; `models`: a model and those inside
    it, by their paths. Masks of one origin are one, whether a step counts by any or by all of them; joined along time
    they stay apart."""
    reached = reachable(models[()])
    for path, model in models.items():
        origins = _origins(model)
        for node in model.nodes:
            layer, own = model.layers[node.layer], (*path, node.layer)
            if not isinstance(layer, Plain) or own not in reached or not layer.options.keys() & set(OPTIONS):
                continue
            one = len({origins.get(ref, ref) for ref in node.inputs}) == 1
            harmless = "any_mask" in layer.options and (one or layer.options.get("axis") in (1, -2))
            if layer.kind in _VALUES_TOO or not (harmless or _unused(model, node, inside=bool(path))):
                yield own, layer


def _origins(model: ModelSpec) -> dict[Ref, Hashable]:
    """What makes the mask that a tensor carries, if it carries one: ids of an Embedding, a layer, an input."""
    origins: dict[Ref, Hashable] = {Ref(i.name): i.name for i in model.inputs}
    for node in model.nodes:
        layer, given = model.layers[node.layer], [origins.get(ref, ref) for ref in node.inputs]
        origin: Hashable = Ref(node.name)
        if isinstance(layer, Plain) and layer.kind == "embedding" and layer.options["mask_zero"]:
            origin = ("ids", node.inputs[0])
        elif node.mask is None and (passes(layer) or (_merges(layer) and len(set(given)) == 1)):
            origin = given[0]
        outputs = 2 if isinstance(layer, Bidirectional) and layer.merge == "none" else 1
        origins.update({Ref(node.name, n): origin for n in range(outputs)})
    return origins


def _unused(model: ModelSpec, node: Node, inside: bool) -> bool:
    """Whether no layer computes with the mask of this call's output; `inside`: what leaves the model may be used."""
    carrying = {Ref(node.name)}
    for later in model.nodes:
        if carrying.isdisjoint(later.inputs):
            continue
        layer = model.layers[later.layer]
        step = layer.layer if isinstance(layer, TimeDistributed) else layer
        if not isinstance(step, Plain | Operation) or (isinstance(step, Plain) and step.kind in _USING):
            return False
        if isinstance(step, Plain) and KINDS[step.kind].mask != "stop":
            carrying.add(Ref(later.name))
    return not inside or carrying.isdisjoint(model.outputs)


def _merges(layer: Layer) -> bool:
    return isinstance(layer, Plain) and KINDS[layer.kind].mask == "merge"
