"""Which Keras wrote a configuration: the words in it mean what they meant there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_KERAS_1_KEYS = {"inner_activation", "nb_filter", "W_regularizer", "border_mode", "init", "dim_ordering", "input_dtype"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Era:
    """The writer: its generation (1, 2 or 3), its version, whether it was TensorFlow's own tf.keras, its backend."""

    generation: int
    version: tuple[int, ...]
    tf: bool = False
    backend: str | None = None

    def __str__(self) -> str:
        name = "tf.keras" if self.tf else "Keras"
        return f"{name} {'.'.join(map(str, self.version))}" if self.version else f"Keras {self.generation}"

    @property
    def number(self) -> str:
        """The version as its files state it."""
        return ".".join(map(str, self.version))

    def stored(self, class_name: str, config: Mapping[str, Any], module: str = "keras.layers") -> dict[str, Any]:
        """An object as this Keras stores it; from 2.12 on with the module that it is looked up in."""
        told = {"module": module, "registered_name": None} if self.version >= (2, 12) else {}
        return {**told, "class_name": class_name, "config": dict(config)}

    @property
    def theano(self) -> bool:
        return self.backend == "theano"


def era(version: str | None, backend: str | None, config: Any) -> Era:
    """The era of a file: by its version attribute, else by the keys that only one generation writes."""
    found = re.match(r"([0-9]{1,4}(?:\.[0-9]{1,4}){0,3})(?![0-9])", version or "")
    numbers = tuple(int(n) for n in found[1].split(".")) if found else ()
    if not numbers:
        return Era(
            generation=_generation(config),
            version=(),
            tf=_generation(config) == 2 and backend in (None, "tensorflow"),
            backend=backend,
        )
    # tf.keras called itself 2.2.4-tf and 2.3.0-tf; from 2.4 on there was no other Keras 2, and 2.3.1 was the last.
    tf = numbers[0] == 2 and ("-tf" in (version or "") or numbers >= (2, 4))
    return Era(generation=max(1, min(numbers[0], 3)), version=numbers, tf=tf, backend=backend)


def _generation(config: Any) -> int:
    for part in _mappings(config):
        if _KERAS_1_KEYS & part.keys():
            return 1
        if part.get("class_name") in ("DTypePolicy", "__keras_tensor__") or "batch_shape" in part:
            return 3
    return 2


def _mappings(value: Any) -> Any:
    stack = [value]
    while stack:
        top = stack.pop()
        if isinstance(top, Mapping):
            yield top
            stack.extend(top.values())
        elif isinstance(top, list):
            stack.extend(top)
