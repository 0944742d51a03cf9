"""Canonical weights, and the Portable that holds a whole model."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weight_mapping.bits import parts
from weight_mapping.errors import WeightsMismatch
from weight_mapping.spec import GATES, Cell, ConvCell, Leaf, ModelSpec, Path, leaves

Array = NDArray[Any]
BIAS_PARTS = {"none": 0, "single": 1, "split": 2}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CellWeights:
    """One cell's numbers, gates as an axis in the order of `spec.GATES`; arrays are read-only views, never copies.

    kernel (g, h, i); recurrent (g, h, k); bias (p, g, h), p = 1 single or 2 split (input, recurrent), or None.
    A ConvLSTM's kernels carry their spatial axes behind: `(g, h, i, *kernel_size)`."""

    kind: str
    kernel: Array
    recurrent: Array
    bias: Array | None = None
    reset_after: bool = False

    def __post_init__(self) -> None:
        for name, array in self.arrays():
            view = np.asarray(array).view()
            view.flags.writeable = False
            object.__setattr__(self, name, view)
        gates, units = self.kernel.shape[:2]
        expected = {
            "kernel": (len(GATES[self.gate_kind]), units, *self.kernel.shape[2:]),
            "recurrent": (gates, units, units, *self.recurrent.shape[3:]),
        }
        if self.bias is not None:
            expected["bias"] = (self.bias.shape[0] if self.bias.shape[:1] in ((1,), (2,)) else 1, gates, units)
        for name, array in self.arrays():
            if array.shape != expected[name]:
                raise WeightsMismatch(
                    f"{self.kind} {name} has the wrong shape", found=array.shape, expected=expected[name]
                )

    @property
    def gate_kind(self) -> str:
        return "lstm" if self.kind == "conv_lstm" else self.kind

    @property
    def units(self) -> int:
        return int(self.kernel.shape[1])

    @property
    def input_size(self) -> int:
        return int(self.kernel.shape[2])

    @property
    def bias_form(self) -> str:
        return ("none", "single", "split")[0 if self.bias is None else self.bias.shape[0]]

    def arrays(self) -> list[tuple[str, Array]]:
        """The arrays that are there, by name."""
        named = [("kernel", self.kernel), ("recurrent", self.recurrent), ("bias", self.bias)]
        return [(name, array) for name, array in named if array is not None]

    def check(self, cell: Cell | ConvCell, where: str = "cell") -> None:
        """Raise WeightsMismatch unless these are weights of this cell."""
        found = (self.kind, self.units, self.bias_form)
        expected = (cell.kind, cell.units, cell.bias)
        if found != expected or cell.input_size not in (None, self.input_size):
            raise WeightsMismatch(
                "weights of another cell",
                where=where,
                found=(*found, self.input_size),
                expected=(*expected, cell.input_size),
            )

    def folded(self) -> Array | None:
        """The one bias (g, h) that adds up both parts, or None. Right for LSTM and RNN, never for a reset_after GRU."""
        return None if self.bias is None else self.bias.sum(0)


LeafWeights = CellWeights | Mapping[str, Array]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a model came from: what is not part of its function and yet belongs to the file."""

    container: str = "memory"
    path: str | None = None
    sha256: str | None = None
    keras_version: str | None = None
    backend: str | None = None
    config: Mapping[str, Any] | None = field(default=None, repr=False)
    resolved: tuple[str, ...] = ()
    """One sentence for each word of the file that had to be resolved: which hard_sigmoid, which default, and why."""
    origins: Mapping[Path, tuple[str, ...]] = field(default_factory=dict, repr=False)
    """For each leaf the names that its arrays had in the file."""
    optimizer: Mapping[str, Array] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Portable:
    """A model out of any framework: what it computes, its numbers, and where it came from."""

    spec: ModelSpec
    weights: Mapping[Path, LeafWeights]
    source: Source = field(default_factory=Source)

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", MappingProxyType(dict(self.weights)))

    def leaves(self) -> list[tuple[Path, Leaf, LeafWeights]]:
        """Every leaf with weights: (path, cell or layer, weights)."""
        return [(path, leaf, self.weights[path]) for path, leaf in leaves(self.spec) if path in self.weights]

    def arrays(self) -> dict[str, Array]:
        """Every array under one flat name, 'layer/part/array'."""
        flat: dict[str, Array] = {}
        for path, _, weights in self.leaves():
            items = weights.arrays() if isinstance(weights, CellWeights) else list(weights.items())
            flat.update({"/".join((*path, name)): array for name, array in items})
        return flat

    def fingerprints(self) -> dict[str, str]:
        """SHA-256 of every array: its dtype, shape and little-endian bytes."""
        return {name: fingerprint(array) for name, array in self.arrays().items()}


def fingerprint(array: Array) -> str:
    """SHA-256 over dtype, shape and the bytes in C order, little-endian."""
    digest = hashlib.sha256(f"{array.dtype.newbyteorder('<').str}{array.shape}".encode())
    for part in parts(array):
        digest.update(part)
    return digest.hexdigest()
