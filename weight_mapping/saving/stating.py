"""Which Keras can state a model as it is, and whether what was written for one means that model.

What today's two Keras can't state (a Bidirectional that repeats its outputs at masked steps; padding that starts with
the odd cell) is written in the words of an old one that could, where no generation is asked for, so that there and back
loses nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

from weight_mapping.errors import Unrepresentable
from weight_mapping.keras_config.era import Era
from weight_mapping.masks import makes_mask, reachable
from weight_mapping.saving.mask_origins import OPTIONS, told_by_generation
from weight_mapping.saving.slopes import slopes
from weight_mapping.spec import (
    Bidirectional,
    Cell,
    ConvCell,
    Layer,
    Leaf,
    ModelSpec,
    Node,
    Operation,
    Path,
    Plain,
    Recurrent,
    TimeDistributed,
    leaves,
    parts,
)
from weight_mapping.weights import Portable

KERAS3 = Era(generation=3, version=(3, 15, 1), backend="tensorflow")
TF_KERAS = Era(generation=2, version=(2, 21, 0), tf=True, backend="tensorflow")
KERAS2 = Era(generation=2, version=(2, 2, 4), backend="tensorflow")
THEANO = Era(generation=2, version=(2, 2, 4), backend="theano")
"""Whose words can be written: those of today's two, as tested, and of two of old."""


def target_of(portable: Portable, keras: int | None = None) -> Era:
    """The Keras to write for: of the asked generation; else the one that can state the model as it is, and
    of several the generation that it came from."""
    if keras:
        return KERAS3 if keras == 3 else TF_KERAS
    kinds = {type(part) for part in portable.spec.layers.values()}
    if any(_pads_at_start(leaf) for _, leaf in leaves(portable.spec)):
        return THEANO
    if _repeats_under_mask(portable.spec):
        return KERAS2
    masks_of_keras2 = _masks_beside_states(portable.spec) or _masks_from_inside(portable.spec)
    masks_of_keras2 |= any(map(_as_keras2, dict(told_by_generation(dict(_models(portable.spec)))).values()))
    if 1 / 5 in slopes(portable) or _time_major(portable.spec) or masks_of_keras2:
        return TF_KERAS
    came_from_old = (portable.source.keras_version or "3")[0] in "12"
    return TF_KERAS if came_from_old and Operation not in kinds and 1 / 6 not in slopes(portable) else KERAS3


def _pads_at_start(leaf: Leaf) -> bool:
    return (
        leaf.pad_start
        if isinstance(leaf, ConvCell)
        else isinstance(leaf, Plain) and bool(leaf.options.get("pad_start"))
    )


def _as_keras2(layer: Plain) -> bool:
    return not layer.options.get("any_mask", True) or bool(layer.options.get("ends_mask"))


def _repeats_under_mask(spec: ModelSpec) -> bool:
    reached = reachable(spec)
    return any(path in reached and _repeats(layer) for path, layer in _layers_of(spec))


def _repeats(layer: Layer) -> bool:
    return isinstance(layer, Bidirectional) and layer.return_sequences and not layer.forward.zero_output_for_mask


def _layers_of(layer: Layer, path: Path = ()) -> Iterator[tuple[Path, Layer]]:
    for name, part in parts(layer):
        if not isinstance(part, Cell | ConvCell):
            yield (*path, name), part
            yield from _layers_of(part, (*path, name))


def _masks_beside_states(spec: ModelSpec) -> bool:
    """Whether a mask is used where initial states are given: Keras 3 would ignore it."""
    reached = reachable(spec)
    beside = ((path, node) for path, model in _models(spec) for node in _calls(model))
    return any(node.masked and node.mask is None and (*path, node.layer) in reached for path, node in beside)


def _masks_from_inside(spec: ModelSpec) -> bool:
    """Whether a TimeDistributed hands on the masks that its layer makes of the steps: Keras 3 would drop them."""
    inside = (layer for _, layer in _layers_of(spec) if isinstance(layer, TimeDistributed) and layer.inner_mask)
    return any(makes_mask(layer.layer) for layer in inside)


def _models(spec: ModelSpec) -> Iterator[tuple[Path, ModelSpec]]:
    yield (), spec
    yield from ((path, part) for path, part in _layers_of(spec) if isinstance(part, ModelSpec))


def _time_major(layer: Layer) -> bool:
    return any(isinstance(part, Recurrent) and part.time_major for _, part in _layers_of(layer))


def check_meaning(spec: ModelSpec, again: ModelSpec, target: Era) -> None:
    """The written configuration must mean the same model: each layer read again against what was to be written. A
    cell's input size comes back with the weights, and a torch cell's two biases as their sum."""
    for path, otherwise in chain(_beside_states(spec, again), _under_masks(spec, again)):
        raise Unrepresentable(
            f"{target}{otherwise}", where="/".join(path),
            way_out="Ask for no generation of Keras (no keras=, no --keras): then one is taken that can state it.",
        )  # fmt: skip
    expected = dict(leaves(spec))
    for path, read in leaves(again):
        leaf = expected[path]
        if _same(leaf) != _same(read):
            raise Unrepresentable(
                f"{target} can't state this layer", where="/".join(path), found=str(leaf), expected=str(read)
            )


def _beside_states(spec: ModelSpec, again: ModelSpec) -> Iterator[tuple[Path, str]]:
    """Where a mask arrives beside initial states, and is used by one and ignored by the other."""
    reached = reachable(spec) | reachable(again)
    models = dict(_models(spec))
    for path, other in _models(again):
        for node, read in zip(_calls(models[path]), _calls(other), strict=True):
            if node.masked != read.masked and (*path, node.layer) in reached:
                yield (*path, node.layer), f" {'uses' if read.masked else 'ignores'} a mask beside initial states"


def _under_masks(spec: ModelSpec, again: ModelSpec) -> Iterator[tuple[Path, str]]:
    """Which layers do something else with a mask, where one reaches them."""
    reached = reachable(spec)
    layers = dict(_layers_of(spec))
    told = dict(told_by_generation(dict(_models(spec))))
    for path, other in _layers_of(again):
        own = layers[path]
        if _repeats(own) and not _repeats(other) and path in reached:
            yield path, "'s Bidirectional sets masked outputs to zero, this one repeats the previous output"
        if path in told and isinstance(other, Plain) and told[path].options != other.options:
            yield path, " treats a mask that reaches this layer otherwise"
        if isinstance(own, TimeDistributed) and makes_mask(own.layer) and own.inner_mask != _inner(other):
            does = "drops" if own.inner_mask else "hands on"
            yield path, f"'s TimeDistributed {does} the mask that its layer makes"


def _calls(model: ModelSpec) -> list[Node]:
    """The calls with initial states."""
    return sorted((node for node in model.nodes if node.initial_state), key=lambda node: (node.layer, node.name))


def _inner(layer: Layer) -> bool:
    return isinstance(layer, TimeDistributed) and layer.inner_mask


def _same(leaf: Leaf) -> Leaf:
    """What of a leaf must survive; whether gates share a dropout mask has no word in Keras 3, nor what a layer does
    with masks in any."""
    if isinstance(leaf, Plain):
        return replace(leaf, options={k: v for k, v in leaf.options.items() if k not in OPTIONS})
    if isinstance(leaf, Cell):
        bias = "single" if leaf.bias == "split" and leaf.kind != "gru" else leaf.bias
        return replace(leaf, input_size=None, dropout_per_gate=False, bias=bias)
    return replace(leaf, input_size=None) if isinstance(leaf, ConvCell) else leaf
