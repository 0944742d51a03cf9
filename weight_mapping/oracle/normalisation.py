"""The normalising layers as they are when a model is used, not trained."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from weight_mapping.oracle.images import Function, Inputs, Options, Weights
from weight_mapping.oracle.trace import Float


def _along(array: Float, axes: tuple[int, ...], x: Float) -> Float:
    """One number, or the numbers of these axes of x in the order of x's axes, in a shape that broadcasts over x."""
    kept = {axis % x.ndim for axis in axes}
    return array.reshape([n if axis in kept else 1 for axis, n in enumerate(x.shape)] if array.size > 1 else ())


def _scaled(w: Weights, x: Float, axes: tuple[int, ...]) -> Float:
    x = x * _along(w["gamma"], axes, x) if "gamma" in w else x
    return x + _along(w["beta"], axes, x) if "beta" in w else x


def _batch(o: Options, w: Weights, inputs: Inputs, _masks: Inputs) -> Float:
    x, axes = inputs[0], (o["axis"],)
    mean, variance = (_along(w[name], axes, x) for name in ("moving_mean", "moving_variance"))
    return _scaled(w, (x - mean) / np.sqrt(variance + o["epsilon"]), axes)


def _layer(o: Options, w: Weights, inputs: Inputs, _masks: Inputs) -> Float:
    """Over the layer's axes, with the biased variance. `rms`: the mean is not taken off, and yet what is divided by is
    the variance, not the mean square (Keras 3's `rms_scaling`, its own words: "incorrectly")."""
    x, axes = inputs[0], tuple(o["axis"])
    deviation = np.sqrt(x.var(axes, keepdims=True) + o["epsilon"])
    return _scaled(w, (x if o["rms"] else x - x.mean(axes, keepdims=True)) / deviation, axes)


def _rms(o: Options, w: Weights, inputs: Inputs, _masks: Inputs) -> Float:
    """Divided by the root of the mean square; no mean is taken off."""
    x, axes = inputs[0], tuple(o["axis"])
    return np.asarray(x / np.sqrt((x * x).mean(axes, keepdims=True) + o["epsilon"]) * _along(w["scale"], axes, x))


def _group(o: Options, w: Weights, inputs: Inputs, _masks: Inputs) -> Float:
    """Each sample's groups of neighbouring channels by themselves; -1 groups: every channel a group."""
    x = np.moveaxis(inputs[0], o["axis"], -1)
    groups = x.shape[-1] if o["groups"] == -1 else o["groups"]
    parts = x.reshape(*x.shape[:-1], groups, -1)
    over = (*range(1, x.ndim - 1), x.ndim)
    parts = parts - parts.mean(over, keepdims=True)
    parts = parts / np.sqrt((parts * parts).mean(over, keepdims=True) + o["epsilon"])
    return np.moveaxis(_scaled(w, parts.reshape(x.shape), (-1,)), -1, o["axis"])


def _unit(o: Options, _w: Weights, inputs: Inputs, _masks: Inputs) -> Float:
    x = inputs[0]
    return np.asarray(x / np.maximum(np.sqrt((x * x).sum(tuple(o["axis"]), keepdims=True)), 1e-12))


def _normalization(o: Options, w: Weights, inputs: Inputs, _masks: Inputs) -> Float:
    """By a mean and a variance that the data gave beforehand; a deviation below 1e-7 counts as that."""
    x = inputs[0]
    given = (w["mean"], w["variance"]) if o["mean"] is None else (o["mean"], o["variance"])
    mean, variance = (np.asarray(v, np.float64) for v in given)
    axes = tuple(sorted(axis % x.ndim for axis in o["axis"]))
    mean, variance = (_along(v, axes[len(axes) - v.ndim :], x) for v in (mean, variance))
    deviation = np.maximum(np.sqrt(variance), 1e-7)
    return np.asarray(mean + x * deviation if o["invert"] else (x - mean) / deviation)


FUNCTIONS: Mapping[str, Function] = {
    "batch_normalization": _batch,
    "layer_normalization": _layer,
    "rms_normalization": _rms,
    "group_normalization": _group,
    "unit_normalization": _unit,
    "normalization": _normalization,
}
