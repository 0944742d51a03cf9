"""TensorFlow's NodeDef, as tf.keras 2.0 to 2.3 kept an operation in its configuration: the op and its attributes.

Source: tensorflow/core/framework/node_def.proto and attr_value.proto."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from weight_mapping.errors import DamagedFile, Unsupported, shown
from weight_mapping.files import protobuf

_WORDS = {"DstT": "dtype", "squeeze_dims": "axis"}
_SAYS_NOTHING = {"N", "T", "data_format", "_cloned"}
_TYPES = {"DT_FLOAT": "float32", "DT_DOUBLE": "float64", "DT_HALF": "float16", "DT_INT32": "int32", "DT_INT64": "int64",
          "DT_BOOL": "bool"}  # fmt: skip
_TYPE_NUMBERS = {1: "DT_FLOAT", 2: "DT_DOUBLE", 3: "DT_INT32", 9: "DT_INT64", 10: "DT_BOOL", 19: "DT_HALF"}


def read_node(value: Any, where: str) -> tuple[str, dict[str, Any]]:
    """(op, its attributes that are set, as keywords): from JSON (2.2 on) or the message as text (2.0)."""
    if isinstance(value, str):
        value = _decoded(value.encode(), where)
    if not isinstance(value, Mapping) or not isinstance(value.get("attr") or {}, Mapping):
        raise DamagedFile("an operation without its NodeDef", where=where, found=shown(value))
    attributes = {str(k): v for k, v in (value.get("attr") or {}).items() if isinstance(v, Mapping)}
    # In JSON, bytes are base64.
    if attributes.get("data_format", {}).get("s", "NHWC") not in ("NHWC", "TkhXQw=="):
        raise Unsupported("an operation with channels first", where=where, class_name=shown(value.get("op")))
    given = {_WORDS.get(k, k): _value(k, v) for k, v in sorted(attributes.items()) if k not in _SAYS_NOTHING}
    return str(value.get("op")), {k: v for k, v in given.items() if v not in (None, False, 0, [])}


def _value(name: str, attribute: Mapping[str, Any]) -> Any:
    if name == "DstT":
        return _TYPES.get(str(attribute.get("type")), shown(attribute.get("type")))
    if "list" in attribute:
        return [int(n) for n in (attribute["list"] or {}).get("i", [])]
    return int(attribute["i"]) if "i" in attribute else attribute.get("b", attribute.get("f"))


def _decoded(data: bytes, where: str) -> dict[str, Any]:
    """The message in the form of its JSON, for the kinds of attribute that an operation here can have."""
    attributes = {
        protobuf.text(entry, 1, where): _attribute(attribute, where)
        for entry in protobuf.messages(data, 5, where)
        for attribute in protobuf.messages(entry, 2, where)
    }
    return {"op": protobuf.text(data, 2, where), "attr": attributes}


def _attribute(data: bytes, where: str) -> dict[str, Any]:
    kinds = {2: "s", 3: "i", 5: "b", 6: "type"}
    found: dict[str, Any] = {kinds[n]: value for n, value in protobuf.fields(data, where) if n in kinds}
    for packed in protobuf.messages(data, 1, where):
        found["list"] = {"i": [n for group in protobuf.messages(packed, 3, where) for n in _varints(group, where)]}
    if "type" in found:
        found["type"] = _TYPE_NUMBERS.get(found["type"], found["type"])
    if "s" in found:
        found["s"] = found["s"].decode(errors="replace")
    if "b" in found:
        found["b"] = bool(found["b"])
    return found


def _varints(data: bytes, where: str) -> list[int]:
    """A packed field's whole numbers, negative ones in two's complement."""
    found, at = [], 0
    while at < len(data):
        value, at = protobuf.varint(data, at, where)
        found.append(value - (1 << 64) if value >> 63 else value)
    return found
