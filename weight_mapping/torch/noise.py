"""Layers that act in training only. Source: `call` of the layers of Keras 3.15; each is the identity otherwise."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

_ALPHA, _SCALE = 1.6732632423543772, 1.0507009873554805


def dropout(x: Tensor, rate: float, noise_shape: Sequence[int | None] | None = None) -> Tensor:
    """Zeros with probability `rate`, the rest scaled by 1/(1-rate); one draw for all places along an axis where
    `noise_shape` has 1."""
    if noise_shape is None:
        return functional.dropout(x, rate)
    shape = [n if given is None else given for n, given in zip(x.shape, noise_shape, strict=True)]
    return x * functional.dropout(x.new_ones(shape), rate)


def spatial_dropout(x: Tensor, rate: float, rank: int, channels_first: bool) -> Tensor:
    """Whole channels of an image."""
    space = (1,) * rank
    return dropout(x, rate, (None, None, *space) if channels_first else (None, *space, None))


def gaussian_dropout(x: Tensor, rate: float) -> Tensor:
    return x * (1 + math.sqrt(rate / (1 - rate)) * torch.randn_like(x))


def gaussian_noise(x: Tensor, stddev: float) -> Tensor:
    return x + stddev * torch.randn_like(x)


def alpha_dropout(x: Tensor, rate: float) -> Tensor:
    """Keeps mean and variance of a selu network. Klambauer et al. 2017."""
    lowest = -_ALPHA * _SCALE
    scale = 1 / math.sqrt((1 - rate) * (1 + rate * lowest**2))
    kept = torch.rand_like(x) >= rate
    return scale * torch.where(kept, x, lowest) - scale * lowest * rate
