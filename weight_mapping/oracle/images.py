"""Convolutions, pooling and the reshaping of sequences and images, for one, two and three spatial axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from weight_mapping.interpolation import even_windows, middle, resizing
from weight_mapping.oracle.convolution import convolve, padded, pads, spread, windows
from weight_mapping.oracle.trace import Float

Options = Mapping[str, Any]
Weights = Mapping[str, Float]
Inputs = Sequence[Any]
Function = Callable[[Options, Weights, Inputs, Inputs], Float]


def _channels_last(compute: Callable[[Options, Weights, Float], Float]) -> Function:
    """The layer's function, where `compute` takes and returns images with the channels last."""

    def function(o: Options, w: Weights, inputs: Inputs, _masks: Inputs) -> Float:
        if not o["channels_first"]:
            return compute(o, w, inputs[0])
        return np.moveaxis(compute(o, w, np.moveaxis(inputs[0], 1, -1)), -1, 1)

    return function


def _activated(o: Options, w: Weights, y: Float) -> Float:
    return np.asarray(o["activation"].function(y + w["bias"] if o["use_bias"] else y))


def _windowing(o: Options) -> dict[str, Any]:
    return {name: o[name] for name in ("strides", "dilation", "padding", "pad_start")}


def _conv(o: Options, w: Weights, x: Float) -> Float:
    return _activated(o, w, convolve(x, w["kernel"], groups=o["groups"], **_windowing(o)))


def _by_channel(o: Options, w: Weights, x: Float) -> Float:
    """Each input channel with its own kernels (*window, in, multiplier)."""
    kernel = w["depthwise_kernel"]
    return convolve(x, kernel.reshape(*kernel.shape[:-2], 1, -1), groups=x.shape[-1], **_windowing(o))


def _depthwise(o: Options, w: Weights, x: Float) -> Float:
    return _activated(o, w, _by_channel(o, w, x))


def _separable(o: Options, w: Weights, x: Float) -> Float:
    pointwise = w["pointwise_kernel"]
    return _activated(o, w, _by_channel(o, w, x) @ pointwise.reshape(pointwise.shape[-2:]))


def _conv_transpose(o: Options, w: Weights, x: Float) -> Float:
    """Keras' sizes: same gives n stride, valid (n - 1) stride + max(window, stride); output_padding says otherwise."""
    y = spread(x, w["kernel"], o["strides"], o["dilation"])
    more = o["output_padding"] or [None] * o["rank"]
    cuts = [
        _cut((k - 1) * d + 1, s, o["padding"], more[axis], o["pad_start"])
        for axis, (k, s, d) in enumerate(zip(o["kernel_size"], o["strides"], o["dilation"], strict=True))
    ]
    y = padded(y, [(max(-before, 0), max(-after, 0)) for before, after in cuts])
    kept = (slice(max(a, 0), n - max(b, 0)) for (a, b), n in zip(cuts, y.shape[1:-1], strict=True))
    return _activated(o, w, y[(slice(None), *kept)])


def _cut(window: int, stride: int, padding: str, more: int | None, half: bool) -> tuple[int, int]:
    """How many cells of the whole transposed convolution fall away at either side; negative: zeros are added. `half`:
    as a convolution gains them on Theano."""
    if half and padding == "same":
        return window // 2, window - stride - window // 2
    if padding == "valid":
        return 0, -(max(window, stride) - window if more is None else more)
    total = stride + window - 2 if more is None else window + window % 2 - 2 + more
    left = min((total + 1) // 2, window - 1)
    return window - 1 - left, window - 1 - (total - left)


def _local(o: Options, w: Weights, inputs: Inputs, _masks: Inputs) -> Float:
    """A convolution whose kernel is another at every place; the window's cells lie in the order of the image's axes.
    Source: tf_keras, `local_conv` of its backend."""
    rank, first = o["rank"], o["channels_first"]
    x = np.moveaxis(inputs[0], 1, -1) if first else inputs[0]
    seen = windows(x, o["kernel_size"], o["strides"], (1,) * rank)
    seen = seen if first else np.moveaxis(seen, rank + 1, -1)
    places = seen.shape[1 : rank + 1]
    y = np.einsum("bpw,pwf->bpf", seen.reshape(len(x), int(np.prod(places)), -1), w["kernel"])
    y = y.reshape(len(x), *places, -1)
    y = np.moveaxis(y, -1, 1) if first else y
    # Channels first: the bias (*places, filters) is read anew as (filters, *places), not turned.
    return _activated(o, {"bias": w["bias"].reshape(y.shape[1:])} if "bias" in w else w, y)


def _pool(o: Options, _w: Weights, x: Float) -> Float:
    """The greatest, or the mean of the cells inside: padding never counts."""
    size, once = o["size"], (1,) * o["rank"]
    around = pads(x.shape[1:-1], size, o["strides"], once, o["padding"], False)
    if o["padding"] == "same" and o["pad_start"]:  # Theano's pools begin further out than its convolutions
        around = [(k - 1 - (k > 2 and k % 2), int(k > 2 and k % 2)) for k in size]
    over = tuple(range(-o["rank"], 0))
    if o["op"] == "max":
        return np.asarray(windows(padded(x, around, -np.inf), size, o["strides"], once).max(over))
    cells = windows(padded(np.ones_like(x), around), size, o["strides"], once).sum(over)
    return np.asarray(windows(padded(x, around), size, o["strides"], once).sum(over) / cells)


def global_pool(o: Options, _w: Weights, inputs: Inputs, masks: Inputs) -> Float:
    """Over all space; the mean over time of a masked sequence counts the unmasked steps only."""
    x, axis = inputs[0], 1 if o["channels_first"] else -1
    over = tuple(n for n in range(1, x.ndim) if n != axis % x.ndim)
    if o["op"] == "max":
        return np.asarray(x.max(over, keepdims=o["keepdims"]))
    if o["rank"] > 1 or not masks or masks[0] is None:
        return np.asarray(x.mean(over, keepdims=o["keepdims"]))
    counts = np.expand_dims(np.asarray(masks[0], bool), axis)
    total = np.where(counts, x, 0).sum(over, keepdims=o["keepdims"])
    return np.asarray(total / counts.sum(over, keepdims=o["keepdims"]))


def _zero_padding(o: Options, _w: Weights, x: Float) -> Float:
    return padded(x, [tuple(pair) for pair in o["padding"]])


def _cropping(o: Options, _w: Weights, x: Float) -> Float:
    inner = (slice(a, n - b) for (a, b), n in zip(o["cropping"], x.shape[1:-1], strict=True))
    return x[(slice(None), *inner)]


def _adaptive_pool(o: Options, _w: Weights, x: Float) -> Float:
    """As many places as asked for, in windows as even as can be, which may overlap by a cell."""
    for axis, wanted in enumerate(o["size"], start=1):
        parts = [x.take(range(*window), axis) for window in even_windows(x.shape[axis], wanted)]
        x = np.stack([p.max(axis) if o["op"] == "max" else p.mean(axis) for p in parts], axis)
    return x


def _up_sampling(o: Options, _w: Weights, x: Float) -> Float:
    return _resized(x, [n * by for n, by in zip(x.shape[1:-1], o["size"], strict=True)], o["interpolation"])


def _resize(o: Options, _w: Weights, x: Float) -> Float:
    return _resized(x, o["size"], o["interpolation"], o["antialias"])


def _resized(x: Float, sizes: Sequence[int], interpolation: str, antialias: bool = False) -> Float:
    for axis, wanted in enumerate(sizes, start=1):
        shares = resizing(interpolation, x.shape[axis], wanted, antialias)
        x = np.moveaxis(np.moveaxis(x, axis, -1) @ shares.T, -1, axis)
    return x


def _center_crop(o: Options, _w: Weights, x: Float) -> Float:
    return x[(slice(None), *(slice(*window) for window in middle(x.shape[1:-1], o["size"])))]


FUNCTIONS: Mapping[str, Function] = {
    "conv": _channels_last(_conv),
    "conv_transpose": _channels_last(_conv_transpose),
    "depthwise_conv": _channels_last(_depthwise),
    "separable_conv": _channels_last(_separable),
    "local_conv": _local,
    "pool": _channels_last(_pool),
    "adaptive_pool": _channels_last(_adaptive_pool),
    "global_pool": global_pool,
    "zero_padding": _channels_last(_zero_padding),
    "cropping": _channels_last(_cropping),
    "up_sampling": _channels_last(_up_sampling),
    "resize": _channels_last(_resize),
    "center_crop": _channels_last(_center_crop),
}
