"""The layers over images and sequences in PyTorch: convolutions, pools, padding and resizing, along one, two or three
axes of space. A function for each kind, as in `torch.plain`; how Keras pads is in `torch.convolution`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from weight_mapping.interpolation import middle, resizing
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
from weight_mapping.torch.plain_call import PlainCall

Function = Callable[[PlainCall], Tensor]


def _channels_first(compute: Callable[[Mapping[str, Any], Tensor], Tensor]) -> Function:
    """The layer's function, where `compute` takes its options and an image, and gives one, with the channels first."""

    def placed(c: PlainCall) -> Tensor:
        first = c.o["channels_first"]
        return channels_back(compute(c.o, channels_to_front(c.x, first)), first)

    return placed


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


def _pool(o: Mapping[str, Any], x: Tensor) -> Tensor:
    return pool(x, o["op"], **{name: o[name] for name in ("size", "strides", "padding", "pad_start")})


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


def _zero_padding(o: Mapping[str, Any], x: Tensor) -> Tensor:
    return pad(x, o["padding"])


def _cropping(o: Mapping[str, Any], x: Tensor) -> Tensor:
    return pad(x, [(-before, -after) for before, after in o["cropping"]])


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


def _adaptive_pool(o: Mapping[str, Any], x: Tensor) -> Tensor:
    pooled: Tensor = getattr(functional, f"adaptive_{o['op']}_pool{o['rank']}d")(x, tuple(o["size"]))
    return pooled


def _center_crop(o: Mapping[str, Any], x: Tensor) -> Tensor:
    windows = (slice(*window) for window in middle(x.shape[2:], o["size"]))
    return x[(slice(None), slice(None), *windows)]


FUNCTIONS: Mapping[str, Function] = {
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "depthwise_conv": _depthwise,
    "separable_conv": _separable,
    "local_conv": _local,
    "pool": _channels_first(_pool),
    "adaptive_pool": _channels_first(_adaptive_pool),
    "global_pool": _global_pool,
    "zero_padding": _channels_first(_zero_padding),
    "cropping": _channels_first(_cropping),
    "up_sampling": _up_sampling,
    "resize": lambda c: _resized(c, c.o["size"], c.o["interpolation"], c.o["antialias"]),
    "center_crop": _channels_first(_center_crop),
}
