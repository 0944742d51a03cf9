"""Single words of a Keras configuration, both ways: activations, shapes, paddings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from weight_mapping.activations import ROWS, Activation, activation
from weight_mapping.errors import DamagedFile, Unrepresentable, Unsupported, shown
from weight_mapping.keras_config.era import Era

ALIASES = {"swish": "silu", "hard_swish": "hard_silu", "log_softmax": "log_softmax"}
"""Keras' other names for a row of `activations.ROWS`."""

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
    """One reading of one configuration: the era, and what had to be resolved on the way."""

    era: Era
    resolved: list[str] = field(default_factory=list)

    def note(self, sentence: str) -> None:
        if sentence not in self.resolved:
            self.resolved.append(sentence)


def slope_of(era: Era) -> float:
    """hard_sigmoid's slope: 1/5 in Keras 1, 2 and tf_keras, 1/6 in Keras 3."""
    return 1 / 6 if era.generation >= 3 else 1 / 5


def read_activation(value: Any, reading: Reading, where: str) -> Activation:
    """The activation that a name, a configuration or null means in this era; unknown names are refused by name."""
    if isinstance(value, Mapping):
        return _configured(value, reading, where)
    name = "linear" if value is None else value
    if not isinstance(name, str):
        raise DamagedFile("an activation that is no name", where=where, found=type(name).__name__)
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
    class_name, config = str(value.get("class_name")), value.get("config") or {}
    if class_name in ("function", "builtin_function") or not isinstance(config, Mapping):
        return read_activation(config, reading, where)
    if class_name in ACTIVATION_LAYERS:
        return read_activation_layer(class_name, config)
    raise Unsupported(f"unknown activation {shown(class_name)!r}", where=where, class_name=class_name)


def read_activation_layer(class_name: str, config: Mapping[str, Any]) -> Activation:
    row, keys = ACTIVATION_LAYERS[class_name]
    given = {keys[k]: scalar(v) for k, v in config.items() if k in keys}
    return activation(row, **{**LAYER_DEFAULTS.get(class_name, {}), **given})


def write_activation(value: Activation, target: Era, where: str) -> str:
    """The name by which the `target` knows the activation; `Unrepresentable` where it needs parameters."""
    if value.name == "hard_sigmoid" and dict(value.parameters)["slope"] != slope_of(target):
        raise Unrepresentable(
            f"Keras {target.generation} has no {value}",
            where=where,
            way_out="Scale the gates' weights (weight_mapping.slopes), or write for the other generation.",
        )
    if ROWS[value.name].since > target.generation:
        raise Unrepresentable(f"Keras {target.generation} has no activation {value.name}", where=where)
    if value.name != "hard_sigmoid" and activation(value.name) != value:
        raise Unrepresentable(f"an activation by name has no parameters: {value}", where=where)
    return "swish" if value.name == "silu" and target.generation < 3 else value.name


def scalar(value: Any) -> Any:
    """A number that NumPy wrote as {"type": "ndarray", "value": 0.3} (Keras 2.0.5) as itself."""
    if isinstance(value, Mapping) and value.get("type") == "ndarray":
        return scalar(value.get("value"))
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], int | float):
        return value[0]
    return value


def sizes(value: Any, rank: int, where: str) -> tuple[int, ...]:
    """An int or a list of `rank` ints as a tuple."""
    listed = [value] * rank if isinstance(value, int) else value
    if not (isinstance(listed, list | tuple) and len(listed) == rank and all(isinstance(n, int) for n in listed)):
        raise DamagedFile(f"expected {rank} whole numbers", where=where, found=shown(value))
    return tuple(listed)


def uneven(kernel_size: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    """Whether padding same can have an odd total, so that it matters at which end the extra cell goes."""
    return any(k % 2 == 0 for k in kernel_size) or any(s > 1 for s in strides)


def pairs(value: Any, rank: int, where: str) -> tuple[tuple[int, int], ...]:
    """Padding or cropping as ((before, after), …): from 1, (1, 2) or ((1, 2), (3, 4))."""
    if rank == 1 and isinstance(value, list) and len(value) == 2 and all(isinstance(n, int) for n in value):
        return ((value[0], value[1]),)
    if isinstance(value, int):
        return ((value, value),) * rank
    if isinstance(value, list) and len(value) == 2 * rank and all(isinstance(n, int) for n in value):
        return tuple((value[2 * n], value[2 * n + 1]) for n in range(rank))  # Keras 1's (top, bottom, left, right)
    if isinstance(value, list) and len(value) == rank:
        return tuple((n, n) if isinstance(n, int) else sizes(n, 2, where) for n in value)  # type: ignore[misc]
    raise DamagedFile(f"expected {rank} pairs of whole numbers", where=where, found=shown(value))
