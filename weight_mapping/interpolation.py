"""Where the cells of an image of another size come from: along one axis at a time, in plain numbers.

Source: TensorFlow's resize operators with half_pixel_centers, which both Keras call; measured with them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weight_mapping.errors import Unsupported

Float = NDArray[np.float64]


def resizing(interpolation: str, old: int, new: int, antialias: bool = False) -> Float:
    """The share (new, old) that each new cell takes of each old one. `antialias`: where there are fewer new cells than
    old ones, each takes from all that it covers."""
    centres = (np.arange(int(new)) + 0.5) * old / new
    if interpolation == "nearest":
        return np.asarray(np.eye(int(old))[np.floor(centres).astype(int)])
    if interpolation == "area":
        edges = np.arange(int(old))
        ends, starts = centres + old / new / 2, centres - old / new / 2
        shares = np.minimum(ends[:, None], edges + 1) - np.maximum(starts[:, None], edges)
        return _normalised(np.clip(shares, 0, None))
    if interpolation == "bicubic" and not antialias:
        centres = _in_steps(centres)
    stretch = max(old / new, 1) if antialias else 1
    distances = np.abs(centres[:, None] - (np.arange(int(old)) + 0.5)) / stretch
    return _normalised(KERNELS[interpolation](distances))


def _normalised(shares: Float) -> Float:
    """What falls outside the image counts for nothing."""
    return np.asarray(shares / shares.sum(1, keepdims=True))


def _in_steps(centres: Float) -> Float:
    """TensorFlow looks its cubic shares up in a table of 1024 places between two cells."""
    before = np.floor(centres - 0.5)
    return np.asarray(before + np.rint((centres - 0.5 - before) * 1024) / 1024 + 0.5)


def _cubic(d: Float, b: float, c: float) -> Float:
    """Mitchell and Netravali's family: (0, 1/2) is Keys' kernel, (1/3, 1/3) theirs."""
    near = ((12 - 9 * b - 6 * c) * d**3 + (-18 + 12 * b + 6 * c) * d**2 + 6 - 2 * b) / 6
    far = ((-b - 6 * c) * d**3 + (6 * b + 30 * c) * d**2 + (-12 * b - 48 * c) * d + 8 * b + 24 * c) / 6
    return np.where(d < 1, near, np.where(d < 2, far, 0))


def _lanczos(d: Float, radius: int) -> Float:
    return np.where(d < radius, np.sinc(d) * np.sinc(d / radius), 0)


KERNELS: Mapping[str, Callable[[Float], Float]] = {
    "bilinear": lambda d: np.clip(1 - d, 0, None),
    "bicubic": lambda d: _cubic(d, 0, 1 / 2),
    "mitchellcubic": lambda d: _cubic(d, 1 / 3, 1 / 3),
    "lanczos3": lambda d: _lanczos(d, 3),
    "lanczos5": lambda d: _lanczos(d, 5),
    "gaussian": lambda d: np.where(d < 1.5, np.exp(-2 * d**2), 0),
}
"""A cell's share by its distance, in cells."""
INTERPOLATIONS = ("nearest", "area", *KERNELS)


def even_windows(old: int, new: int) -> list[tuple[int, int]]:
    """(start, end) of `new` windows over `old` cells, as even as can be."""
    return [(n * old // new, -(-(n + 1) * old // new)) for n in range(new)]


def middle(sizes: Sequence[Any], wanted: Sequence[int]) -> list[tuple[int, int]]:
    """(start, end) of the middle of an image along each axis. Raises Unsupported for one that is smaller."""
    if any(n < new for n, new in zip(sizes, wanted, strict=True)):
        raise Unsupported(
            "the middle of an image that is smaller", found=tuple(int(n) for n in sizes), expected=tuple(wanted),
            way_out="CenterCrop enlarges it first; a port does not.",
        )  # fmt: skip
    return [((n - new) // 2, (n - new) // 2 + new) for n, new in zip(sizes, wanted, strict=True)]
