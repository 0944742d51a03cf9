"""Arrays that lie in a file and are read as they are touched. The memory of what was read can be given back, so that of
a large model only the part that is being computed with takes memory."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Mapped(mmap.mmap):
    """A file's bytes, mapped for reading. Only of a file that nobody else writes: where it is cut off meanwhile, the
    system ends the process."""


def mapped(file: int, end: int) -> Mapped:
    """The first `end` bytes of the open file of this number, which may be closed then."""
    return Mapped(file, end, access=mmap.ACCESS_READ)


def give_back(array: NDArray[Any]) -> None:
    """The memory that a mapped array's whole file takes, where the system lets one say so; the next touch reads anew.
    Of any other array nothing."""
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    owner = base.obj if isinstance(base, memoryview) else None
    if isinstance(owner, Mapped) and hasattr(mmap, "MADV_DONTNEED"):
        owner.madvise(mmap.MADV_DONTNEED)
