"""Layers around the recurrent ones told by their names, as Keras names its layers itself, or by their arrays."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from weight_mapping.activations import ROWS
from weight_mapping.addresses.tree import snake
from weight_mapping.drafting.open_choices import OPEN
from weight_mapping.files.archive import Stored
from weight_mapping.files.object_graph import SUFFIX
from weight_mapping.keras_config.era import Era
from weight_mapping.keras_config.plain_layers import CLASSES, OLD_NAMES
from weight_mapping.keras_config.words import ACTIVATION_LAYERS, LAYER_DEFAULTS
from weight_mapping.plain import KINDS

Shapes = Sequence[tuple[int, ...]]
_KNOWN = {**{name: name for name in (*CLASSES, *ACTIVATION_LAYERS)}, **OLD_NAMES}
_BY_NAME = {spelled: known for name, known in _KNOWN.items() for spelled in (name.lower(), snake(name))}
_UNASKED = {"groups", "momentum", "depth_multiplier", "keepdims", "output_padding", "dropout"}
"""Keys that hardly any file sets, or that act in training alone, taken as Keras has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """A Keras class, its configuration with what is open marked, and the widths that it takes and gives where its
    arrays tell them."""

    class_name: str
    config: dict[str, Any]
    takes: int | None = None
    gives: int | None = None


def recognise_plain(name: str, arrays: Sequence[Stored], era: Era) -> Recognised | None:
    """The layer of this name with these arrays, in Keras' order; None where neither tells it."""
    shapes = [a.shape for a in arrays]
    bases = [re.sub(r"(_\d+)?(:\d+)?$", "", a.name.removesuffix(SUFFIX).rpartition("/")[2]) for a in arrays]
    named = _BY_NAME.get(re.sub(r"_\d+$", "", name))
    class_name = named if named and _fits(named, shapes) else _by_arrays(bases, shapes, era)
    if class_name is None:
        return None
    if class_name in ACTIVATION_LAYERS:
        return Recognised(class_name=class_name, config=_parameters(class_name))
    read = _READ.get(CLASSES[class_name].kind)
    told, takes, gives = read(shapes, bases) if read and shapes else ({}, None, None)
    return Recognised(class_name=class_name, config=_keys(class_name, told), takes=takes, gives=gives)


def _fits(class_name: str, shapes: Shapes) -> bool:
    """Whether the class has weights exactly where arrays are stored."""
    if class_name in ACTIVATION_LAYERS:
        return not shapes
    row = CLASSES[class_name]
    return bool(KINDS[row.kind].weights({**KINDS[row.kind].options, **row.fixed})) == bool(shapes)


def _by_arrays(bases: Sequence[str], shapes: Shapes, era: Era) -> str | None:
    names = {*bases}
    if "embeddings" in names:
        return "Embedding"
    if {"moving_mean", "moving_variance"} & names:
        return "BatchNormalization"
    if {"gamma", "beta"} & names:
        return "LayerNormalization"
    old = era.generation == 1 and all(re.fullmatch(".*_[Wb]", base) for base in bases)
    biases = [shape for shape in shapes[1:] if shape != shapes[0][-1:]]
    if not shapes or len(shapes) > 2 or biases or not (names <= {"kernel", "bias"} or old):
        return None
    return {2: "Dense", 3: "Conv1D", 4: "Conv2D", 5: "Conv3D"}.get(len(shapes[0]))


Told = tuple[dict[str, Any], int | None, int | None]
"""Keys with the values that the arrays tell, and the widths that the layer takes and gives."""


def _dense(shapes: Shapes, _: Sequence[str]) -> Told:
    return {"units": shapes[0][1], "use_bias": len(shapes) > 1}, shapes[0][0], shapes[0][1]


def _conv(shapes: Shapes, _: Sequence[str]) -> Told:
    *window, inputs, filters = shapes[0]
    return {"filters": filters, "kernel_size": window, "use_bias": len(shapes) > 1}, inputs, filters


def _embedding(shapes: Shapes, _: Sequence[str]) -> Told:
    return {"input_dim": shapes[0][0], "output_dim": shapes[0][1]}, None, shapes[0][1]


def _normalisation(shapes: Shapes, bases: Sequence[str]) -> Told:
    named = {"gamma", "beta"} & {*bases}
    return {"scale": "gamma" in named, "center": "beta" in named} if named else {}, shapes[0][0], shapes[0][0]


_READ: Mapping[str, Callable[[Shapes, Sequence[str]], Told]] = {
    "dense": _dense, "conv": _conv, "embedding": _embedding, "batch_normalization": _normalisation,
    "layer_normalization": _normalisation,
}  # fmt: skip


def _keys(class_name: str, told: Mapping[str, Any]) -> dict[str, Any]:
    """Every key of the class: what the arrays tell, and for the rest what its kind takes by default, left open. What
    acts in training alone changes no answer and is not asked."""
    row = CLASSES[class_name]
    kind, rank = KINDS[row.kind], row.fixed.get("rank", 1)
    written: dict[str, Any] = {}
    for key, option in row.keys.items():
        if key in told:
            written[key] = told[key]
        elif not (kind.training_only or key in _UNASKED or (key == "data_format" and rank == 1)):
            written[key] = OPEN + _likely(kind.options.get(option), key, rank)
    return written


def _parameters(class_name: str) -> dict[str, Any]:
    """An activation layer's parameters, each under one of its names."""
    row, keys = ACTIVATION_LAYERS[class_name]
    likely = {**ROWS[row].parameters, **LAYER_DEFAULTS.get(class_name, {})}
    by_parameter = {parameter: key for key, parameter in keys.items()}
    return {key: OPEN + str(likely[parameter]) for parameter, key in by_parameter.items()}


def _likely(value: Any, key: str, rank: int) -> str:
    if key == "data_format":
        return "channels_last"
    if isinstance(value, tuple):
        value = list(value[:1] * rank if all(isinstance(n, int) for n in value) else value[:rank])
    return json.dumps(value) if isinstance(value, list | bool | None | int | float) else str(value)
