"""An array's bytes as they are stored and hashed: C order, little-endian, a part at a time so that no second copy of
a large array is needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_PART = 1 << 24
"""Bytes of a part, or one row along the first axis where that is more."""


def parts(array: Array) -> Iterator[memoryview]:
    """The bytes, one part after the other."""
    whole = np.atleast_1d(array)
    rows = max(1, _PART // max(1, whole[:1].nbytes))
    for start in range(0, len(whole), rows):
        part = np.ascontiguousarray(whole[start : start + rows], dtype=array.dtype.newbyteorder("<"))
        yield part.reshape(-1).view(np.uint8).data


def equal(one: Array, other: Array) -> bool:
    """Whether two arrays of one shape and type are the same bit for bit."""
    return all(a == b for a, b in zip(parts(one), parts(other), strict=True))
