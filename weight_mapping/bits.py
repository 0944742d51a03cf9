"""An array's bytes as they are stored and hashed (C order, little-endian), and its numbers in another type.

Both work on a part at a time: a large array is never copied whole, and one that is mapped from a file is never wholly
in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from weight_mapping.mapped import give_back

Array = NDArray[Any]

_PART = 1 << 24
"""Bytes of a part, or one row along the first axis where that is more."""
_ACROSS = 512
"""Numbers of a row that are turned together: each is in a line of memory, and often a page, of its own, which the
processor still has at hand for the next row's."""


def slices(array: Array) -> Iterator[Array]:
    """The array along its first axis."""
    whole = np.atleast_1d(array)
    rows = max(1, _PART // max(1, whole[:1].nbytes))
    for start in range(0, len(whole), rows):
        yield whole[start : start + rows]
        give_back(whole)


def parts(array: Array) -> Iterator[memoryview]:
    """The bytes, one part after the other."""
    for one in slices(array):
        part = np.ascontiguousarray(one, dtype=array.dtype.newbyteorder("<"))
        yield part.reshape(-1).view(np.uint8).data


def copied(array: Array, dtype: DTypeLike) -> Array:
    """The numbers in C order and in this type. What lies otherwise in memory is turned a block at a time."""
    made = np.empty(array.shape, dtype)
    into, start = np.atleast_1d(made), 0
    for one in slices(array):
        part, width = into[start : start + len(one)], one.shape[-1]
        across = width if one.strides[-1] == one.itemsize else _ACROSS
        for first in range(0, width, across or 1):
            part[..., first : first + across] = one[..., first : first + across]
        start += len(one)
    return made


def equal(one: Array, other: Array) -> bool:
    """Whether two arrays of one shape and type are the same bit for bit."""
    return all(a == b for a, b in zip(parts(one), parts(other), strict=True))
