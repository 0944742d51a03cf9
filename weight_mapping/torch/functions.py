"""Activations as functions of one tensor: the rows of `weight_mapping.activations`, computed by PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from weight_mapping.activations import ROWS, Activation, activation, is_elementwise

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


def gate_function(of: Activation, units: int) -> Elementwise:
    """The activation of one gate, or of several side by side: (B, n units). One over the units (softmax) takes each
    gate by itself."""
    if is_elementwise(of):
        return function(of)
    return lambda x: function(of)(x.reshape(len(x), -1, units)).flatten(1)
