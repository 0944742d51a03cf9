"""The merges of several inputs element by element, each written once for NumPy, PyTorch and ONNX.

Keras 3 leaves out of a product, a maximum and a minimum what masks hide; Keras 1 and 2 merge it with the rest. Source:
keras/src/layers/merging of Keras 3.15."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from operator import add, mul, or_, sub
from typing import Any

Array = Any
Shown = Sequence[Array | None]
"""For each input where its values count, with an axis for the features, or None where all do."""


def merged(kind: str, any_mask: bool, inputs: Sequence[Array], masks: Shown, xp: Any) -> Array:
    """The inputs as one. One with fewer axes gets new ones behind the batch axis, and loses its mask; without
    `any_mask` the masks change no value."""
    ndim = max(x.ndim for x in inputs)
    masks = masks if any_mask else [None] * len(inputs)
    shown = [None if m is None or x.ndim < ndim else m[..., None] for x, m in zip(inputs, masks, strict=True)]
    return MERGES[kind]([_with_axes(x, ndim) for x in inputs], shown, xp)


def _with_axes(x: Array, ndim: int) -> Array:
    return x if x.ndim == ndim else x[(slice(None), *(None,) * (ndim - x.ndim))]


def _plainly(combine: Callable[[Array, Array], Array]) -> Callable[[Sequence[Array], Shown, Any], Array]:
    return lambda inputs, shown, xp: reduce(combine, inputs)


def _mean(inputs: Sequence[Array], _shown: Shown, _xp: Any) -> Array:
    return reduce(add, inputs) / float(len(inputs))


def _product(inputs: Sequence[Array], shown: Shown, xp: Any) -> Array:
    """What is hidden counts as 1; what every input hides is 0."""
    factors = [x if m is None else xp.where(m, x, 1.0) for x, m in zip(inputs, shown, strict=True)]
    product = reduce(mul, factors)
    known = [m for m in shown if m is not None]
    return product if len(known) < len(shown) else xp.where(reduce(or_, known), product, 0.0)


def _extreme(name: str) -> Callable[[Sequence[Array], Shown, Any], Array]:
    """Of two inputs the one that is shown, where the other is hidden."""

    def furthest(inputs: Sequence[Array], shown: Shown, xp: Any) -> Array:
        y, seen = inputs[0], shown[0]
        for x, m in zip(inputs[1:], shown[1:], strict=True):
            x = x if m is None else xp.where(m, x, y)
            y = y if seen is None else xp.where(seen, y, x)
            seen = None if m is None or seen is None else seen | m
            y = getattr(xp, name)(y, x)
        return y

    return furthest


MERGES: Mapping[str, Callable[[Sequence[Array], Shown, Any], Array]] = {
    "add": _plainly(add),
    "subtract": _plainly(sub),
    "multiply": _product,
    "average": _mean,
    "maximum": _extreme("maximum"),
    "minimum": _extreme("minimum"),
}
"""By kind of `weight_mapping.plain.KINDS`: (inputs of one rank, where each counts, xp) -> the merged values."""
