"""One layer's configuration, of whatever class, <-> spec."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from weight_mapping.errors import DamagedFile, Unsupported, shown
from weight_mapping.keras_config import plain_layers, recurrent
from weight_mapping.keras_config.keys import renamed
from weight_mapping.keras_config.ownership import authors_name, keras_class, own_name
from weight_mapping.keras_config.reading_plain import read_plain
from weight_mapping.keras_config.words import Reading
from weight_mapping.plain import plain
from weight_mapping.spec import Custom, Layer, Path, Recurrent, TimeDistributed

MODELS = ("Sequential", "Functional", "Model", "Graph")
_WRAPPERS = ("Bidirectional", "TimeDistributed")


@dataclass(frozen=True, slots=True)
class Stored:
    """How a file stores the leaves of what was read: which layout a cell's arrays have, which parts are frozen, and
    the Keras class of each layer."""

    layouts: dict[Path, str] = field(default_factory=dict)
    frozen: set[Path] = field(default_factory=set)
    classes: dict[Path, str] = field(default_factory=dict)

    def remember(self, path: Path, class_name: str, config: Mapping[str, Any]) -> None:
        self.classes[path] = class_name
        if config.get("trainable") is False:
            self.frozen.add(path)


def described(value: Any, where: str) -> tuple[str, Mapping[str, Any]]:
    """(class name, configuration) of a stored object. Keras' own package is dropped from a registered name; a class
    that is its author's keeps "package>name"."""
    if not isinstance(value, Mapping) or "class_name" not in value:
        raise DamagedFile("expected a layer: {class_name, config}", where=where, found=shown(value))
    config = value.get("config")
    class_name = own_name(str(value["class_name"]))
    if isinstance(config, list) and class_name.rpartition(">")[2] == "Sequential":
        config = {"layers": config}
    if not isinstance(config, Mapping):
        raise DamagedFile("a layer without a configuration", where=where, found=shown(class_name))
    return class_name, config


def name_of(value: Mapping[str, Any], position: int) -> str:
    """A layer's name: in its configuration, beside it (functional models), or made of its class and place."""
    config = value.get("config")
    name = config.get("name") if isinstance(config, Mapping) else None
    name = name or value.get("name") or f"{str(value.get('class_name')).lower()}_{position + 1}"
    if not isinstance(name, str):
        raise DamagedFile("a layer's name is no text", found=shown(name))
    return name


ReadPart = Callable[[Any, Reading, Stored, Path], Layer]
"""What reads the layer inside a wrapper, which may be a whole model."""


def read_layer(value: Any, reading: Reading, stored: Stored, path: Path, read_part: ReadPart) -> Layer:
    """The layer, and no model, that a stored object means. A class that Keras does not have becomes `Custom`, refused
    when built."""
    where = "/".join(path)
    class_name, config = described(value, where)
    base = keras_class(value)
    if base is None:
        return Custom(class_name=authors_name(value), config=dict(config))
    _precision(config.get("dtype"), base, reading, where)
    if reading.era.generation == 1:
        config = renamed(base, config)
    try:
        if recurrent.known(base):
            layer = recurrent.read(base, config, reading, where)
            _layouts(base, config, layer, reading, stored, path)
            return layer
        if base in _WRAPPERS:
            return _read_wrapper(base, config, reading, stored, path, read_part)
    except recurrent.AuthorsOwn as part:
        return Custom(class_name=part.what, config=dict(config))
    if base == "Merge":
        return read_merge(config, where)
    if plain_layers.known(base):
        return read_plain(base, config, reading, where)
    return Custom(class_name=class_name, config=dict(config))


def _precision(policy: Any, class_name: str, reading: Reading, where: str) -> None:
    """A layer that its Keras computes in half precision is computed in that of its weights, which is said; quantized
    weights mean nothing without their scales. Names: keras/src/dtype_policies of Keras 3.15."""
    stored = policy.get("config") if isinstance(policy, Mapping) else None
    named = stored if isinstance(stored, Mapping) else {"name": policy}
    name = f"{named['mode']}_from_{named.get('source_name')}" if "mode" in named else str(named.get("name"))
    if "_from_" in name:
        raise Unsupported(
            f"{shown(class_name)} with quantized weights", where=where, class_name=class_name, found=shown(name),
            way_out="Save the model before it is quantized.",
        )  # fmt: skip
    if name in ("mixed_float16", "mixed_bfloat16", "float16", "bfloat16"):
        reading.note(
            f"{where}: {reading.era} computes it in {name.removeprefix('mixed_')}, the port in its weights' type"
        )


def _read_wrapper(
    base: str, config: Mapping[str, Any], reading: Reading, stored: Stored, path: Path, read_part: ReadPart
) -> Layer:
    where = "/".join(path)
    if base == "TimeDistributed":
        distributed = read_part(config.get("layer"), reading, stored, (*path, "layer"))
        return TimeDistributed(layer=distributed, inner_mask=reading.era.generation == 2)
    layer = recurrent.read_bidirectional(config, reading, where)
    inner_class, inner = described(config.get("layer"), where)
    for part in ("forward", "backward"):
        direction = getattr(layer, part)
        _layouts(inner_class.rpartition(">")[2], inner, direction, reading, stored, (*path, part))
        if inner.get("trainable") is False:
            stored.frozen.add((*path, part))
    return layer


def _layouts(
    class_name: str, config: Mapping[str, Any], layer: Recurrent, reading: Reading, stored: Stored, path: Path
) -> None:
    layout = "keras"
    if class_name.startswith("CuDNN"):
        layout = "cudnn"
    elif reading.era.generation == 1:
        layout = "keras1_gpu" if config.get("consume_less") == "gpu" else "keras1"
        if class_name == "ConvLSTM2D":
            layout = "keras1_th" if config.get("data_format") == "channels_first" else "keras1"
    stored.layouts.update({(*path, str(n)): layout for n in range(len(layer.cells))})


_MERGES = {"sum": "add", "mul": "multiply", "ave": "average", "max": "maximum"}


def read_merge(config: Mapping[str, Any], where: str) -> Layer:
    """Keras 1's Merge by its mode. Source: Keras 1.2.2, engine/topology.py."""
    mode = config.get("mode", "sum")
    if config.get("mode_type") in ("lambda", "function"):
        raise Unsupported("a Merge by a function of its author's", where=where, class_name="Merge")
    if mode in _MERGES:
        return plain(_MERGES[mode])
    if mode == "concat":
        return plain("concatenate", axis=config.get("concat_axis", -1))
    if mode in ("dot", "cos"):
        axes = config.get("dot_axes", -1)
        axes = tuple(a[0] if isinstance(a, list) else a for a in axes) if isinstance(axes, list) else axes
        return plain("dot" if mode == "dot" else "cosine", axes=axes)
    raise Unsupported(f"Merge with mode {shown(mode)}", where=where, class_name="Merge")
