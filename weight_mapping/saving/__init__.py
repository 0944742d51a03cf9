"""A Portable into a file that Keras, or this library, reads: .keras, .h5, .weights.h5, .safetensors, by suffix.

`stating` says which Keras can state the model as it is. For one that can't, the model is put in other words that mean
the same: `slopes` (another hard_sigmoid), `odd_windows` (Theano's padding), `named_masks` (a mask beside initial
states) and `accepted_names`."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path
from typing import Any

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
from weight_mapping.proving import stored_proof
from weight_mapping.saving.accepted_names import with_accepted_names
from weight_mapping.saving.named_masks import with_named_masks
from weight_mapping.saving.odd_windows import with_odd_windows
from weight_mapping.saving.slopes import with_slope
from weight_mapping.saving.stating import KERAS3, check_meaning, target_of
from weight_mapping.weights import Array, Portable


def save(portable: Portable, path: str | Path, *, keras: int | None = None, proof: bool = True) -> None:
    """Write the model. `keras`: the generation to write for, 2 (tf_keras) or 3; by default the one that can state the
    model as it is. Raises `Unrepresentable` where it can't; nothing is written then. `proof`: whether a safetensors
    file carries the oracle's answers for `load(verify=True)`, beside the SHA-256 of every array.

    A hard_sigmoid whose slope the asked generation lacks is brought about by scaling weights, and Theano's padding by
    even windows by zeros in the kernel; names are written in characters that the asked generation takes."""
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
    check_meaning(portable.spec, parsed.spec, target)
    return config, parsed, wanted


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
