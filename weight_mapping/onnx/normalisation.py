"""The normalising layers in ONNX as they are when a model is used, not trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from weight_mapping.onnx import functions as xp
from weight_mapping.onnx.images import Function, Options, Weights
from weight_mapping.onnx.tensor import Tensor
from weight_mapping.weights import Array

Inputs = Sequence[Tensor]
Masks = Sequence[Tensor | None]


def _along(array: Any, axes: tuple[int, ...], x: Tensor) -> Array:
    """One number, or the numbers of these axes of x in the order of x's axes, in a shape that broadcasts over x."""
    numbers = np.asarray(array)
    if numbers.size == 1:
        return numbers.reshape(())
    kept = iter(numbers.shape)
    found = {axis % x.ndim for axis in axes}
    return numbers.reshape([next(kept) if axis in found else 1 for axis in range(x.ndim)])


def _scaled(w: Weights, x: Tensor, axes: tuple[int, ...]) -> Tensor:
    x = x * _along(w["gamma"], axes, x) if "gamma" in w else x
    return x + _along(w["beta"], axes, x) if "beta" in w else x


def _batch(o: Options, w: Weights, inputs: Inputs, _masks: Masks) -> Tensor:
    x, axes = inputs[0], (o["axis"],)
    deviation = np.sqrt(np.asarray(w["moving_variance"], np.float64) + o["epsilon"])
    return _scaled(w, (x - _along(w["moving_mean"], axes, x)) / _along(deviation, axes, x), axes)


def _layer(o: Options, w: Weights, inputs: Inputs, _masks: Masks) -> Tensor:
    """Over the layer's axes, with the biased variance. `rms`: the mean is not taken off what is divided."""
    x, axes = inputs[0], tuple(o["axis"])
    centred = x - xp.mean(x, axes, True)
    deviation = xp.sqrt(xp.mean(centred * centred, axes, True) + o["epsilon"])
    return _scaled(w, (x if o["rms"] else centred) / deviation, axes)


def _rms(o: Options, w: Weights, inputs: Inputs, _masks: Masks) -> Tensor:
    """Divided by the root of the mean square; no mean is taken off."""
    x, axes = inputs[0], tuple(o["axis"])
    return x / xp.sqrt(xp.mean(x * x, axes, True) + o["epsilon"]) * _along(w["scale"], axes, x)


def _group(o: Options, w: Weights, inputs: Inputs, _masks: Masks) -> Tensor:
    """Each sample's groups of neighbouring channels by themselves; -1 groups: every channel a group."""
    x = xp.moveaxis(inputs[0], o["axis"], -1)
    channels = x.shape[-1]
    groups = channels if o["groups"] == -1 else o["groups"]
    parts = x.reshape(*x.shape[:-1], groups, -1)
    over = (*range(1, x.ndim - 1), x.ndim)
    parts = parts - xp.mean(parts, over, True)
    parts = parts / xp.sqrt(xp.mean(parts * parts, over, True) + o["epsilon"])
    whole = parts.reshape(*parts.shape[:-2], channels)
    return xp.moveaxis(_scaled(w, whole, (-1,)), -1, o["axis"])


def _unit(o: Options, _w: Weights, inputs: Inputs, _masks: Masks) -> Tensor:
    x = inputs[0]
    return x / xp.maximum(xp.sqrt(xp.sum(x * x, tuple(o["axis"]), True)), 1e-12)


def _normalization(o: Options, w: Weights, inputs: Inputs, _masks: Masks) -> Tensor:
    """By a mean and a variance that the data gave beforehand; a deviation below 1e-7 counts as that."""
    x = inputs[0]
    given = (w["mean"], w["variance"]) if o["mean"] is None else (o["mean"], o["variance"])
    mean, variance = (np.asarray(v, np.float64) for v in given)
    axes = tuple(sorted(axis % x.ndim for axis in o["axis"]))
    mean, variance = (_along(v, axes[len(axes) - v.ndim :], x) for v in (mean, variance))
    deviation = np.maximum(np.sqrt(variance), 1e-7)
    return x * deviation + mean if o["invert"] else (x - mean) / deviation


FUNCTIONS: Mapping[str, Function] = {
    "batch_normalization": _batch,
    "layer_normalization": _layer,
    "rms_normalization": _rms,
    "group_normalization": _group,
    "unit_normalization": _unit,
    "normalization": _normalization,
}
