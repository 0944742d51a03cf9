"""JSON as a hostile file may hold it: bounded in size, depth and numbers, no key twice, no NaN, no lone surrogate."""

from __future__ import annotations

import json
from collections import Counter
from math import isfinite
from typing import Any

from weight_mapping.errors import DamagedFile, shown
from weight_mapping.files.guard import Source, reading

MAX_BYTES = 64 << 20
MAX_VALUES = 1 << 20
"""Each takes up to a hundred bytes of memory, and two in the file."""
MAX_DEPTH = 200
MAX_INTEGER = 1 << 64


def parse(data: bytes | str, where: str) -> Any:
    """The value of a JSON document, or DamagedFile."""
    _check_size(len(data), where)
    with reading(where):
        text = data.decode("utf-8") if isinstance(data, bytes) else data
        check_values(text, where)
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    _check(value, where)
    return value


def text_of(source: Source) -> bytes:
    """The bytes of a file of JSON, read only where there are no more of them than JSON may have."""
    _check_size(source.length, source.name)
    return source.read()


def parse_object(data: bytes | str, where: str) -> dict[str, Any]:
    """The same, for a document that must be an object."""
    value = parse(data, where)
    if not isinstance(value, dict):
        raise DamagedFile("the JSON is not an object", where=where, found=type(value).__name__)
    return value


def _check_size(size: int, where: str) -> None:
    if size > MAX_BYTES:
        raise DamagedFile(
            "the JSON is too large", where=where, found=f"{size:,} bytes", expected=f"at most {MAX_BYTES:,}"
        )


def check_values(text: str, where: str, most: int | None = None) -> None:
    """Before any is made; at most MAX_VALUES unless told. What stands in strings counts too: there is room for it."""
    values, most = sum(map(text.count, ",[{")), MAX_VALUES if most is None else most
    if values > most:
        raise DamagedFile(
            "the JSON holds too many values", where=where, found=f"{values:,}", expected=f"at most {most:,}"
        )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise DamagedFile(f"the key {shown(twice)!r} stands twice in one JSON object")
    return value


def _constant(name: str) -> Any:
    raise DamagedFile("JSON has no such number", found=name)


def _check(value: Any, where: str) -> None:
    """Walk the value without recursion: depth, numbers, surrogates."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        if not level:
            return
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below += [*item.keys(), *item.values()]
            elif isinstance(item, list):
                below += item
            else:
                _check_leaf(item, where)
        level = below
    raise DamagedFile("the JSON is nested too deeply", where=where, expected=f"at most {MAX_DEPTH} levels")


def _check_leaf(item: Any, where: str) -> None:
    if isinstance(item, str):
        if not item.isascii() and any("\ud800" <= c <= "\udfff" for c in item):
            raise DamagedFile("the JSON holds half of a surrogate pair", where=where, found=shown(item))
    elif isinstance(item, float) and not isfinite(item):
        raise DamagedFile("the JSON holds a number beyond float64", where=where, found=item)
    elif isinstance(item, int) and abs(item) >= MAX_INTEGER:
        raise DamagedFile("the JSON holds an integer beyond 64 bits", where=where)
