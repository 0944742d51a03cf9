"""Single values of a Keras configuration: what kind each must be, and the forms in which the generations write it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sized
from math import isfinite
from typing import Any

from weight_mapping.errors import DamagedFile, Unsupported, shown

MOST = 10_000
"""Layers of a model, calls of them, tensors of one call, outputs, cells of one layer; the largest models that are known
have some thousands."""


def refuse_more(things: Sized, what: str, where: str) -> None:
    if len(things) > MOST:
        found, expected = f"{len(things):,} {what}", f"at most {MOST:,}"
        raise Unsupported("a model larger than any that is read here", where=where, found=found, expected=expected)


def scalar(value: Any) -> Any:
    """A number that NumPy wrote as {"type": "ndarray", "value": 0.3} (Keras 2.0.5), or in a list of one, as itself."""
    if isinstance(value, dict) and value.get("type") == "ndarray":
        return scalar(value.get("value"))
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], int | float):
        return value[0]
    return value


def whole(value: Any, where: str, least: int | None = 1) -> int:
    """A whole number; 3.0 is one (Keras 1)."""
    found = scalar(value)
    if not _is_number(found) or found != int(found) or (least is not None and found < least):
        expected = "a positive whole number" if least == 1 else "a whole number"
        raise DamagedFile(f"expected {expected}", where=where, found=shown(value))
    return int(found)


def number(value: Any, where: str) -> float:
    found = scalar(value)
    if not _is_number(found):
        raise DamagedFile("expected a number", where=where, found=shown(value))
    return float(found)


def share(value: Any, where: str) -> float:
    """A rate of dropout, from 0 to 1; null is 0."""
    found = 0.0 if value is None else number(value, where)
    if not 0 <= found <= 1:
        raise DamagedFile("expected a rate from 0 to 1", where=where, found=shown(value))
    return found


def flag(value: Any, where: str) -> bool:
    """True or false, also as 1 or 0; null is false."""
    if value is None or value in (True, False):
        return bool(value)
    raise DamagedFile("expected true or false", where=where, found=shown(value))


def word(*known: str) -> Callable[[Any, str], str]:
    """One of these words; another is understood by nobody here."""

    def read(value: Any, where: str) -> str:
        if value not in known:
            raise Unsupported(
                f"{shown(value)!r} as {where.rpartition('.')[2]}", where=where, expected=" or ".join(known)
            )
        return str(value)

    return read


def integers(value: Any, where: str, least: int | None = None) -> tuple[int, ...]:
    """A list of whole numbers."""
    if not isinstance(value, list | tuple) or not all(_is_whole(n) and (least is None or n >= least) for n in value):
        raise DamagedFile("expected a list of whole numbers", where=where, found=shown(value))
    return tuple(int(n) for n in value)


def sizes(value: Any, rank: int, where: str, least: int = 1) -> tuple[int, ...]:
    """A whole number or a list of `rank` of them as a tuple."""
    value = scalar(value) if isinstance(value, dict) else value
    listed = value if isinstance(value, list | tuple) else [value] * rank
    if len(listed) != rank or not all(_is_whole(n) and n >= least for n in listed):
        raise DamagedFile(f"expected {rank} whole numbers of at least {least}", where=where, found=shown(value))
    return tuple(int(n) for n in listed)


def uneven(kernel_size: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    """Whether padding same can have an odd total, so that it matters at which end the extra cell goes."""
    return any(k % 2 == 0 for k in kernel_size) or any(s > 1 for s in strides)


def pairs(value: Any, rank: int, where: str) -> tuple[tuple[int, int], ...]:
    """Padding or cropping as ((before, after), …): from 1, (1, 2) or ((1, 2), (3, 4)); or Keras 1's (top, bottom, left,
    right), also under these names."""
    if isinstance(value, Mapping):
        value = [value.get(f"{side}_pad", 0) for side in ("top", "bottom", "left", "right")[-2 * rank :]]
    if isinstance(value, list | tuple):
        flat = all(_is_size(n) for n in value)
        if flat and len(value) == 2 * rank:
            return tuple((value[2 * n], value[2 * n + 1]) for n in range(rank))
        if len(value) == rank:
            return tuple((n, n) if _is_size(n) else sizes(n, 2, where, 0) for n in value)  # type: ignore[misc]
    elif _is_size(value):
        return ((value, value),) * rank
    raise DamagedFile(f"expected {rank} pairs of whole numbers from 0 on", where=where, found=shown(value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_size(value: Any) -> bool:
    return _is_whole(value) and value >= 0
