"""Theano's padding same in the words of the others: an even window with a row of zeros more at its end is an odd one,
around which the padding is the same on both sides. Exact; only for stride 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from weight_mapping.spec import ConvCell, Leaf, Path, Plain, leaves, with_leaves
from weight_mapping.weights import Array, CellWeights, LeafWeights, Portable

_KERNELS = {"conv": "kernel", "depthwise_conv": "depthwise_kernel", "separable_conv": "depthwise_kernel"}


def with_odd_windows(portable: Portable) -> Portable:
    """The same function where windows of odd size can state it; a layer with strides, dilation or a pool stays as it
    is."""
    changed: dict[Path, Leaf] = {}
    weights: dict[Path, LeafWeights] = dict(portable.weights)
    for path, leaf in leaves(portable.spec):
        stored = weights.get(path)
        if isinstance(leaf, ConvCell) and isinstance(stored, CellWeights):
            if leaf.pad_start and leaf.padding == "same" and _dense(leaf.strides, leaf.dilation):
                changed[path] = replace(leaf, kernel_size=_odd(leaf.kernel_size), pad_start=False)
                kernel, recurrent = (_grown(a, leaf.kernel_size, 3) for a in (stored.kernel, stored.recurrent))
                weights[path] = replace(stored, kernel=kernel, recurrent=recurrent)
        elif isinstance(leaf, Plain) and leaf.kind in _KERNELS and not isinstance(stored, CellWeights | None):
            o, name = leaf.options, _KERNELS[leaf.kind]
            if o["pad_start"] and _dense(o["strides"], o["dilation"]):
                odd = {"kernel_size": _odd(o["kernel_size"]), "pad_start": False}
                changed[path] = Plain(kind=leaf.kind, options={**o, **odd})
                weights[path] = {**stored, name: _grown(stored[name], o["kernel_size"], 0)}
    if not changed:
        return portable
    said = tuple(f"{'/'.join(p)}: zeros added to even windows, which Theano pads at the start" for p in changed)
    source = replace(portable.source, resolved=(*portable.source.resolved, *said))
    return replace(portable, spec=with_leaves(portable.spec, changed), weights=weights, source=source)


def _dense(strides: Sequence[int], dilation: Sequence[int]) -> bool:
    return {*strides, *dilation} == {1}


def _odd(window: Sequence[int]) -> tuple[int, ...]:
    return tuple(k + (k % 2 == 0) for k in window)


def _grown(kernel: Array, window: Sequence[int], first: int) -> Array:
    """The kernel, whose windows' axes begin at `first`, with a zero at the end of each even one."""
    amounts = [(0, 0)] * kernel.ndim
    for axis, k in enumerate(window, start=first):
        amounts[axis] = (0, int(k % 2 == 0))
    return np.pad(kernel, amounts)
