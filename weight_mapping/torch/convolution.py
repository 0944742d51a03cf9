"""Convolutions and pools as Keras pads them, over images (B, channels, *space).

Padding same needs ceil(n / stride) places; an odd total of it leaves its extra cell at the end. With `pad_start` half
a window lies before the first cell whatever the stride, as on Theano. Source: measured against Keras 1.2.2, 2.2.4 on
Theano (stride 1) and Keras 3.15 on TensorFlow; keras/backend/theano_backend.py for strides, pools and transposes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

_CONV: Any = (functional.conv1d, functional.conv2d, functional.conv3d)
_TRANSPOSED: Any = (functional.conv_transpose1d, functional.conv_transpose2d, functional.conv_transpose3d)
_POOL: Any = {
    "max": (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d),
    "avg": (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d),
}


def channels_to_front(x: Tensor, channels_first: bool, axis: int = 1) -> Tensor:
    return x if channels_first else x.movedim(-1, axis)


def channels_back(x: Tensor, channels_first: bool, axis: int = 1) -> Tensor:
    return x if channels_first else x.movedim(axis, -1)


def kernel_to_front(kernel: Tensor) -> Tensor:
    """Keras' (*kernel_size, in, out) as PyTorch's (out, in, *kernel_size)."""
    space = range(kernel.ndim - 2)
    return kernel.permute(kernel.ndim - 1, kernel.ndim - 2, *space)


def edges(
    padding: str,
    sizes: Sequence[int],
    window: Sequence[int],
    strides: Sequence[int],
    dilation: Sequence[int],
    *,
    pad_start: bool = False,
) -> list[tuple[int, int]]:
    """(before, after) for each axis of space; padding is valid, same or causal."""
    found: list[tuple[int, int]] = []
    for n, k, s, d in zip(sizes, window, strides, dilation, strict=True):
        reach = (k - 1) * d + 1
        if padding == "valid":
            found.append((0, 0))
        elif padding == "causal":
            found.append((reach - 1, 0))
        elif pad_start:
            found.append((reach // 2, reach - 1 - reach // 2))
        else:
            total = max((-(-n // s) - 1) * s + reach - n, 0)
            found.append((total // 2, total - total // 2))
    return found


def pad(x: Tensor, around: Sequence[tuple[int, int]], value: float = 0.0) -> Tensor:
    """Cells around the axes of space; a negative number takes cells away."""
    if not any(before or after for before, after in around):
        return x
    return functional.pad(x, [n for pair in reversed(around) for n in pair], value=value)


def convolve(
    x: Tensor,
    kernel: Tensor,
    bias: Tensor | None,
    *,
    strides: Sequence[int],
    padding: str,
    dilation: Sequence[int],
    groups: int = 1,
    pad_start: bool = False,
) -> Tensor:
    """`kernel` in PyTorch's order."""
    around = edges(padding, x.shape[2:], kernel.shape[2:], strides, dilation, pad_start=pad_start)
    function = _CONV[kernel.ndim - 3]
    result: Tensor = function(pad(x, around), kernel, bias, tuple(strides), 0, tuple(dilation), groups)
    return result


def convolve_transposed(
    x: Tensor,
    kernel: Tensor,
    bias: Tensor | None,
    *,
    strides: Sequence[int],
    padding: str,
    dilation: Sequence[int],
    output_padding: Sequence[int] | None = None,
    pad_start: bool = False,
) -> Tensor:
    """The gradient of a convolution with regard to its input; `kernel` is (in, out, *kernel_size).

    The whole product is cut, or filled with zeros, to the length that Keras gives it: n s for same, n s + max(k - s, 0)
    for valid, and with `output_padding` (n - 1) s + k + output_padding less what same takes off."""
    full: Tensor = _TRANSPOSED[kernel.ndim - 3](x, kernel, None, tuple(strides), 0, 0, 1, tuple(dilation))
    around: list[tuple[int, int]] = []
    extra: Sequence[int | None] = output_padding or [None] * len(strides)
    for n, k, s, d, more in zip(x.shape[2:], kernel.shape[2:], strides, dilation, extra, strict=True):
        reach = (k - 1) * d + 1
        whole = (n - 1) * s + reach
        if more is None:
            length = n * s if padding == "same" else n * s + max(reach - s, 0)
        else:
            length = whole + more - (2 * (reach // 2) if padding == "same" else 0)
        before = max(whole - length, 0) // 2 if padding == "same" else 0
        before = reach // 2 if padding == "same" and pad_start else before
        around.append((-before, length - whole + before))
    placed = pad(full, around)
    return placed if bias is None else placed + bias.reshape(-1, *(1,) * (x.ndim - 2))


def pool(
    x: Tensor, op: str, *, size: Sequence[int], strides: Sequence[int], padding: str, pad_start: bool = False
) -> Tensor:
    """Max, or the average over the cells inside the image. With `pad_start` a pool begins a whole window before the
    first cell that it must see, two cells less where the window is odd."""
    around = edges(padding, x.shape[2:], size, strides, (1,) * len(size))
    if padding == "same" and pad_start:
        around = [(k - 2, 1) if k > 2 and k % 2 else (k - 1, 0) for k in size]
    function = _POOL[op][len(size) - 1]
    lowest = float("-inf") if op == "max" else 0.0
    pooled: Tensor = function(pad(x, around, lowest), tuple(size), tuple(strides))
    if op == "max" or pad(x, around) is x:
        return pooled
    inside: Tensor = function(pad(torch.ones_like(x[:1, :1]), around), tuple(size), tuple(strides))
    return pooled / inside
