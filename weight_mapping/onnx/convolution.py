"""Convolutions and pools as Keras pads them, over images (B, channels, *space) of sizes that may be open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from weight_mapping.onnx.tensor import Tensor
from weight_mapping.weights import Array


def padding_of(
    window: Sequence[int], strides: Sequence[int], dilation: Sequence[int], padding: str, pad_start: bool
) -> Mapping[str, Any]:
    """The operators' attributes. Same gives ceil(n / stride) places, with the odd cell at the end, or at the start with
    `pad_start`; with strides it depends on the size, which the operator looks at."""
    reach = [(k - 1) * d for k, d in zip(window, dilation, strict=True)]
    if padding == "causal":
        return {"pads": [*reach, *(0 for _ in reach)]}
    if padding == "valid":
        return {}
    if any(s > 1 for s in strides):
        return {"auto_pad": "SAME_LOWER" if pad_start else "SAME_UPPER"}
    before = [(n + pad_start) // 2 for n in reach]
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
    """The greatest, or the mean of the cells inside the image."""
    kind, more = ("MaxPool", {}) if op == "max" else ("AveragePool", {"count_include_pad": 0})
    around = padding_of(size, strides, (1,) * len(size), padding, pad_start)
    return x.graph.op(kind, x, kernel_shape=tuple(size), strides=tuple(strides), **more, **around)


def kernel_to_front(kernel: Array) -> Array:
    """Keras' (*window, in, out) as (out, in, *window)."""
    return kernel.transpose(kernel.ndim - 1, kernel.ndim - 2, *range(kernel.ndim - 2))
