"""Operations that cut, join and move what an array holds. Each is written once for NumPy, PyTorch and ONNX, its
parameters named as in keras.ops."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from weight_mapping.errors import Unsupported, shown

Array = Any


def axes_of(x: Array, axis: Any) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(x.ndim))
    return tuple(int(a) % x.ndim for a in (axis if isinstance(axis, tuple | list) else (axis,)))


def get_item(x: Array, key: Any) -> Array:
    """x[key]; a slice may come as a mapping of start, stop and step, as tf.keras writes it."""
    keys = key if isinstance(key, tuple | list) else (key,)
    return x[tuple(slice(k.get("start"), k.get("stop"), k.get("step")) if isinstance(k, Mapping) else k for k in keys)]


def strided_slice(
    x: Array, begin: Any, end: Any, strides: Any, begin_mask: int = 0, end_mask: int = 0,
    ellipsis_mask: int = 0, new_axis_mask: int = 0, shrink_axis_mask: int = 0,
) -> Array:  # fmt: skip
    """TensorFlow's spelling of x[…]: bit n of a mask speaks of the n-th key."""
    keys: list[Any] = []
    for n, (start, stop, step) in enumerate(zip(begin, end, strides, strict=True)):
        bit = 1 << n
        if ellipsis_mask & bit:
            keys.append(...)
        elif new_axis_mask & bit:
            keys.append(None)
        elif shrink_axis_mask & bit:
            keys.append(int(start))
        else:
            keys.append(slice(None if begin_mask & bit else start, None if end_mask & bit else stop, step))
    return x[tuple(keys)]


def expand_dims(x: Array, axis: Any) -> Array:
    asked = axis if isinstance(axis, tuple | list) else (axis,)
    added = {int(a) % (x.ndim + len(asked)) for a in asked}
    return x[tuple(None if n in added else slice(None) for n in range(x.ndim + len(asked)))]


def squeeze(xp: Any, x: Array, axis: Any = None) -> Array:
    ones = tuple(n for n, size in enumerate(x.shape) if size == 1)
    return xp.squeeze(x, ones if axis is None or axis in ((), []) else axes_of(x, axis))


def transpose(xp: Any, x: Array, axes: Any = None) -> Array:
    order = tuple(range(x.ndim))[::-1] if axes is None else tuple(int(a) for a in axes)
    return xp.moveaxis(x, order, tuple(range(x.ndim)))


def split(x: Array, indices_or_sections: Any, axis: int = 0) -> list[Array]:
    """So many equal parts, or parts that end at these indices."""
    axis, size = axis % x.ndim, x.shape[axis]
    if isinstance(indices_or_sections, int):
        step = size // indices_or_sections
        indices_or_sections = range(step, size, step)
    ends = [0, *(int(end) for end in indices_or_sections), size]
    return [x[(slice(None),) * axis + (slice(a, b),)] for a, b in pairwise(ends)]


def split_sizes(x: Array, sizes: Any, axis: int = 0) -> list[Array]:
    """So many equal parts, or parts of these sizes."""
    if isinstance(sizes, int):
        return split(x, sizes, axis)
    return split(x, [sum(sizes[: n + 1]) for n in range(len(sizes) - 1)], axis)


def unstack(x: Array, num: int | None = None, axis: int = 0) -> list[Array]:
    return [x[(slice(None),) * (axis % x.ndim) + (n,)] for n in range(x.shape[axis] if num is None else num)]


def take(xp: Any, x: Array, indices: Any, axis: int | None = None) -> Array:
    """The places along one axis that a list, or one number, names."""
    if axis is None or not (isinstance(indices, int) or (isinstance(indices, list | tuple) and indices)):
        raise Unsupported("the operation take by anything but numbers along one axis", class_name="take")
    before = (slice(None),) * (int(axis) % x.ndim)
    if isinstance(indices, int):
        return x[(*before, indices)]
    return xp.stack([x[(*before, int(n))] for n in indices], int(axis) % x.ndim)


def pad(xp: Any, x: Array, pad_width: Any, mode: str = "constant", constant_values: Any = None) -> Array:
    """Zeros around."""
    if str(mode).lower() != "constant" or constant_values:
        raise Unsupported("the operation pad by anything but zeros", class_name="pad", found=shown(mode))
    for axis, (before, after) in enumerate(pad_width):
        one = xp.zeros_like(x[(slice(None),) * axis + (slice(0, 1),)])
        times = [tuple(n if a == axis else 1 for a in range(x.ndim)) for n in (before, after)]
        parts = [xp.tile(one, times[0])] * bool(before) + [x] + [xp.tile(one, times[1])] * bool(after)
        x = xp.concatenate(parts, axis) if len(parts) > 1 else x
    return x


def repeat(xp: Any, x: Array, repeats: int, axis: int | None = None) -> Array:
    """Each place along one axis so many times, one after the other."""
    if axis is None or not isinstance(repeats, int):
        raise Unsupported("the operation repeat by anything but one number along one axis", class_name="repeat")
    axis = int(axis) % x.ndim
    return xp.reshape(xp.stack([x] * repeats, axis + 1), (*x.shape[:axis], -1, *x.shape[axis + 1 :]))


def roll(xp: Any, x: Array, shift: int, axis: int | None = None) -> Array:
    """What leaves an axis at its end comes in again at its start."""
    if not isinstance(axis, int) or not isinstance(shift, int):
        raise Unsupported("the operation roll along anything but one axis", class_name="roll")
    before, shift = (slice(None),) * (axis % x.ndim), shift % int(x.shape[axis])
    parts = [x[(*before, slice(-shift, None))], x[(*before, slice(None, -shift))]]
    return xp.concatenate(parts, axis) if shift else x
