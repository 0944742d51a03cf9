"""How a mask travels through a graph, written once for NumPy, PyTorch and ONNX: only what all three have.

A mask is (batch, time) booleans, True where the step counts, or None. Source: `compute_mask` of the layers of
Keras 3.15 and tf_keras 2.21.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import reduce
from operator import and_, or_
from typing import Any

from weight_mapping.plain import KINDS
from weight_mapping.spec import (
    Bidirectional,
    Layer,
    ModelSpec,
    Operation,
    Path,
    Plain,
    Recurrent,
    Ref,
    TimeDistributed,
    output_count,
)

Mask = Any


def propagate(layer: Layer, inputs: Sequence[Any], masks: Sequence[Mask], xp: Any) -> list[Mask]:
    """The masks of a layer's outputs, from its inputs and their masks; an outer model's own run gives its masks. `xp`
    is the namespace of the tensors: numpy, torch or `weight_mapping.onnx.functions`."""
    mask = masks[0] if masks else None
    match layer:
        case Recurrent():
            states = layer.state_count if layer.return_state else 0
            return [mask if layer.return_sequences else None] + [None] * states
        case Bidirectional():
            outputs = 2 if layer.merge == "none" else 1
            states = layer.forward.state_count + layer.backward.state_count if layer.forward.return_state else 0
            return [mask if layer.return_sequences else None] * outputs + [None] * states
        case TimeDistributed():
            return [_of_the_steps(layer, inputs[0], mask, xp) if layer.inner_mask else mask]
        case Plain():
            return [_plain(layer, inputs, masks, xp)]
        case Operation():
            return [None]
        case ModelSpec():
            raise TypeError("a nested model's masks come out of its run")
        case _:
            return [mask]


def reachable(model: ModelSpec, entering: bool = False, path: Path = ()) -> frozenset[Path]:
    """The paths of the layers that a mask can reach, by the graph alone; `entering`: the inputs may bring one. A nested
    model is looked into once, however often it is called: models within models would double that at every level."""
    carries = {Ref(i.name): entering for i in model.inputs}
    reached: set[Path] = set()
    entered: defaultdict[str, bool] = defaultdict(bool)
    for node in model.nodes:
        layer, own = model.layers[node.layer], (*path, node.layer)
        masked = node.mask is not None or any(carries.get(ref, False) for ref in node.inputs)
        if masked and node.masked:
            reached.add(own)
        if isinstance(layer, ModelSpec):
            entered[node.layer] |= masked
        carries.update({Ref(node.name, n): _may_carry(layer, masked) for n in range(output_count(layer))})
    for name, masked in entered.items():
        inner = model.layers[name]
        assert isinstance(inner, ModelSpec)
        reached |= reachable(inner, masked, (*path, name))
    return frozenset(reached)


def makes_mask(layer: Layer) -> bool:
    """Whether the layer's outputs may carry a mask where its inputs bring none."""
    return _may_carry(layer, False)


def _may_carry(layer: Layer, masked: bool) -> bool:
    match layer:
        case Recurrent() | Bidirectional():
            return masked and layer.return_sequences
        case Plain():
            makes = layer.kind == "masking" or (layer.kind == "embedding" and layer.options["mask_zero"])
            return makes or (masked and KINDS[layer.kind].mask != "stop" and layer.kind != "embedding")
        case ModelSpec():
            return masked or any(map(makes_mask, layer.layers.values()))
        case TimeDistributed(inner_mask=True):
            return masked or makes_mask(layer.layer)
        case Operation():
            return False
        case _:
            return masked


def _of_the_steps(layer: TimeDistributed, x: Any, mask: Mask, xp: Any) -> Mask:
    """What the inner layer makes of the steps as samples, as steps again; where it makes none, a step counts if
    anything in it does. Source: TimeDistributed.compute_mask of tf_keras 2.21."""
    within = None if mask is None or mask.ndim < 3 else mask.reshape(-1, *mask.shape[2:])
    made = None
    if not isinstance(layer.layer, ModelSpec):
        made = propagate(layer.layer, [x.reshape(-1, *x.shape[2:])], [within], xp)[0]
    if made is not None:
        return made.reshape(*x.shape[:2], *made.shape[1:])
    while mask is not None and mask.ndim > 2:
        mask = mask.any(-1)
    return mask


def _plain(layer: Plain, inputs: Sequence[Any], masks: Sequence[Mask], xp: Any) -> Mask:
    rule = KINDS[layer.kind].mask
    if layer.kind == "embedding":
        return inputs[0] != 0 if layer.options["mask_zero"] else None
    if layer.kind == "masking":
        return (inputs[0] != layer.options["mask_value"]).any(-1)
    if rule in ("pass", "query"):
        if layer.options.get("ends_mask"):
            return None
        return masks[0] if masks else None
    if rule == "merge":
        return _merge(layer, inputs, masks, xp)
    return None


def _merge(layer: Plain, inputs: Sequence[Any], masks: Sequence[Mask], xp: Any) -> Mask:
    """An input without a mask counts at every step."""
    known, any_mask = [mask for mask in masks if mask is not None], layer.options["any_mask"]
    if not known:
        return None
    if layer.kind == "concatenate" and layer.options["axis"] % inputs[0].ndim == 1:
        every = [xp.ones_like(x[..., 0]) != 0 if m is None else m for x, m in zip(inputs, masks, strict=True)]
        return xp.concatenate(tuple(every), 1)
    if any_mask and len(known) < len(masks):
        return None
    return reduce(or_ if any_mask else and_, known)
