"""lstm-parity's library: Keras recurrent models into PyTorch and back. Nothing but the standard library is imported
until a name is asked for; then NumPy, and no framework."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weight_mapping import oracle
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

_MODULES = ("errors", "spec", "weights", "activations", "packing", "loading", "saving")


def __getattr__(name: str) -> Any:
    """The public name, from the first of the modules that has it."""
    if name == "oracle":
        return importlib.import_module("weight_mapping.oracle")
    if name in __all__:
        for module in _MODULES:
            found = getattr(importlib.import_module(f"weight_mapping.{module}"), name, None)
            if found is not None:
                return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names too, which are not there until they are asked for."""
    return sorted({*globals(), *__all__})
