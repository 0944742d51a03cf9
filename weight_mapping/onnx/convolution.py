"""Convolutions and pools as Keras pads them, over images (B, channels, *space) of sizes that may be open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from weight_mapping.onnx.tensor import Tensor
from weight_mapping.weights import Array


def padding_of(
    window: Sequence[int], strides: Sequence[int], dilation: Sequence[int], padding: str, pad_start: bool
) -> Mapping[str, Any]:
    """The operators' attributes. Same gives ceil(n / stride) places, with the odd cell at the end: with strides that
    depends on the size, which the operator looks at. With `pad_start` half a window lies before the first cell."""
    reach = [(k - 1) * d for k, d in zip(window, dilation, strict=True)]
    if padding == "valid":
        return {}
    if padding == "same" and not pad_start and any(s > 1 for s in strides):
        return {"auto_pad": "SAME_UPPER"}
    before = reach if padding == "causal" else [(n + pad_start) // 2 for n in reach]
    return {"pads": [*before, *(n - b for n, b in zip(reach, before, strict=True))]}


def convolve(
    x: Tensor, kernel: Array, bias: Array | None, *, strides: Sequence[int], dilation: Sequence[int], padding: str,
    pad_start: bool, groups: int = 1,
) -> Tensor:  # fmt: skip
    """`kernel` in ONNX's order (out, in / groups, *window)."""
    g, window = x.graph, kernel.shape[2:]
    return g.op(
        "Conv", x, g.constant(kernel, "kernel"), None if bias is None else g.constant(bias, "bias"),
        kernel_shape=window, strides=tuple(strides), dilations=tuple(dilation), group=groups,
        **padding_of(window, strides, dilation, padding, pad_start),
    )  # fmt: skip


def pool(x: Tensor, op: str, *, size: Sequence[int], strides: Sequence[int], padding: str, pad_start: bool) -> Tensor:
    """The greatest, or the mean of the cells inside the image. With `pad_start` it begins a whole window before the
    first cell that it must see, two cells less where the window is odd."""
    kind, more = ("MaxPool", {}) if op == "max" else ("AveragePool", {"count_include_pad": 0})
    around = padding_of(size, strides, (1,) * len(size), padding, pad_start)
    if padding == "same" and pad_start:
        after = [int(k > 2 and k % 2) for k in size]
        around = {"pads": [*(k - 1 - n for k, n in zip(size, after, strict=True)), *after]}
    return x.graph.op(kind, x, kernel_shape=tuple(size), strides=tuple(strides), **more, **around)


def kernel_to_front(kernel: Array) -> Array:
    """Keras' (*window, in, out) as (out, in, *window)."""
    return kernel.transpose(kernel.ndim - 1, kernel.ndim - 2, *range(kernel.ndim - 2))
