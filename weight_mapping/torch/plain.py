"""The layers around the recurrent ones in PyTorch: one function for each kind of `weight_mapping.plain.KINDS`.

A function takes the layer's call: its parameters under Keras' names and in Keras' orientation, its options, the inputs
and their masks. Data stays in Keras' order of axes; what PyTorch wants otherwise is turned inside.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from weight_mapping.activations import activation
from weight_mapping.errors import WeightsMismatch
from weight_mapping.interpolation import middle, resizing
from weight_mapping.plain import KINDS, weight_shapes
from weight_mapping.spec import Plain
from weight_mapping.torch import arrays, noise, normalisation
from weight_mapping.torch.attention import attention, multi_head_attention
from weight_mapping.torch.convolution import (
    channels_back,
    channels_to_front,
    convolve,
    convolve_transposed,
    kernel_to_front,
    pad,
    pool,
)
from weight_mapping.torch.functions import function
from weight_mapping.weights import Array

STATISTICS = {"moving_mean", "moving_variance", "mean", "variance", "count"}
"""Weights that no gradient moves: buffers of the module."""
_SOFTPLUS = activation("softplus")


@dataclass(frozen=True, slots=True)
class PlainCall:
    """One call: parameters and options by name, inputs, their masks."""

    p: Mapping[str, Tensor]
    o: Mapping[str, Any]
    inputs: Sequence[Tensor]
    masks: Sequence[Tensor | None]
    training: bool

    @property
    def x(self) -> Tensor:
        return self.inputs[0]

    @property
    def mask(self) -> Tensor | None:
        return self.masks[0] if self.masks else None


class PlainLayer(nn.Module):
    """One layer with its weights; `forward(inputs, masks)` gives its output."""

    def __init__(
        self, layer: Plain, weights: Mapping[str, Array], dtype: torch.dtype | None = None, where: str = "layer"
    ) -> None:
        super().__init__()
        if weights.keys() != weight_shapes(layer).keys():
            what, expected = f"{layer.kind} has other weights", list(weight_shapes(layer))
            raise WeightsMismatch(what, where=where, found=sorted(weights), expected=expected)
        self.layer = layer
        for name, array in weights.items():
            if name in STATISTICS:
                self.register_buffer(name, arrays.tensor(array, dtype))
            else:
                self.register_parameter(name, arrays.parameter(array, dtype))

    def weights(self) -> dict[str, Tensor]:
        """Parameters and statistics in Keras' order."""
        found = {**dict(self.named_parameters()), **dict(self.named_buffers())}
        return {name: found[name] for name in weight_shapes(self.layer)}

    def forward(self, inputs: Sequence[Tensor], masks: Sequence[Tensor | None] = ()) -> Tensor:
        if KINDS[self.layer.kind].training_only and not self.training:
            return inputs[0]
        call = PlainCall(p=self.weights(), o=self.layer.options, inputs=inputs, masks=masks, training=self.training)
        return FUNCTIONS[self.layer.kind](call)

    def extra_repr(self) -> str:
        return self.layer.kind


def _dense(c: PlainCall) -> Tensor:
    return function(c.o["activation"])(functional.linear(c.x, c.p["kernel"].t(), c.p.get("bias")))


def _embedding(c: PlainCall) -> Tensor:
    return functional.embedding(c.x.long(), c.p["embeddings"])


def _masking(c: PlainCall) -> Tensor:
    counts: Tensor = (c.x != c.o["mask_value"]).any(-1, keepdim=True)
    return c.x * counts


def _activation(c: PlainCall) -> Tensor:
    return function(c.o["activation"])(c.x)


def _prelu(c: PlainCall) -> Tensor:
    return torch.relu(c.x) - c.p["alpha"] * torch.relu(-c.x)


def _srelu(c: PlainCall) -> Tensor:
    left, right = c.p["t_left"], c.p["t_left"] + c.p["t_right"].abs()
    outside = c.p["a_right"] * torch.relu(c.x - right) - c.p["a_left"] * torch.relu(left - c.x)
    return torch.minimum(torch.maximum(c.x, left), right) + outside


def _flatten(c: PlainCall) -> Tensor:
    x = c.x.movedim(1, -1) if c.o["channels_first"] and c.x.ndim > 2 else c.x
    return x.reshape(x.shape[0], -1)


def _concatenate(c: PlainCall) -> Tensor:
    return torch.cat(list(c.inputs), c.o["axis"])


def _fold(combine: Callable[[Tensor, Tensor], Tensor]) -> Callable[[PlainCall], Tensor]:
    """Of several inputs; one with fewer axes gets new ones behind the batch axis."""

    def merged(c: PlainCall) -> Tensor:
        ndim = max(x.ndim for x in c.inputs)
        return reduce(combine, [_with_axes(x, ndim) for x in c.inputs])

    return merged


def _with_axes(x: Tensor, ndim: int) -> Tensor:
    return x if x.ndim == ndim else x.reshape(x.shape[0], *(1,) * (ndim - x.ndim), *x.shape[1:])


_SUM = _fold(torch.add)


def _product(x: Tensor, y: Tensor, axes: int | tuple[int, int], normalize: bool = False) -> Tensor:
    """The product over one axis of each input, batch by batch; two vectors give (B, 1)."""
    first, second = (axes, axes) if isinstance(axes, int) else axes
    if normalize:
        x, y = (functional.normalize(v, dim=axis, eps=1e-6) for v, axis in ((x, first), (y, second)))
    x, y = x.movedim(first, -1), y.movedim(second, 1)
    product = x.reshape(x.shape[0], -1, x.shape[-1]) @ y.reshape(y.shape[0], y.shape[1], -1)
    return product.reshape(x.shape[0], *(*x.shape[1:-1], *y.shape[2:]) or (1,))


def _cosine(c: PlainCall) -> Tensor:
    (x, y), axes = c.inputs, c.o["axes"]
    own = torch.sqrt(_product(x, x, axes) * _product(y, y, axes))
    return (_product(x, y, axes) / own.clamp(min=1e-7)).unsqueeze(1)


def _finish(c: PlainCall, images: Tensor) -> Tensor:
    return function(c.o["activation"])(channels_back(images, c.o["channels_first"]))


def _geometry(o: Mapping[str, Any]) -> dict[str, Any]:
    return {name: o[name] for name in ("strides", "padding", "dilation", "pad_start")}


def _conv(c: PlainCall) -> Tensor:
    x, kernel = channels_to_front(c.x, c.o["channels_first"]), kernel_to_front(c.p["kernel"])
    return _finish(c, convolve(x, kernel, c.p.get("bias"), groups=c.o["groups"], **_geometry(c.o)))


def _conv_transpose(c: PlainCall) -> Tensor:
    # Keras' kernel (*size, out, in) becomes (in, out, *size): the same move as for a plain convolution.
    x, kernel = channels_to_front(c.x, c.o["channels_first"]), kernel_to_front(c.p["kernel"])
    o = {**_geometry(c.o), "output_padding": c.o["output_padding"]}
    return _finish(c, convolve_transposed(x, kernel, c.p.get("bias"), **o))


def _by_channel(c: PlainCall, bias: Tensor | None) -> Tensor:
    """Each channel convolved with its own `depth_multiplier` kernels."""
    kernel = c.p["depthwise_kernel"]
    *size, channels, multiplier = kernel.shape
    space = range(len(size))
    weight = kernel.permute(len(size), len(size) + 1, *space).reshape(channels * multiplier, 1, *size)
    x = channels_to_front(c.x, c.o["channels_first"])
    return convolve(x, weight, bias, groups=channels, **_geometry(c.o))


def _depthwise(c: PlainCall) -> Tensor:
    return _finish(c, _by_channel(c, c.p.get("bias")))


def _separable(c: PlainCall) -> Tensor:
    point, ones = kernel_to_front(c.p["pointwise_kernel"]), (1,) * c.o["rank"]
    mixed = convolve(_by_channel(c, None), point, c.p.get("bias"), strides=ones, padding="valid", dilation=ones)
    return _finish(c, mixed)


def _local(c: PlainCall) -> Tensor:
    """A kernel of its own at every place."""
    first, rank = c.o["channels_first"], c.o["rank"]
    seen = channels_to_front(c.x, first)
    for axis, (size, step) in enumerate(zip(c.o["kernel_size"], c.o["strides"], strict=True), start=2):
        seen = seen.unfold(axis, size, step)  # (B, c, *places, *window)
    places, window = tuple(seen.shape[2 : rank + 2]), tuple(range(rank + 2, 2 * rank + 2))
    seen = seen.permute(0, *range(2, rank + 2), *((1, *window) if first else (*window, 1)))
    y = torch.einsum("bpw,pwf->bpf", seen.reshape(seen.shape[0], math.prod(places), -1), c.p["kernel"])
    y = y.reshape(y.shape[0], *places, y.shape[-1])
    y = y.movedim(-1, 1) if first else y
    # Channels first: Keras reads the bias (*places, filters) anew as (filters, *places), it does not turn it.
    return function(c.o["activation"])(y + c.p["bias"].reshape(y.shape[1:]) if "bias" in c.p else y)


def _pool(c: PlainCall) -> Tensor:
    x, first = channels_to_front(c.x, c.o["channels_first"]), c.o["channels_first"]
    o = {name: c.o[name] for name in ("size", "strides", "padding", "pad_start")}
    return channels_back(pool(x, c.o["op"], **o), first)


def _global_pool(c: PlainCall) -> Tensor:
    """Max or mean over space; a mean over time leaves out the steps that a mask does."""
    first, rank = c.o["channels_first"], c.o["rank"]
    axes = tuple(range(2, rank + 2)) if first else tuple(range(1, rank + 1))
    if c.o["op"] == "max":
        return c.x.amax(axes, keepdim=c.o["keepdims"])
    if rank == 1 and c.mask is not None:
        weights = c.mask.to(c.x.dtype).unsqueeze(1 if first else 2)
        return (c.x * weights).sum(axes, keepdim=c.o["keepdims"]) / weights.sum(axes, keepdim=c.o["keepdims"])
    return c.x.mean(axes, keepdim=c.o["keepdims"])


def _around(sign: int, option: str) -> Callable[[PlainCall], Tensor]:
    def placed(c: PlainCall) -> Tensor:
        cells = [(sign * before, sign * after) for before, after in c.o[option]]
        first = c.o["channels_first"]
        return channels_back(pad(channels_to_front(c.x, first), cells), first)

    return placed


def _up_sampling(c: PlainCall) -> Tensor:
    first, size = c.o["channels_first"], c.o["size"]
    if c.o["interpolation"] == "bilinear":
        x = channels_to_front(c.x, first)
        wanted = [n * times for n, times in zip(x.shape[2:], size, strict=True)]
        return channels_back(functional.interpolate(x, wanted, mode="bilinear", align_corners=False), first)
    if c.o["interpolation"] != "nearest":
        sizes = c.x.shape[2:] if first else c.x.shape[1:-1]
        return _resized(c, [n * times for n, times in zip(sizes, size, strict=True)], c.o["interpolation"])
    x = c.x
    for axis, times in enumerate(size, start=2 if first else 1):
        x = x.repeat_interleave(times, axis)
    return x


def _resized(c: PlainCall, sizes: Sequence[int], interpolation: str, antialias: bool = False) -> Tensor:
    x = c.x
    for axis, wanted in enumerate(sizes, start=2 if c.o["channels_first"] else 1):
        shares = resizing(interpolation, x.shape[axis], wanted, antialias)
        x = (x.movedim(axis, -1) @ torch.as_tensor(shares.T, dtype=x.dtype, device=x.device)).movedim(-1, axis)
    return x


def _adaptive_pool(c: PlainCall) -> Tensor:
    x, first = channels_to_front(c.x, c.o["channels_first"]), c.o["channels_first"]
    pool = getattr(functional, f"adaptive_{c.o['op']}_pool{c.o['rank']}d")
    return channels_back(pool(x, tuple(c.o["size"])), first)


def _center_crop(c: PlainCall) -> Tensor:
    x, first = channels_to_front(c.x, c.o["channels_first"]), c.o["channels_first"]
    windows = (slice(*window) for window in middle(x.shape[2:], c.o["size"]))
    return channels_back(x[(slice(None), slice(None), *windows)], first)


def _einsum(c: PlainCall) -> Tensor:
    y = torch.einsum(c.o["equation"], c.x, c.p["kernel"])
    return function(c.o["activation"])(y + c.p["bias"] if "bias" in c.p else y)


def _highway(c: PlainCall) -> Tensor:
    carry = torch.sigmoid(functional.linear(c.x, c.p["carry_kernel"].t(), c.p.get("carry_bias")))
    changed = function(c.o["activation"])(functional.linear(c.x, c.p["kernel"].t(), c.p.get("bias")))
    return torch.lerp(c.x, changed, carry)


def _maxout(c: PlainCall) -> Tensor:
    pieces = torch.einsum("...i,fiu->...fu", c.x, c.p["kernel"])
    return (pieces + c.p["bias"] if "bias" in c.p else pieces).amax(-2)


FUNCTIONS: dict[str, Callable[[PlainCall], Tensor]] = {
    "dense": _dense,
    "embedding": _embedding,
    "masking": _masking,
    "identity": lambda c: c.x,
    "dropout": lambda c: noise.dropout(c.x, c.o["rate"], c.o["noise_shape"]),
    "spatial_dropout": lambda c: noise.spatial_dropout(c.x, c.o["rate"], c.o["rank"], c.o["channels_first"]),
    "gaussian_dropout": lambda c: noise.gaussian_dropout(c.x, c.o["rate"]),
    "gaussian_noise": lambda c: noise.gaussian_noise(c.x, c.o["stddev"]),
    "alpha_dropout": lambda c: noise.alpha_dropout(c.x, c.o["rate"]),
    "activation": _activation,
    "prelu": _prelu,
    "srelu": _srelu,
    "parametric_softplus": lambda c: c.p["alphas"] * function(_SOFTPLUS)(c.p["betas"] * c.x),
    "flatten": _flatten,
    "reshape": lambda c: c.x.reshape(c.x.shape[0], *c.o["target_shape"]),
    "permute": lambda c: c.x.permute(0, *c.o["dims"]),
    "repeat_vector": lambda c: c.x.unsqueeze(1).expand(-1, c.o["n"], -1),
    "concatenate": _concatenate,
    "add": _SUM,
    "subtract": _fold(torch.sub),
    "multiply": _fold(torch.mul),
    "average": lambda c: _SUM(c) / len(c.inputs),
    "maximum": _fold(torch.maximum),
    "minimum": _fold(torch.minimum),
    "dot": lambda c: _product(c.inputs[0], c.inputs[1], c.o["axes"], c.o["normalize"]),
    "cosine": _cosine,
    "batch_normalization": lambda c: normalisation.batch_normalization(c.p, c.o, c.x, c.mask, c.training),
    "layer_normalization": lambda c: normalisation.layer_normalization(c.p, c.o, c.x),
    "rms_normalization": lambda c: normalisation.rms_normalization(c.p, c.o, c.x),
    "group_normalization": lambda c: normalisation.group_normalization(c.p, c.o, c.x),
    "unit_normalization": lambda c: normalisation.unit_normalization(c.o, c.x),
    "normalization": lambda c: normalisation.normalization(c.p, c.o, c.x),
    "rescaling": lambda c: c.x * _like(c.o["scale"], c.x) + _like(c.o["offset"], c.x),
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "depthwise_conv": _depthwise,
    "separable_conv": _separable,
    "local_conv": _local,
    "pool": _pool,
    "adaptive_pool": _adaptive_pool,
    "global_pool": _global_pool,
    "zero_padding": _around(1, "padding"),
    "cropping": _around(-1, "cropping"),
    "up_sampling": _up_sampling,
    "resize": lambda c: _resized(c, c.o["size"], c.o["interpolation"], c.o["antialias"]),
    "center_crop": _center_crop,
    "attention": lambda c: attention(c.p, c.o, c.inputs, c.masks, c.training),
    "multi_head_attention": lambda c: multi_head_attention(c.p, c.o, c.inputs, c.masks, c.training),
    "einsum_dense": _einsum,
    "highway": _highway,
    "maxout_dense": _maxout,
}


def _like(value: Any, x: Tensor) -> Tensor | float:
    """A number, or an array of numbers that broadcasts over the last axis."""
    return float(value) if isinstance(value, int | float) else torch.as_tensor(value, dtype=x.dtype, device=x.device)
