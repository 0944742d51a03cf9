"""The shape and the dtype of a model's inputs: in an InputLayer, on the first layer, or beside the layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from weight_mapping.errors import DamagedFile, shown
from weight_mapping.keras_config.layers import MODELS, described

Shape = tuple[int | None, ...]
"""None where any size will do, the batch axis first."""


def stated_shape(config: Mapping[str, Any]) -> Shape | None:
    """The input shape that a layer's own configuration states."""
    value = config.get("batch_shape") or config.get("batch_input_shape")
    if value is None and isinstance(config.get("shape"), list):
        value = [None, *config["shape"]]
    if value is None:
        return None
    if not (isinstance(value, list) and all(n is None or (type(n) is int and n >= 1) for n in value)):
        raise DamagedFile("an input shape that is no list of sizes", found=shown(value))
    return tuple(value)


def sequential_shape(first: Any, model: Mapping[str, Any]) -> Shape | None:
    """The input shape of a Sequential without an InputLayer: that of its first layer, of the one inside that, or the
    model's own."""
    class_name, config = described(first, "layers[0]")
    found = stated_shape(config)
    if found is None and class_name in MODELS and isinstance(config.get("layers"), list) and config["layers"]:
        return sequential_shape(config["layers"][0], {})
    if found is None and isinstance(config.get("layer"), Mapping):
        inner = sequential_shape(config["layer"], {})
        return inner if class_name != "TimeDistributed" or inner is None else None
    built = model.get("build_input_shape")
    return found or stated_shape({"batch_shape": built} if isinstance(built, list) else {})


def stated_dtype(config: Mapping[str, Any]) -> str:
    value = config.get("dtype")
    return value if isinstance(value, str) else "float32"
