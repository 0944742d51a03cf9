"""The calls of a functional model's layers: the inbound nodes of Keras 1, 2 and 3 -> which tensor goes where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from weight_mapping.errors import DamagedFile, Unsupported, shown
from weight_mapping.keras_config.values import refuse_more
from weight_mapping.keras_config.words import Reading

Tensor = tuple[str, int, int]
"""A tensor by its (layer, call of that layer, output of that call)."""

_POSITIONS = ("inputs", "query", "value", "key")
_HARMLESS = {
    "training",
    "attention_mask",
    "return_attention_scores",
    "constants",
    "name",
    "query_mask",
    "value_mask",
    "key_mask",
}


_PART = "--layers-only ports the recurrent layers around it."


@dataclass(frozen=True, slots=True)
class Given:
    """A tensor among a call's arguments."""

    tensor: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """One call of one layer. `arguments` and `keywords` keep their nesting, with `Given` for tensors: Keras 2's list of
    entries is one argument, a list of tensors."""

    layer: str
    arguments: tuple[Any, ...]
    keywords: Mapping[str, Any] = field(default_factory=dict)

    @property
    def tensors(self) -> list[Tensor]:
        return _tensors((self.arguments, self.keywords))

    @property
    def positional(self) -> list[Tensor]:
        return _tensors((self.arguments, [self.keywords.get(k) for k in _POSITIONS]))

    @property
    def initial_state(self) -> list[Tensor]:
        return _tensors(self.keywords.get("initial_state"))

    @property
    def mask(self) -> Tensor | None:
        given = self.keywords.get("mask")
        found = _tensors(given)
        first = given[0] if isinstance(given, list | tuple) and given else given
        if len(found) > 1 or (found and not isinstance(first, Given)):
            raise Unsupported(
                "a mask for another than the first input of a call", where=shown(self.layer), way_out=_PART
            )
        return found[0] if found else None

    @property
    def causal(self) -> bool:
        return bool(self.keywords.get("use_causal_mask"))


def _tensors(value: Any) -> list[Tensor]:
    match value:
        case Given(tensor):
            return [tensor]
        case Mapping():
            return [t for v in value.values() for t in _tensors(v)]
        case list() | tuple():
            return [t for v in value for t in _tensors(v)]
        case slice():
            return _tensors([value.start, value.stop, value.step])
        case _:
            return []


def read_calls(layer: str, inbound: Any, reading: Reading) -> list[Called]:
    """Every call of one layer. Keywords that no layer here understands are refused by name."""
    if not isinstance(inbound, list):
        raise DamagedFile("inbound_nodes is no list", where=shown(layer))
    read = (
        _call_of_keras3
        if reading.era.generation >= 3 or any(isinstance(n, Mapping) and "args" in n for n in inbound)
        else _call_of_keras2
    )
    calls = [read(layer, node) for node in inbound if node]
    for call in calls:
        refuse_more(call.tensors, "tensors of one call", shown(layer))
    return calls


def check_keywords(call: Called, where: str) -> None:
    """Unsupported for a call keyword whose effect would be lost."""
    understood = {"mask", "initial_state", "use_causal_mask", *_POSITIONS}
    for key, value in call.keywords.items():
        if (
            key not in understood
            and not (key in _HARMLESS and (key == "training" or value in (None, False)))
            and value not in (None, False)
        ):
            named = ", ".join(tensor[0] for tensor in _tensors(value))
            found = f"the output of {shown(named)}" if named else shown(value)
            raise Unsupported(f"the call keyword {shown(key)}", where=shown(where), found=found, way_out=_PART)
        if key in ("mask", "initial_state") and not _tensors_alone(value):
            raise Unsupported(f"{key} that is no tensor", where=shown(where), found=shown(value))


def _tensors_alone(value: Any) -> bool:
    """Whether nothing but tensors, and none at all, is given."""
    if isinstance(value, list | tuple):
        return all(_tensors_alone(one) for one in value)
    return value is None or value is False or isinstance(value, Given)


def _call_of_keras3(layer: str, node: Any) -> Called:
    if not isinstance(node, Mapping):
        raise DamagedFile("an inbound node that is no {args, kwargs}", where=shown(layer), found=shown(node))
    arguments = [_given3(a, layer) for a in node.get("args") or []]
    return Called(
        layer=layer,
        arguments=tuple(arguments),
        keywords={str(k): _given3(v, layer) for k, v in (node.get("kwargs") or {}).items()},
    )


def _given3(value: Any, where: str) -> Any:
    if isinstance(value, Mapping):
        class_name, config = value.get("class_name"), value.get("config")
        if class_name == "__keras_tensor__" and isinstance(config, Mapping):
            return Given(_history(config.get("keras_history"), where))
        if class_name == "__slice__" or {"start", "stop", "step"} <= value.keys():
            parts = config if isinstance(config, Mapping) else value
            return slice(*(_given3(parts.get(k), where) for k in ("start", "stop", "step")))
        if class_name == "__tuple__":
            return tuple(_given3(v, where) for v in value.get("items") or config or [])
        if class_name == "__ellipsis__":
            return Ellipsis
        if class_name == "__numpy__" and isinstance(config, Mapping):
            return config.get("value")
        return {k: _given3(v, where) for k, v in value.items()}
    return [_given3(v, where) for v in value] if isinstance(value, list) else value


def _history(value: Any, where: str) -> Tensor:
    if not (
        isinstance(value, list)
        and len(value) == 3
        and isinstance(value[0], str)
        and all(isinstance(n, int) for n in value[1:])
    ):
        raise DamagedFile("a tensor without [layer, call, output]", where=shown(where), found=shown(value))
    return (value[0], value[1], value[2])


def _call_of_keras2(layer: str, node: Any) -> Called:
    keywords: dict[str, Any] = {}
    if isinstance(node, list) and isinstance(node[0], str):
        return Called(layer=layer, arguments=tuple(_entries([node], layer, keywords)), keywords=keywords)
    return Called(layer=layer, arguments=(_entries(node, layer, keywords),), keywords=keywords)


def _entries(entries: Any, layer: str, keywords: dict[str, Any]) -> list[Any]:
    if isinstance(entries, Mapping):
        return [a for v in entries.values() for a in _entries([v], layer, keywords)]
    found: list[Any] = []
    for entry in entries:
        if isinstance(entry, list) and len(entry) in (3, 4) and isinstance(entry[0], str) and isinstance(entry[1], int):
            if len(entry) == 4 and isinstance(entry[3], Mapping):
                keywords.update({str(k): _given2(v) for k, v in entry[3].items()})
            found.append(entry[2] if entry[0] == "_CONSTANT_VALUE" else Given(_history(entry[:3], layer)))
        elif isinstance(entry, list | Mapping):
            found.append(_entries(entry, layer, keywords))
        else:
            raise DamagedFile(
                "an inbound node that is no [layer, call, output]", where=shown(layer), found=shown(entry)
            )
    return found


def _given2(value: Any) -> Any:
    if isinstance(value, list):
        if (
            len(value) in (3, 4)
            and isinstance(value[0], str)
            and all(isinstance(n, int) and not isinstance(n, bool) for n in value[1:3])
        ):
            return value[2] if value[0] == "_CONSTANT_VALUE" else Given((value[0], value[1], value[2]))
        return [_given2(v) for v in value]
    if isinstance(value, Mapping):
        if value.get("class_name") == "__ellipsis__":
            return Ellipsis
        if value.keys() == {"start", "stop", "step"}:
            return slice(*(_given2(value[k]) for k in ("start", "stop", "step")))
        return {k: _given2(v) for k, v in value.items()}
    return value
