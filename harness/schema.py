"""The JSON Schema of results.json, made from the records: their types, and the sentences below the fields."""

from __future__ import annotations

import ast
import inspect
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from itertools import pairwise
from types import NoneType, UnionType
from typing import Any

from harness import results

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_PLAIN: Mapping[Any, str] = {str: "string", float: "number", int: "integer", bool: "boolean", NoneType: "null"}


def schema() -> dict[str, Any]:
    """Of a whole file. A number may be NaN, Infinity or -Infinity, as Python writes them."""
    records: dict[str, Any] = {}
    root = _of(results.Results, records)
    return {
        "$schema": DIALECT,
        "title": f"Results of lstm-parity, schema {results.SCHEMA}",
        "description": "Numbers may be NaN, Infinity or -Infinity, as Python's json module writes and reads them.",
        **root,
        "$defs": records,
    }


def _of(declared: Any, records: dict[str, Any]) -> dict[str, Any]:
    """What a value of this type looks like; records go to `records` by their names."""
    origin, arguments = typing.get_origin(declared), typing.get_args(declared)
    if declared is Any:
        return {}
    if declared in _PLAIN:
        return {"type": _PLAIN[declared]}
    if origin in (UnionType, typing.Union):
        return {"anyOf": [_of(option, records) for option in arguments]}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": _of(arguments[1], records)}
    if origin is tuple and arguments[-1] is Ellipsis:
        return {"type": "array", "items": _of(arguments[0], records)}
    if origin is tuple:
        items = [_of(item, records) for item in arguments]
        return {"type": "array", "prefixItems": items, "items": False, "minItems": len(items)}
    if not is_dataclass(declared):
        raise TypeError(f"the schema has no word for {declared}")
    kind = typing.cast("type[Any]", declared)
    if kind.__name__ not in records:
        records[kind.__name__] = {}
        records[kind.__name__] |= _record(kind, records)
    return {"$ref": f"#/$defs/{kind.__name__}"}


def _record(kind: type[Any], records: dict[str, Any]) -> dict[str, Any]:
    hints, said = typing.get_type_hints(kind), _sentences(kind)
    properties = {field.name: {**_of(hints[field.name], records), **said.get(field.name, {})} for field in fields(kind)}
    if kind is results.Results:
        properties["schema"] = {"const": results.SCHEMA}
    needed = [f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING]
    return {
        "type": "object", "description": inspect.cleandoc(kind.__doc__ or ""), "properties": properties,
        "required": [*needed, *(["schema"] if kind is results.Results else [])], "additionalProperties": False,
    }  # fmt: skip


def _sentences(kind: type[Any]) -> dict[str, dict[str, str]]:
    """The string beneath each field, as a description."""
    body = typing.cast("ast.ClassDef", ast.parse(inspect.getsource(kind)).body[0]).body
    found = {}
    for field, below in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            name = typing.cast("ast.Name", field.target).id
            found[name] = {"description": " ".join(str(below.value.value).split())}
    return found
