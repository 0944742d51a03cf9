"""What a container holds, before any array is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Layers = tuple[tuple[str, tuple["Stored", ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The header of one stored array. `name` is what the container calls it, `path` where in the container it lies;
    `dtype` is in the machine's byte order."""

    name: str
    path: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def nbytes(self) -> int:
        return prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A container's description and the headers of its arrays: exactly one of `layers`, `tree` and `named` is there.

    container   "h5 model", "h5 weights", "h5 weights v3", "keras zip", "SavedModel", "TF checkpoint", "tfjs",
                "safetensors" or "pt"
    sha256      of the file's bytes; of a folder, over the names and bytes of the files that were read
    backend     the Keras backend that wrote the arrays; for Keras 1, told from the weights' names
    config      the model's configuration as stored: {"class_name", "config"}
    layers      legacy layout: (layer name, its arrays in the order of weight_names), in the order of layer_names
    tree        layout of Keras 3: "layers/lstm/cell/vars/0" -> header
    names       for `tree`: "layers/lstm" -> the name that Keras gave to that object, where the file tells it
    named       anything else: the format's own name -> header
    metadata    SavedModel: node path ("root.layer-0") -> that object's description; safetensors: its metadata
    """

    container: str
    path: Path
    sha256: str
    keras_version: str | None = None
    backend: str | None = None
    config: Mapping[str, Any] | None = field(default=None, repr=False)
    layers: Layers | None = field(default=None, repr=False)
    tree: Mapping[str, Stored] | None = field(default=None, repr=False)
    names: Mapping[str, str] = field(default_factory=dict, repr=False)
    named: Mapping[str, Stored] | None = field(default=None, repr=False)
    metadata: Mapping[str, Any] = field(default_factory=dict, repr=False)
    optimizer: Mapping[str, Stored] = field(default_factory=dict, repr=False)
    reader: Callable[[Stored], Array] = field(repr=False)

    def read(self, stored: Stored) -> Array:
        """The array of this header: its numbers as stored, bit for bit, in the machine's byte order."""
        return self.reader(stored)

    def stored(self) -> tuple[Stored, ...]:
        """Every array's header but the optimizer's, in the container's order."""
        if self.layers is not None:
            return tuple(one for _, arrays in self.layers for one in arrays)
        return tuple((self.tree if self.tree is not None else self.named or {}).values())
