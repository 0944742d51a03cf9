"""How each option of a plain layer is read from its value in a Keras configuration: what it can't be is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from weight_mapping.errors import DamagedFile, Unsupported, shown
from weight_mapping.interpolation import INTERPOLATIONS
from weight_mapping.keras_config.values import flag, integers, number, pairs, share, sizes, whole, word
from weight_mapping.keras_config.words import Reading, read_activation

Reader = Callable[[Any, str], Any]
"""(value, where) -> the option; `where` is the key's place, for the error."""
SpatialReader = Callable[[Any, int, str], Any]
"""(value, rank, where) -> the option: of a layer over so many axes of space, or over time (1)."""


def read_option(kind: str, option: str, value: Any, rank: int, reading: Reading, where: str) -> Any:
    """The option of a layer of this kind, a key of `weight_mapping.plain.KINDS`. Raises DamagedFile for a value of the
    wrong sort, Unsupported for a word that is not known."""
    if option == "activation":
        return read_activation(value, reading, where)
    own = f"{kind}.{option}"
    name = own if own in READERS or own in SPATIAL_READERS else option
    if name in SPATIAL_READERS:
        return SPATIAL_READERS[name](value, rank, where)
    return READERS[name](value, where)


def _or_none(read: Reader, value: Any, where: str) -> Any:
    """Null stays what it is: the layer then has none, or takes what another of its options says."""
    return None if value is None else read(value, where)


def _steps(value: Any, rank: int, where: str) -> tuple[int, ...] | None:
    return None if value is None else sizes(value, rank, where)


def _output_padding(value: Any, rank: int, where: str) -> tuple[int, ...] | None:
    return None if value is None else sizes(value, rank, where, 0)


def _padding(value: Any, rank: int, where: str) -> str:
    """Only over time is there an order, so that a step can be kept from seeing later ones."""
    return word("valid", "same", *(["causal"] if rank == 1 else []))(value, where)


def _axis_or_axes(value: Any, where: str) -> int | tuple[int, ...]:
    return integers(value, where) if isinstance(value, list) else whole(value, where, None)


def _channels_first(value: Any, _: str) -> bool:
    return bool(value == "channels_first")


def _groups(value: Any, where: str) -> int:
    """Of a GroupNormalization: -1 gives every channel a group of its own."""
    return whole(value, where, -1)


def _shared_axes(value: Any, where: str) -> tuple[int, ...]:
    return integers(value or [], where)


def _axis(value: Any, where: str) -> int:
    if isinstance(value, list) and len(value) > 1:
        raise Unsupported("several axes", where=where, found=shown(value), expected="one")
    return whole(value, where, None)


def _axes(value: Any, where: str) -> tuple[int, ...]:
    return () if value is None else integers(value if isinstance(value, list) else [value], where)


def _lengths(value: Any, where: str) -> tuple[int | None, ...]:
    if not isinstance(value, list):
        raise DamagedFile("expected a list of sizes", where=where, found=shown(value))
    return tuple(None if n is None else whole(n, where) for n in value)


def _statistics(value: Any, where: str) -> Any:
    """Numbers, nested as they are."""
    return tuple(_statistics(v, where) for v in value) if isinstance(value, list) else number(value, where)


def _output_shape(value: Any, where: str) -> Any:
    return _lengths(value, where) if isinstance(value, list) else whole(value, where)


def _equation(value: Any, where: str) -> str:
    if not isinstance(value, str) or not _EQUATION.fullmatch(value):
        raise Unsupported("an equation of another form than ab,bc->ac", where=where, found=shown(value))
    return value


def _letters(value: Any, where: str) -> str:
    if not isinstance(value, str) or not (value.isascii() and value.isalpha()):
        raise DamagedFile("expected axes as letters", where=where, found=shown(value))
    return value


_EQUATION = re.compile(r"(\.\.\.)?[a-zA-Z]+,[a-zA-Z]+->(\.\.\.)?[a-zA-Z]+")

_OPTIONS: tuple[tuple[Reader, tuple[str, ...]], ...] = (
    (whole, ("units", "filters", "input_dim", "output_dim", "n", "features", "depth_multiplier")),
    (whole, ("groups", "num_heads", "key_dim")),
    (partial(_or_none, whole), ("value_dim", "key_value_heads", "window")),
    (_groups, ("group_normalization.groups",)),
    (flag, ("use_bias", "mask_zero", "normalize", "center", "scale", "rms", "invert", "keepdims")),
    (flag, ("use_scale", "causal", "gate", "antialias")),
    (number, ("mask_value", "stddev", "epsilon", "momentum", "offset", "rescaling.scale")),
    (share, ("rate", "dropout")),
    (partial(_or_none, _statistics), ("mean", "variance")),
    (integers, ("target_shape", "dims")),
    (_axis, ("axis",)),
    (_axes, ("layer_normalization.axis", "rms_normalization.axis", "unit_normalization.axis", "normalization.axis")),
    (_axis_or_axes, ("axes",)),
    (partial(_or_none, _axes), ("multi_head_attention.axes",)),
    (_shared_axes, ("shared_axes",)),
    (partial(_or_none, _lengths), ("noise_shape",)),
    (partial(_or_none, _output_shape), ("output_shape",)),
    (partial(_or_none, _letters), ("bias_axes",)),
    (_equation, ("equation",)),
    (_channels_first, ("channels_first",)),
    (word("valid", "same"), ("pool.padding", "conv_transpose.padding")),
    (word(*INTERPOLATIONS), ("interpolation",)),
    (word("dot", "concat"), ("score_mode",)),
)
READERS: Mapping[str, Reader] = {option: read for read, options in _OPTIONS for option in options}
"""By option; 'kind.option' where one kind reads it otherwise."""

SPATIAL_READERS: Mapping[str, SpatialReader] = {
    "kernel_size": sizes,
    "size": sizes,
    "strides": _steps,
    "dilation": _steps,
    "padding": _padding,
    "output_padding": _output_padding,
    "zero_padding.padding": pairs,
    "cropping": pairs,
}
"""Likewise, of what is said once for each axis of space, or once for all of them."""
