"""Normalising layers. Source: the layers of Keras 3.15 in normalization/ and preprocessing/normalization.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

Parameters = Mapping[str, Tensor]
Options = Mapping[str, Any]
_SMALLEST = 1e-7  # keras.config.epsilon()


def batch_normalization(p: Parameters, o: Options, x: Tensor, mask: Tensor | None, training: bool) -> Tensor:
    """In training the batch's moments, of the steps that count, and the moving ones drawn towards them by
    1 - momentum; the variance is the biased one."""
    axes = [n for n in range(x.ndim) if n != o["axis"] % x.ndim]
    mean, variance = p["moving_mean"], p["moving_variance"]
    if training:
        mean, variance = _moments(x, axes, mask)
        with torch.no_grad():
            p["moving_mean"].lerp_(mean, 1 - o["momentum"])
            p["moving_variance"].lerp_(variance, 1 - o["momentum"])
    shape = [n if axis not in axes else 1 for axis, n in enumerate(x.shape)]
    scaled = (x - mean.reshape(shape)) * torch.rsqrt(variance + o["epsilon"]).reshape(shape)
    return _affine(p, scaled, shape)


def _moments(x: Tensor, axes: list[int], mask: Tensor | None) -> tuple[Tensor, Tensor]:
    if mask is None:
        return x.mean(axes), x.var(axes, correction=0)
    weights = mask.to(x.dtype).unsqueeze(-1).expand_as(x)
    count = weights.sum(axes, keepdim=True)
    mean = (x * weights).sum(axes, keepdim=True) / (count + _SMALLEST)
    variance = ((x - mean) ** 2 * weights).sum(axes, keepdim=True) / (count + _SMALLEST)
    return mean.flatten(), variance.flatten()


def _affine(p: Parameters, x: Tensor, shape: Sequence[int]) -> Tensor:
    x = x * p["gamma"].reshape(shape) if "gamma" in p else x
    return x + p["beta"].reshape(shape) if "beta" in p else x


def layer_normalization(p: Parameters, o: Options, x: Tensor) -> Tensor:
    """`rms`: nothing is taken off, and yet the divisor is the deviation, not the root of the mean square, as Keras 3's
    `rms_scaling` has it."""
    axes = sorted(axis % x.ndim for axis in o["axis"])
    shape = [n if axis in axes else 1 for axis, n in enumerate(x.shape)]
    variance, mean = torch.var_mean(x, axes, correction=0, keepdim=True)
    centred = x if o["rms"] else x - mean
    return _affine(p, centred * torch.rsqrt(variance + o["epsilon"]), shape)


def rms_normalization(p: Parameters, o: Options, x: Tensor) -> Tensor:
    """By the root of the mean square."""
    axes = sorted(axis % x.ndim for axis in o["axis"])
    shape = [n if axis in axes else 1 for axis, n in enumerate(x.shape)]
    return x * torch.rsqrt((x * x).mean(axes, keepdim=True) + o["epsilon"]) * p["scale"].reshape(shape)


def group_normalization(p: Parameters, o: Options, x: Tensor) -> Tensor:
    """Groups of channels; groups = -1 is one a channel."""
    axis = o["axis"] % x.ndim
    first = x.movedim(axis, 1)
    groups = first.shape[1] if o["groups"] == -1 else o["groups"]
    normal = functional.group_norm(first, groups, p.get("gamma"), p.get("beta"), o["epsilon"])
    return normal.movedim(1, axis)


def unit_normalization(o: Options, x: Tensor) -> Tensor:
    axes = o["axis"] if isinstance(o["axis"], Sequence) else (o["axis"],)
    return functional.normalize(x, dim=tuple(axes), eps=1e-12)  # type: ignore[arg-type]


def normalization(p: Parameters, o: Options, x: Tensor) -> Tensor:
    """By the mean and variance that the layer was adapted to, or was given."""
    axes = () if o["axis"] is None else o["axis"] if isinstance(o["axis"], Sequence) else (o["axis"],)
    kept = {axis % x.ndim for axis in axes}
    shape = [n if axis in kept else 1 for axis, n in enumerate(x.shape)]
    mean, variance = (_given(p, o, name, x, shape) for name in ("mean", "variance"))
    deviation = variance.sqrt().clamp(min=_SMALLEST)
    return mean + x * deviation if o["invert"] else (x - mean) / deviation


def _given(p: Parameters, o: Options, name: str, x: Tensor, shape: Sequence[int]) -> Tensor:
    value = p[name] if name in p else torch.as_tensor(o[name], dtype=x.dtype, device=x.device)
    return value if value.ndim == 0 else value.to(x.dtype).reshape(shape if value.numel() > 1 else ())
