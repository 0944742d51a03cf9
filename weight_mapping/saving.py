"""A Portable into a file that Keras, or this library, reads: .keras, .h5, .weights.h5, .safetensors, by suffix."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from weight_mapping.accepted_names import with_accepted_names
from weight_mapping.addresses.legacy import legacy_order
from weight_mapping.addresses.tree import tree_keys, tree_places
from weight_mapping.errors import PortingError, Unrepresentable
from weight_mapping.exchange import to_json
from weight_mapping.expectations import Expectation, expectations
from weight_mapping.files.writing import write_keras_zip, write_legacy_h5, write_safetensors, write_v3_weights
from weight_mapping.keras_config import Parsed, parse, write_model
from weight_mapping.keras_config.era import Era
from weight_mapping.keras_config.order import in_keras_order
from weight_mapping.keras_config.riding import with_riders
from weight_mapping.keras_config.words import slope_of
from weight_mapping.masks import makes_mask, reachable
from weight_mapping.named_masks import with_named_masks
from weight_mapping.odd_windows import with_odd_windows
from weight_mapping.proving import stored_proof
from weight_mapping.slopes import slopes, with_slope
from weight_mapping.spec import (
    Bidirectional,
    Cell,
    ConvCell,
    Layer,
    Leaf,
    ModelSpec,
    Node,
    Operation,
    Plain,
    Recurrent,
    TimeDistributed,
    leaves,
    parts,
)
from weight_mapping.spec import Path as LeafPath
from weight_mapping.weights import Array, Portable

KERAS3 = Era(generation=3, version=(3, 15, 1), backend="tensorflow")
TF_KERAS = Era(generation=2, version=(2, 21, 0), tf=True, backend="tensorflow")
KERAS2 = Era(generation=2, version=(2, 2, 4), backend="tensorflow")
THEANO = Era(generation=2, version=(2, 2, 4), backend="theano")
"""The Keras whose words can be written: today's two, as tested; and two of old for what today's can't state (a
Bidirectional that repeats its outputs at masked steps; padding that starts with the odd cell), written only where no
generation is asked for, so that there and back loses nothing."""


def save(portable: Portable, path: str | Path, *, keras: int | None = None, proof: bool = True) -> None:
    """Write the model. `keras`: the generation to write for, 2 (tf_keras) or 3; by default the one that can state the
    model as it is. Raises `Unrepresentable` where it can't; nothing is written then. `proof`: whether a safetensors
    file carries the oracle's answers for `load(verify=True)`, beside the SHA-256 of every array.

    A hard_sigmoid whose slope the asked generation lacks is brought about by scaling weights (`slopes.with_slope`),
    Theano's padding by even windows by zeros in the kernel (`odd_windows`), and names in characters that the asked
    generation takes (`accepted_names`)."""
    path = Path(path)
    if keras not in (None, 2, 3):
        raise PortingError("no such generation of Keras to write for", found=keras, expected="2 or 3")
    if path.suffix == ".safetensors":
        spec = to_json(portable)
        carried = {"format": "lstm-parity", "spec": spec, "proof": stored_proof(portable, spec, outputs=proof)}
        write_safetensors(path, portable.arrays(), carried)
        return
    if path.suffix not in (".keras", ".h5", ".hdf5"):
        raise PortingError(
            "an unknown suffix", where=str(path), expected=".keras, .h5, .weights.h5 or .safetensors",
            way_out="For ONNX: weight_mapping.onnx.save." if path.suffix == ".onnx" else None,
        )  # fmt: skip
    target = target_of(portable, keras)
    portable = replace(portable, spec=in_keras_order(portable.spec))
    if keras:
        portable = with_slope(with_odd_windows(with_accepted_names(portable, keras)), slope_of(target))
    if target is KERAS3:
        portable = replace(portable, spec=with_named_masks(portable.spec))
    config, parsed, wanted = _written(portable, target)
    if path.suffix == ".keras":
        if target.theano:
            raise Unrepresentable(
                "padding that starts with the odd cell is Theano's, and a .keras file has no place for the backend",
                where=str(path),
                way_out="Save as .h5, which names it, or as .safetensors.",
            )
        tree, names = _tree(portable, parsed, wanted)
        saved = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d@%H:%M:%S")
        metadata = {"keras_version": target.number, "date_saved": saved}
        write_keras_zip(path, config=config, metadata=metadata, tree=tree, names=names)
    elif path.name.endswith(".weights.h5"):
        tree, names = _tree(portable, parsed, wanted)
        write_v3_weights(path, tree, names)
    else:
        layers = _layers(portable, wanted)
        write_legacy_h5(path, config=config, layers=layers, keras_version=target.number, backend=str(target.backend))


def target_of(portable: Portable, keras: int | None = None) -> Era:
    """The Keras that `save` writes for: of the asked generation; else the one that can state the model as it is, and
    of several the generation that it came from."""
    if keras:
        return KERAS3 if keras == 3 else TF_KERAS
    kinds = {type(part) for part in portable.spec.layers.values()}
    if any(_pads_at_start(leaf) for _, leaf in leaves(portable.spec)):
        return THEANO
    if _repeats_under_mask(portable.spec):
        return KERAS2
    masks_of_keras2 = _masks_beside_states(portable.spec) or _masks_from_inside(portable.spec)
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


def _repeats_under_mask(spec: ModelSpec) -> bool:
    reached = reachable(spec)
    return any(path in reached and _repeats(layer) for path, layer in _layers_of(spec))


def _repeats(layer: Layer) -> bool:
    return isinstance(layer, Bidirectional) and layer.return_sequences and not layer.forward.zero_output_for_mask


def _layers_of(layer: Layer, path: LeafPath = ()) -> Iterator[tuple[LeafPath, Layer]]:
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


def _models(spec: ModelSpec) -> Iterator[tuple[LeafPath, ModelSpec]]:
    yield (), spec
    yield from ((path, part) for path, part in _layers_of(spec) if isinstance(part, ModelSpec))


def _time_major(layer: Layer) -> bool:
    return any(isinstance(part, Recurrent) and part.time_major for _, part in _layers_of(layer))


def _written(portable: Portable, target: Era) -> tuple[dict[str, Any], Parsed, list[Expectation]]:
    """The configuration, read again as the loader would: what it does not state as it is can't be written."""
    config = write_model(portable.spec, target)
    if (portable.source.keras_version or "").startswith(str(target.generation)) and portable.source.config:
        config = with_riders(config, portable.source.config)
    parsed = parse(config, target.number, target.backend)
    wanted = list(expectations(parsed))
    for one in wanted:
        if one.path not in portable.weights:
            raise PortingError("no weights for this layer", where=one.where)
    _check_meaning(portable.spec, parsed.spec, target)
    return config, parsed, wanted


def _check_masks(spec: ModelSpec, again: ModelSpec, target: Era) -> None:
    """Where a mask arrives beside initial states, the target must use it, or ignore it, as the model does."""
    reached = reachable(spec) | reachable(again)
    models = dict(_models(spec))
    for path, other in _models(again):
        for node, read in zip(_calls(models[path]), _calls(other), strict=True):
            if node.masked != read.masked and (*path, node.layer) in reached:
                raise Unrepresentable(
                    f"{target} {'uses' if read.masked else 'ignores'} a mask beside initial states",
                    where="/".join((*path, node.layer)),
                    way_out="Save without asking for a generation of Keras.",
                )


def _calls(model: ModelSpec) -> list[Node]:
    """The calls with initial states."""
    return sorted((node for node in model.nodes if node.initial_state), key=lambda node: (node.layer, node.name))


def _check_meaning(spec: ModelSpec, again: ModelSpec, target: Era) -> None:
    """The written configuration must mean the same model: each layer read again against what was to be written. A
    cell's input size comes back with the weights, and a torch cell's two biases as their sum."""
    _check_masks(spec, again, target)
    reached = reachable(spec)
    layers = dict(_layers_of(spec))
    for path, other in _layers_of(again):
        if _repeats(layers[path]) and not _repeats(other) and path in reached:
            raise Unrepresentable(
                f"{target}'s Bidirectional sets masked outputs to zero, this one repeats the previous output",
                where="/".join(path),
                way_out="Save without asking for a generation of Keras.",
            )
        own = layers[path]
        if isinstance(own, TimeDistributed) and makes_mask(own.layer) and own.inner_mask != _inner(other):
            raise Unrepresentable(
                f"{target}'s TimeDistributed {'drops' if own.inner_mask else 'hands on'} the mask that its layer makes",
                where="/".join(path),
                way_out="Save without asking for a generation of Keras.",
            )
    expected = dict(leaves(spec))
    for path, read in leaves(again):
        leaf = expected[path]
        if _same(leaf) != _same(read):
            raise Unrepresentable(
                f"{target} can't state this layer", where="/".join(path), found=str(leaf), expected=str(read)
            )


def _inner(layer: Layer) -> bool:
    return isinstance(layer, TimeDistributed) and layer.inner_mask


def _same(leaf: Leaf) -> Leaf:
    """What of a leaf must survive; whether gates share a dropout mask has no word in Keras 3."""
    if isinstance(leaf, Cell):
        bias = "single" if leaf.bias == "split" and leaf.kind != "gru" else leaf.bias
        return replace(leaf, input_size=None, dropout_per_gate=False, bias=bias)
    return replace(leaf, input_size=None) if isinstance(leaf, ConvCell) else leaf


def _layers(portable: Portable, wanted: list[Expectation]) -> list[tuple[str, list[tuple[str, Array]]]]:
    grouped: dict[str, list[tuple[str, Array]]] = {name: [] for name in portable.spec.layers}
    arrays = {one.path: one.give(portable.weights[one.path]) for one in wanted}
    for layer in grouped:
        slots = [(one, n) for one in wanted if one.path[0] == layer for n in range(len(one.names))]
        for one, n in legacy_order(slots):
            name = "/".join((*one.path, one.names[n]))
            grouped[layer].append((f"{name}:0", arrays[one.path][n]))
    return list(grouped.items())


def _tree(portable: Portable, parsed: Parsed, wanted: list[Expectation]) -> tuple[dict[str, Array], dict[str, str]]:
    places = dict(tree_places(parsed, parsed.spec, "", (), {}))
    tree: dict[str, Array] = {}
    names: dict[str, str] = {}
    for one in wanted:
        place = places[one.path]
        tree.update(
            {tree_keys(parsed, place, one, n)[0]: array for n, array in enumerate(one.give(portable.weights[one.path]))}
        )
        names["/".join(place.split("/")[:2])] = one.path[0]
    return tree, names
