"""Convolution as a sum over windows, for any number of spatial axes, channels last; no kernel is flipped."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from weight_mapping.oracle.trace import Float

Pads = list[tuple[int, int]]


def pads(
    sizes: Sequence[int],
    window: Sequence[int],
    strides: Sequence[int],
    dilation: Sequence[int],
    padding: str,
    pad_start: bool,
) -> Pads:
    """How many cells each spatial axis gains before and after. same gives ceil(size / stride) windows, an odd cell more
    at the end; with `pad_start` half a window lies before the first cell, whatever the stride (Theano's `half`). causal
    gains all at the start; valid none."""
    found: Pads = []
    for n, k, s, d in zip(sizes, window, strides, dilation, strict=True):
        reach = (k - 1) * d
        if padding == "same" and pad_start:
            found.append(((reach + 1) // 2, reach - (reach + 1) // 2))
            continue
        total = {"valid": 0, "causal": reach, "same": max((math.ceil(n / s) - 1) * s + reach + 1 - n, 0)}[padding]
        before = total if padding == "causal" else total // 2
        found.append((before, total - before))
    return found


def padded(x: Float, amounts: Pads, value: float = 0.0) -> Float:
    """(B, *space, c) with the cells of `amounts` around its spatial axes."""
    return np.pad(x, [(0, 0), *amounts, (0, 0)], constant_values=value)


def windows(x: Float, window: Sequence[int], strides: Sequence[int], dilation: Sequence[int]) -> Float:
    """(B, *positions, c, *window): what each place of the window sees, as a view of x (B, *space, c)."""
    rank = len(window)
    reach = tuple((k - 1) * d + 1 for k, d in zip(window, dilation, strict=True))
    seen = np.lib.stride_tricks.sliding_window_view(x, reach, axis=tuple(range(1, rank + 1)))
    positions = tuple(slice(None, None, s) for s in strides)
    return seen[(slice(None), *positions, slice(None), *(slice(None, None, d) for d in dilation))]


def convolve(
    x: Float,
    kernel: Float,
    *,
    strides: Sequence[int],
    dilation: Sequence[int],
    padding: str,
    pad_start: bool = False,
    groups: int = 1,
) -> Float:
    """x (B, *space, in) with the kernel (*window, in / groups, out): (B, *positions, out)."""
    rank, inputs, outputs = kernel.ndim - 2, kernel.shape[-2], kernel.shape[-1] // groups
    amounts = pads(x.shape[1:-1], kernel.shape[:rank], strides, dilation, padding, pad_start)
    seen = windows(padded(x, amounts), kernel.shape[:rank], strides, dilation)
    summed = (list(range(rank + 1, 2 * rank + 2)), [rank, *range(rank)])
    parts = [
        np.tensordot(
            seen.take(range(g * inputs, (g + 1) * inputs), rank + 1),
            kernel[..., g * outputs : (g + 1) * outputs],
            axes=summed,
        )
        for g in range(groups)
    ]
    return np.concatenate(parts, axis=-1)


def convolve_adjoint(
    x: Float,
    kernel: Float,
    d: Float,
    *,
    strides: Sequence[int],
    dilation: Sequence[int],
    padding: str,
    pad_start: bool = False,
) -> tuple[Float, Float]:
    """From the gradient of `convolve(x, kernel, …)` without groups: those of x and of the kernel."""
    rank = kernel.ndim - 2
    amounts = pads(x.shape[1:-1], kernel.shape[:rank], strides, dilation, padding, pad_start)
    around = padded(x, amounts)
    seen = windows(around, kernel.shape[:rank], strides, dilation)
    over = list(range(rank + 1))
    d_kernel = np.moveaxis(np.tensordot(seen, d, axes=(over, over)), 0, rank)
    d_around, spread_out = np.zeros_like(around), spread(d, kernel, strides, dilation)
    d_around[tuple(slice(n) for n in spread_out.shape)] = spread_out
    inner = tuple(slice(before, before + n) for (before, _), n in zip(amounts, x.shape[1:-1], strict=True))
    return d_around[(slice(None), *inner)], d_kernel


def spread(x: Float, kernel: Float, strides: Sequence[int], dilation: Sequence[int]) -> Float:
    """The transposed convolution without any padding: every cell of x (B, *space, in) adds its multiple of the kernel
    (*window, out, in) to the place it stands for; (B, *((n - 1) stride + (k - 1) dilation + 1), out)."""
    rank = kernel.ndim - 2
    window = kernel.shape[:rank]
    sizes = [(n - 1) * s + (k - 1) * d + 1 for n, s, k, d in zip(x.shape[1:-1], strides, window, dilation, strict=True)]
    y = np.zeros((x.shape[0], *sizes, kernel.shape[-2]))
    for place in np.ndindex(*window):
        at = tuple(
            slice(p * d, p * d + (n - 1) * s + 1, s)
            for p, d, n, s in zip(place, dilation, x.shape[1:-1], strides, strict=True)
        )
        y[(slice(None), *at)] += x @ kernel[place].T
    return y
