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

Reader = Callable[[Any, int, str], Any]
"""(value, rank, where) -> the option."""


def read_option(kind: str, option: str, value: Any, rank: int, reading: Reading, where: str) -> Any:
    """The option of a layer of this kind. Raises DamagedFile for a value of the wrong sort, Unsupported for a word that
    is not known."""
    if option == "activation":
        return read_activation(value, reading, where)
    return (READERS.get(f"{kind}.{option}") or READERS[option])(value, rank, where)


def _each(read: Callable[[Any, str], Any], value: Any, _: int, where: str) -> Any:
    """A value that does not depend on the rank."""
    return read(value, where)


def _optional(read: Reader, value: Any, rank: int, where: str) -> Any:
    return None if value is None else read(value, rank, where)


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
_COUNT, _FLAG, _NUMBER = partial(_each, whole), partial(_each, flag), partial(_each, number)
_SAME_OR_VALID = partial(_each, word("valid", "same"))
READERS: Mapping[str, Reader] = {
    **dict.fromkeys(("units", "filters", "input_dim", "output_dim", "n", "features", "depth_multiplier"), _COUNT),
    **dict.fromkeys(("groups", "num_heads", "key_dim"), _COUNT),
    **dict.fromkeys(("use_bias", "mask_zero", "normalize", "center", "scale", "rms", "invert", "keepdims"), _FLAG),
    **dict.fromkeys(("use_scale", "causal", "gate", "antialias"), _FLAG),
    **dict.fromkeys(("mask_value", "stddev", "epsilon", "momentum", "offset", "rescaling.scale"), _NUMBER),
    **dict.fromkeys(("rate", "dropout"), partial(_each, share)),
    **dict.fromkeys(("kernel_size", "size"), sizes),
    **dict.fromkeys(("strides", "dilation"), partial(_optional, sizes)),
    **dict.fromkeys(("mean", "variance"), partial(_optional, partial(_each, _statistics))),
    **dict.fromkeys(("target_shape", "dims"), partial(_each, integers)),
    **dict.fromkeys(("zero_padding.padding", "cropping"), pairs),
    **dict.fromkeys(("pool.padding", "conv_transpose.padding"), _SAME_OR_VALID),
    **dict.fromkeys(("layer_normalization.axis", "rms_normalization.axis"), partial(_each, _axes)),
    **dict.fromkeys(("unit_normalization.axis", "normalization.axis"), partial(_each, _axes)),
    "bias_axes": partial(_optional, partial(_each, _letters)),
    "equation": partial(_each, _equation),
    "output_shape": partial(_optional, partial(_each, _output_shape)),
    "axis": partial(_each, _axis),
    "axes": lambda value, rank, where: integers(value, where) if isinstance(value, list) else whole(value, where, None),
    "channels_first": lambda value, rank, where: value == "channels_first",
    "group_normalization.groups": lambda value, rank, where: whole(value, where, -1),
    "interpolation": partial(_each, word(*INTERPOLATIONS)),
    "noise_shape": partial(_optional, partial(_each, _lengths)),
    "output_padding": partial(_optional, lambda value, rank, where: sizes(value, rank, where, 0)),
    "padding": lambda value, rank, where: word("valid", "same", *(["causal"] if rank == 1 else []))(value, where),
    "score_mode": partial(_each, word("dot", "concat")),
    "shared_axes": lambda value, rank, where: integers(value or [], where),
    "multi_head_attention.axes": partial(_optional, partial(_each, _axes)),
    **dict.fromkeys(("value_dim", "key_value_heads", "window"), partial(_optional, _COUNT)),
}
"""By option; 'kind.option' where one kind reads it otherwise."""
