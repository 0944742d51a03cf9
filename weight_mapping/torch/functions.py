"""Activations as functions of one tensor: the rows of `weight_mapping.activations`, computed by PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from weight_mapping.activations import ROWS, Activation, activation
from weight_mapping.errors import Unsupported

Elementwise = Callable[[Tensor], Tensor]

_NATIVE: dict[Activation, Elementwise] = {
    activation("tanh"): torch.tanh,
    activation("sigmoid"): torch.sigmoid,
    activation("relu"): torch.relu,  # whose gradient at 0 is 0, as Keras'; that of a clip is 1
}
"""PyTorch's own function for a row: one operation for several."""


def function(of: Activation) -> Elementwise:
    """The activation as a function of one tensor."""
    return _NATIVE.get(of) or partial(ROWS[of.name].function, xp=torch, **dict(of.parameters))


def gate_function(of: Activation) -> Elementwise:
    """`function`; `Unsupported` for an activation that doesn't act element by element."""
    if ROWS[of.name].derivative is None:
        raise Unsupported(
            f"the activation {of} mixes the units of a gate",
            class_name=of.name,
            way_out="Only an activation that acts element by element can be a gate.",
        )
    return function(of)
