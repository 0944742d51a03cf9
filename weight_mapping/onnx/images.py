"""Convolutions, poolings and the reshaping of sequences and images in ONNX, whose operators want channels first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from weight_mapping.errors import Unrepresentable
from weight_mapping.interpolation import even_windows, middle, resizing
from weight_mapping.onnx import functions as xp
from weight_mapping.onnx.activations import activated
from weight_mapping.onnx.convolution import convolve, kernel_to_front, pool
from weight_mapping.onnx.tensor import Tensor
from weight_mapping.weights import Array

Options = Mapping[str, Any]
Weights = Mapping[str, Array]
Compute = Callable[[Options, Weights, Tensor], Tensor]
Function = Callable[[Options, Weights, Sequence[Tensor], Sequence[Tensor | None]], Tensor]


def _channels_first(compute: Compute) -> Function:
    """The layer's function, where `compute` takes and returns images with the channels first."""

    def function(o: Options, w: Weights, inputs: Sequence[Tensor], _masks: Sequence[Tensor | None]) -> Tensor:
        if o["channels_first"]:
            return compute(o, w, inputs[0])
        return xp.moveaxis(compute(o, w, xp.moveaxis(inputs[0], -1, 1)), 1, -1)

    return function


def _activated(compute: Compute) -> Function:
    """The same, and the activation, on images as the layer has them."""
    images = _channels_first(compute)
    return lambda o, w, inputs, masks: activated(o["activation"], images(o, w, inputs, masks))


def _windowing(o: Options) -> dict[str, Any]:
    return {name: o[name] for name in ("strides", "dilation", "padding", "pad_start")}


def _conv(o: Options, w: Weights, x: Tensor) -> Tensor:
    return convolve(x, kernel_to_front(w["kernel"]), w.get("bias"), groups=o["groups"], **_windowing(o))


def _by_channel(o: Options, w: Weights, x: Tensor, bias: Array | None) -> Tensor:
    """Each input channel with its own kernels (*window, in, multiplier)."""
    kernel = w["depthwise_kernel"]
    *window, channels, _ = kernel.shape
    return convolve(x, kernel_to_front(kernel.reshape(*window, 1, -1)), bias, groups=channels, **_windowing(o))


def _separable(o: Options, w: Weights, x: Tensor) -> Tensor:
    once = (1,) * o["rank"]
    mixed, kernel = _by_channel(o, w, x, None), kernel_to_front(w["pointwise_kernel"])
    return convolve(mixed, kernel, w.get("bias"), strides=once, dilation=once, padding="valid", pad_start=False)


def _conv_transpose(o: Options, w: Weights, x: Tensor) -> Tensor:
    """The whole product, cut or filled with zeros to the size that Keras gives it: n stride for same, (n - 1) stride +
    max(window, stride) for valid; output_padding says otherwise."""
    kernel = x.graph.constant(kernel_to_front(w["kernel"]), "kernel")  # Keras' (*window, out, in) as (in, out, *window)
    whole = x.graph.op("ConvTranspose", x, kernel, strides=tuple(o["strides"]), dilations=tuple(o["dilation"]))
    more = o["output_padding"] or (None,) * o["rank"]
    windows = [(k - 1) * d + 1 for k, d in zip(o["kernel_size"], o["dilation"], strict=True)]
    sizes = zip(windows, o["strides"], more, strict=True)
    y = _padded(whole, [_missing(k, s, m, o["padding"], o["pad_start"]) for k, s, m in sizes])
    return y + w["bias"].reshape(-1, *(1,) * o["rank"]) if "bias" in w else y


def _missing(window: int, stride: int, more: int | None, padding: str, pad_start: bool) -> tuple[int, int]:
    """How many cells Keras has more than the whole transposed convolution at either side; negative: fewer."""
    if padding == "valid":
        return 0, max(window, stride) - window if more is None else more
    total = window - stride if more is None or pad_start else 2 * (window // 2) - more
    before = window // 2 if pad_start else max(total, 0) // 2
    return -before, before - total


def _padded(x: Tensor, around: Sequence[tuple[int, int]], value: float = 0.0) -> Tensor:
    """Cells around the axes of space; a negative number takes cells away."""
    if not any(before or after for before, after in around):
        return x
    pads = [0, 0, *(before for before, _ in around), 0, 0, *(after for _, after in around)]
    return x.graph.op("Pad", x, np.array(pads), np.asarray(value, x.dtype))


def _local(o: Options, w: Weights, inputs: Sequence[Tensor], _masks: Sequence[Tensor | None]) -> Tensor:
    """A convolution whose kernel (places, window, filters) is another at every place; the window's cells lie in the
    order of the image's axes. A convolution by ones and zeros lays the windows out."""
    first, once = o["channels_first"], (1,) * o["rank"]
    x = inputs[0] if first else xp.moveaxis(inputs[0], -1, 1)
    cells, filters = w["kernel"].shape[1:]
    window = (-1, *o["kernel_size"]) if first else (*o["kernel_size"], -1)
    picks = np.eye(cells).reshape(cells, *window)
    picks = picks if first else np.moveaxis(picks, -1, 1)
    seen = convolve(x, picks, None, strides=o["strides"], dilation=once, padding="valid", pad_start=False)
    places = seen.shape[2:]
    y = xp.einsum("bwp,pwf->bpf", seen.reshape(seen.shape[0], cells, -1), w["kernel"])
    y = y.reshape(y.shape[0], *places, filters)
    y = xp.moveaxis(y, -1, 1) if first else y
    if "bias" in w:  # channels first: (*places, filters) is read anew as (filters, *places), not turned
        y = y + (w["bias"].reshape(filters, *w["bias"].shape[:-1]) if first else w["bias"])
    return activated(o["activation"], y)


def _pool(o: Options, _w: Weights, x: Tensor) -> Tensor:
    return pool(x, o["op"], **{name: o[name] for name in ("size", "strides", "padding", "pad_start")})


def _global_pool(o: Options, _w: Weights, inputs: Sequence[Tensor], masks: Sequence[Tensor | None]) -> Tensor:
    """Over all space; the mean over time of a masked sequence counts the unmasked steps only."""
    x, axis = inputs[0], 1 if o["channels_first"] else inputs[0].ndim - 1
    over = tuple(n for n in range(1, x.ndim) if n != axis)
    if o["op"] == "max":
        return xp.amax(x, over, o["keepdims"])
    mask = masks[0] if masks else None
    if o["rank"] > 1 or mask is None:
        return xp.mean(x, over, o["keepdims"])
    counts = mask.astype(bool)[:, None] if axis == 1 else mask.astype(bool)[:, :, None]
    total = xp.sum(xp.where(counts, x, 0.0), over, o["keepdims"])
    return total / xp.sum(counts.floating(), over, o["keepdims"])


def _up_sampling(o: Options, _w: Weights, x: Tensor) -> Tensor:
    """Each cell repeated, or each new cell from the two whose centres lie around its own."""
    ways = {
        "nearest": {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
        "bilinear": {"mode": "linear", "coordinate_transformation_mode": "half_pixel"},
    }
    if o["interpolation"] not in ways:
        return _resized(x, [n * by for n, by in zip(_known(x), o["size"], strict=True)], o["interpolation"])
    scales = x.graph.constant([1.0, 1.0, *o["size"]], "scales", np.float32)
    sizes = (*x.sizes[:2], *(None if n is None else n * by for n, by in zip(x.sizes[2:], o["size"], strict=True)))
    types, way = [(x.dtype, sizes)], ways[o["interpolation"]]
    return x.graph.ops("Resize", x, None, scales, outputs=1, types=types, **way)[0]


def _known(x: Tensor) -> list[int]:
    """The sizes of space, which have to be settled here."""
    found = [n for n in x.sizes[2:] if n is not None]
    if len(found) < x.ndim - 2:
        raise Unrepresentable("an image of open size, resized")
    return found


def _resized(x: Tensor, sizes: Sequence[int], interpolation: str, antialias: bool = False) -> Tensor:
    for axis, (old, new) in enumerate(zip(_known(x), sizes, strict=True), start=2):
        x = xp.moveaxis(xp.moveaxis(x, axis, -1) @ resizing(interpolation, old, new, antialias).T, -1, axis)
    return x


def _adaptive_pool(o: Options, _w: Weights, x: Tensor) -> Tensor:
    """As many places as asked for, in windows as even as can be, which may overlap by a cell."""
    reduce = xp.amax if o["op"] == "max" else xp.mean
    for axis, (old, new) in enumerate(zip(_known(x), o["size"], strict=True), start=2):
        before = (slice(None),) * axis
        x = xp.concatenate([reduce(x[(*before, slice(*w))], axis, True) for w in even_windows(old, new)], axis)
    return x


def _center_crop(o: Options, _w: Weights, x: Tensor) -> Tensor:
    return x[(slice(None), slice(None), *(slice(*window) for window in middle(_known(x), o["size"])))]


FUNCTIONS: Mapping[str, Function] = {
    "conv": _activated(_conv),
    "conv_transpose": _activated(_conv_transpose),
    "depthwise_conv": _activated(lambda o, w, x: _by_channel(o, w, x, w.get("bias"))),
    "separable_conv": _activated(_separable),
    "local_conv": _local,
    "pool": _channels_first(_pool),
    "adaptive_pool": _channels_first(_adaptive_pool),
    "global_pool": _global_pool,
    "zero_padding": _channels_first(lambda o, w, x: _padded(x, o["padding"])),
    "cropping": _channels_first(lambda o, w, x: _padded(x, [(-a, -b) for a, b in o["cropping"]])),
    "up_sampling": _channels_first(_up_sampling),
    "resize": _channels_first(lambda o, w, x: _resized(x, o["size"], o["interpolation"], o["antialias"])),
    "center_crop": _channels_first(_center_crop),
}
