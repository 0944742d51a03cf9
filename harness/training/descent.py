"""How the training path is walked, the same everywhere: plain gradient descent on the mean squared error of the first
output, with the layer's regularisers in the loss and its constraints after each step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

STEPS = 4
LONG = 50
"""The steps of a case that is about an optimizer."""
_ARRAYS: Mapping[str, str] = {"kernel": "kernel", "recurrent": "recurrent_kernel", "bias": "bias"}


def regularisers(arguments: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """By the name of Keras' array, the configuration of its regulariser."""
    return _of(arguments, "regularizer")


def constraints(arguments: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """By the name of Keras' array, the configuration of its constraint."""
    return _of(arguments, "constraint")


def _of(arguments: Mapping[str, Any], what: str) -> dict[str, Mapping[str, Any]]:
    found = {array: arguments.get(f"{name}_{what}") for name, array in _ARRAYS.items()}
    return {array: config for array, config in found.items() if config}
