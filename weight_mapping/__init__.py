"""lstm-parity's library: Keras recurrent models into PyTorch and back. Importing it imports NumPy and no framework."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from weight_mapping.activations import Activation, activation, hard_sigmoid
from weight_mapping.errors import (
    DamagedFile,
    PortingError,
    Unrepresentable,
    UnsafeFile,
    Unsupported,
    WeightsMismatch,
)
from weight_mapping.loading import load
from weight_mapping.packing import pack, unpack
from weight_mapping.saving import save
from weight_mapping.spec import Bidirectional, Cell, ModelSpec, Plain, Recurrent, TimeDistributed
from weight_mapping.weights import CellWeights, Portable, Source

if TYPE_CHECKING:
    from weight_mapping import oracle

__version__ = "0.1.0"

__all__ = [
    "Activation",
    "Bidirectional",
    "Cell",
    "CellWeights",
    "DamagedFile",
    "ModelSpec",
    "Plain",
    "Portable",
    "PortingError",
    "Recurrent",
    "Source",
    "TimeDistributed",
    "Unrepresentable",
    "UnsafeFile",
    "Unsupported",
    "WeightsMismatch",
    "activation",
    "hard_sigmoid",
    "load",
    "oracle",
    "pack",
    "save",
    "unpack",
]


def __getattr__(name: str) -> Any:
    """The oracle is imported when it is first asked for: whoever only reads a file does not wait for it."""
    if name == "oracle":
        return importlib.import_module("weight_mapping.oracle")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
