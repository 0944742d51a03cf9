"""Whether a value out of a stranger's JSON is what a record declares it to be: types as annotations name them."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any


def check(value: object, declared: Any, where: str) -> None:
    """Raise ValueError unless `value` is what `declared`, a type as a record's field names it, says."""
    origin, arguments = typing.get_origin(declared), typing.get_args(declared)
    if declared is Any:
        return
    if origin in (types.UnionType, typing.Union):
        if not any(_fits(value, option, where) for option in arguments):
            raise _wrong(value, declared, where)
    elif origin is typing.Literal:
        _demand(isinstance(value, str) and value in arguments, value, declared, where)
    elif origin is Mapping:
        _demand(isinstance(value, Mapping), value, declared, where)
        for key, inner in typing.cast("Mapping[Any, Any]", value).items():
            check(inner, arguments[1], f"{where}[{key!r}]")
    elif origin is tuple:
        _demand(isinstance(value, tuple | list), value, declared, where)
        items = typing.cast("tuple[Any, ...]", value)
        kinds = arguments[:1] * len(items) if arguments[-1] is Ellipsis else arguments
        _demand(len(items) == len(kinds), value, declared, where)
        for n, (inner, kind) in enumerate(zip(items, kinds, strict=True)):
            check(inner, kind, f"{where}[{n}]")
    elif is_dataclass(declared):
        _demand(isinstance(value, typing.cast("type", declared)), value, declared, where)
        check_fields(value, where)
    elif declared is float:
        _demand(
            isinstance(value, int | float) and not isinstance(value, bool) and _small(value), value, declared, where
        )
    elif declared is int:
        _demand(isinstance(value, int) and not isinstance(value, bool), value, declared, where)
    else:
        _demand(isinstance(value, declared), value, declared, where)


def check_fields(record: Any, where: str) -> None:
    """The same for every field of a record."""
    hints = _hints(type(record))  # type: ignore[arg-type]
    for field in fields(record):
        check(getattr(record, field.name), hints[field.name], f"{where}.{field.name}")


@cache
def _hints(kind: type) -> dict[str, Any]:
    """Compiled from text, at a hundredfold of what the check itself takes."""
    return typing.get_type_hints(kind)


def _small(value: float) -> bool:
    return isinstance(value, float) or abs(value) < 2**53


def _fits(value: object, declared: Any, where: str) -> bool:
    try:
        check(value, declared, where)
    except ValueError:
        return False
    return True


def _demand(holds: bool, value: object, declared: Any, where: str) -> None:
    if not holds:
        raise _wrong(value, declared, where)


def _wrong(value: object, declared: Any, where: str) -> ValueError:
    name = getattr(declared, "__name__", None) if isinstance(declared, type) else str(declared).replace("typing.", "")
    return ValueError(f"{where[:200]} is {type(value).__name__} {str(value)[:60]!r}; expected {name}")
