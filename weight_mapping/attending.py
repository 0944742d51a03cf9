"""Which axes a many-headed attention looks along, where its inputs have more than time and features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from weight_mapping.errors import Unsupported


def attended(o: Mapping[str, Any], ndim: int, masks: Sequence[Any]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Of the axes between batch and features: those that go by sample, and those that a query looks along, all unless
    the option `axes` names some. Raises Unsupported for a mask over several axes."""
    along = tuple(range(1, ndim - 1)) if o["axes"] is None else tuple(sorted(axis % ndim for axis in o["axes"]))
    if o["causal"] or o["window"] or any(mask is not None for mask in masks):
        raise Unsupported("a mask of an attention over several axes", class_name="MultiHeadAttention")
    return tuple(axis for axis in range(1, ndim - 1) if axis not in along), along
