"""Activations in the words of Keras, both ways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from weight_mapping.activations import KERAS_SLOPES, ROWS, Activation, activation
from weight_mapping.errors import DamagedFile, Unrepresentable, Unsupported, shown
from weight_mapping.keras_config.era import Era
from weight_mapping.keras_config.keys import refuse_unknown
from weight_mapping.keras_config.ownership import keras_class, own_name
from weight_mapping.keras_config.values import number, whole

ALIASES = {"swish": "silu", "hard_swish": "hard_silu", "softmax_v2": "softmax", "log_softmax_v2": "log_softmax"}
"""Keras' other names for a row of `activations.ROWS`, and those of TensorFlow's functions given as activations."""

ACTIVATION_LAYERS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "ReLU": ("relu", {"max_value": "max_value", "negative_slope": "negative_slope", "threshold": "threshold"}),
    "LeakyReLU": ("leaky_relu", {"negative_slope": "negative_slope", "alpha": "negative_slope"}),
    "ELU": ("elu", {"alpha": "alpha"}),
    "Softmax": ("softmax", {"axis": "axis"}),
    "ThresholdedReLU": ("relu", {"theta": "threshold"}),
}
"""Layer classes that are an activation with parameters: (row, the layer's key -> the row's parameter)."""

LAYER_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "LeakyReLU": {"negative_slope": 0.3},
    "ThresholdedReLU": {"threshold": 1.0},
}
"""Where the layer's default is not the activation's."""


@dataclass(slots=True)
class Reading:
    """One reading of one configuration: the era, and what had to be resolved on the way, each sentence once."""

    era: Era
    resolved: dict[str, None] = field(default_factory=dict)

    def note(self, sentence: str) -> None:
        self.resolved.setdefault(sentence)


def slope_of(era: Era) -> float:
    """hard_sigmoid's slope in this Keras."""
    return KERAS_SLOPES[era.generation]


def read_activation(value: Any, reading: Reading, where: str) -> Activation:
    """The activation that a name, a configuration or null means in this era; unknown names are refused by name."""
    if isinstance(value, Mapping):
        return _configured(value, reading, where)
    name = "linear" if value is None else value
    if not isinstance(name, str):
        raise DamagedFile("an activation that is no name", where=where, found=type(name).__name__)
    name = own_name(name)
    name = ALIASES.get(name, name)
    if name not in ROWS:
        raise Unsupported(
            f"unknown activation {shown(name)!r}",
            where=where,
            class_name=name,
            way_out="It is not among Keras' own; the port would have to guess its formula.",
        )
    if name == "hard_sigmoid":
        slope = slope_of(reading.era)
        reading.note(f"{where}: hard_sigmoid has slope {'1/5' if slope == 0.2 else '1/6'}, as in {reading.era}")
        return activation(name, slope=slope)
    return activation(name)


def _configured(value: Mapping[str, Any], reading: Reading, where: str) -> Activation:
    class_name, config = own_name(str(value.get("class_name"))), value.get("config") or {}
    if class_name in ("function", "builtin_function") or not isinstance(config, Mapping):
        return read_activation(config, reading, where)
    if class_name == "Activation" and keras_class(value):
        return read_activation(config.get("activation"), reading, where)
    if class_name in ACTIVATION_LAYERS and keras_class(value):
        return read_activation_layer(class_name, config, where)
    raise Unsupported(f"unknown activation {shown(class_name)!r}", where=where, class_name=class_name)


def read_activation_layer(class_name: str, config: Mapping[str, Any], where: str) -> Activation:
    """The activation that one of Keras' activation layers is."""
    row, keys = ACTIVATION_LAYERS[class_name]
    refuse_unknown(class_name, config, set(keys), where)
    given = {keys[k]: _parameter(k, v, f"{where}.{k}") for k, v in config.items() if k in keys}
    return activation(row, **{**LAYER_DEFAULTS.get(class_name, {}), **given})


def _parameter(key: str, value: Any, where: str) -> float | None:
    if key == "axis":
        return whole(value, where, None)
    return None if value is None and key == "max_value" else number(value, where)


def write_activation(value: Activation, target: Era, where: str) -> str:
    """The name by which the `target` knows the activation; `Unrepresentable` where it needs parameters."""
    if value.name == "hard_sigmoid" and dict(value.parameters)["slope"] != slope_of(target):
        raise Unrepresentable(
            f"Keras {target.generation} has no {value}",
            where=where,
            way_out="Scale the gates' weights (weight_mapping.saving.slopes), or write for the other generation.",
        )
    if ROWS[value.name].since > target.generation:
        raise Unrepresentable(f"Keras {target.generation} has no activation {value.name}", where=where)
    if value.name != "hard_sigmoid" and activation(value.name) != value:
        raise Unrepresentable(f"an activation by name has no parameters: {value}", where=where)
    return "swish" if value.name == "silu" and target.generation < 3 else value.name
