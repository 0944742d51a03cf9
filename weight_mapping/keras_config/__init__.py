"""Keras' configuration JSON, of every generation, <-> spec. Compared by name only: no class or function is resolved.

Reading: `era` tells which Keras wrote it and `ownership` whose a class is. `models` reads a model, `functional` its
graph (its `calls`, and its `operations`, of old TensorFlow as `node_def`), `input_shapes` what comes in. `layers` reads
one layer: `recurrent`, or by a row of `plain_layers` in `reading_plain`, whose `options` say what each may be. Below
all of them, `keys` says what becomes of a key, `words` reads activations, `values` single values.

Writing: `writing` and the `writing_…` beside it. `riding` writes back what changes no function, `order` is the one in
which Keras looks for weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from weight_mapping.errors import DamagedFile, shown
from weight_mapping.keras_config.era import Era, era
from weight_mapping.keras_config.layers import Stored
from weight_mapping.keras_config.models import read_model
from weight_mapping.keras_config.words import Reading
from weight_mapping.keras_config.writing import write_layer, write_model
from weight_mapping.spec import ModelSpec, Path

__all__ = ["Era", "Parsed", "Stored", "era", "parse", "write_layer", "write_model"]


@dataclass(frozen=True, slots=True)
class Parsed:
    """A configuration in neutral words: the graph, how the file stores each leaf, and what had to be resolved."""

    spec: ModelSpec
    stored: Stored
    era: Era
    resolved: tuple[str, ...]

    def frozen(self, path: Path) -> bool:
        """Whether the file says trainable=False of this part or of one around it."""
        return any(path[:n] in self.stored.frozen for n in range(1, len(path) + 1))


def parse(config: Any, keras_version: str | None = None, backend: str | None = None) -> Parsed:
    """The model that a configuration {"class_name", "config"} means, its words resolved by the version that wrote it.

    Raises Unsupported by name for what is not understood, DamagedFile for what contradicts itself. Input sizes stay
    open (`Cell.input_size` None) until the weights' shapes settle them."""
    config = _unwrapped(config)
    if isinstance(config, list):  # Keras 1 and tfjs wrote a Sequential as the bare list of its layers
        config = {"class_name": "Sequential", "config": config}
    if not isinstance(config, Mapping):
        raise DamagedFile("a configuration that is no object", found=type(config).__name__)
    reading = Reading(era(keras_version, backend, config))
    stored = Stored()
    try:
        spec = read_model(config, reading, stored)
    except (AttributeError, ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as problem:
        # The readers check what they take; this is for what nobody thought of.
        raise DamagedFile("a configuration that contradicts itself", found=shown(repr(problem))) from problem
    return Parsed(spec, stored, reading.era, tuple(reading.resolved))


def _unwrapped(value: Any) -> Any:
    """Tuples and NumPy values that a JSON file had to spell out."""
    if isinstance(value, Mapping):
        if value.get("class_name") == "__tuple__" and isinstance(value.get("items"), list):
            return [_unwrapped(v) for v in value["items"]]
        if value.get("class_name") == "TensorShape" and isinstance(value.get("items"), list):
            return [_unwrapped(v) for v in value["items"]]
        return {k: _unwrapped(v) for k, v in value.items()}
    return [_unwrapped(v) for v in value] if isinstance(value, list) else value
