"""A spec as JSON and back, exactly, and the port's own safetensors file that carries it.

The decoder knows the classes of `weight_mapping.spec` and nothing else: a name from a file is compared, never
resolved."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from weight_mapping import spec as words
from weight_mapping.activations import ROWS, Activation, activation
from weight_mapping.errors import DamagedFile, WeightsMismatch, shown
from weight_mapping.files.archive import Archive
from weight_mapping.plain import KINDS, plain, weight_shapes
from weight_mapping.spec import Cell, ConvCell, Leaf, ModelSpec, Path, Plain, leaves
from weight_mapping.weights import CellWeights, LeafWeights, Portable, Source

SCHEMA = 1
_CLASSES: Mapping[str, type[Any]] = {
    c.__name__: c
    for c in (
        words.Cell, words.ConvCell, words.Recurrent, words.Bidirectional, words.TimeDistributed, words.Plain,
        words.Slot,
        words.Operation, words.Custom, words.Ref, words.Node, words.Input, words.ModelSpec, Activation,
    )
}  # fmt: skip


def to_data(value: Any) -> Any:
    """A spec, or any part of one, as plain JSON data."""
    match value:
        case tuple():
            return [to_data(v) for v in value]
        case list():
            return {"type": "list", "items": [to_data(v) for v in value]}
        case slice():
            return {"type": "slice", "items": [to_data(v) for v in (value.start, value.stop, value.step)]}
        case Mapping():
            return {"type": "map", "items": [[str(k), to_data(v)] for k, v in value.items()]}
        case _ if value is Ellipsis:
            return {"type": "ellipsis"}
        case _ if is_dataclass(value) and type(value).__name__ in _CLASSES:
            return {"type": type(value).__name__, **{f.name: to_data(getattr(value, f.name)) for f in fields(value)}}
        case None | bool() | int() | float() | str():
            return value
    raise TypeError(f"no part of a spec: {type(value).__name__}")


def from_data(data: Any) -> Any:
    """The inverse of `to_data`; DamagedFile names what is no part of a spec."""
    if isinstance(data, list):
        return tuple(from_data(v) for v in data)
    if not isinstance(data, Mapping):
        return data
    name, items = str(data.get("type")), data.get("items")
    match name:
        case "list":
            return [from_data(v) for v in items or []]
        case "slice":
            return slice(*(from_data(v) for v in items or [None]))
        case "map":
            return {str(k): from_data(v) for k, v in items or []}
        case "ellipsis":
            return Ellipsis
    if name not in _CLASSES:
        raise DamagedFile("no part of a spec", found=shown(name), expected=", ".join(_CLASSES))
    given = {k: from_data(v) for k, v in data.items() if k != "type"}
    try:
        return _made(_CLASSES[name], given)
    except (TypeError, ValueError, KeyError) as problem:
        raise DamagedFile(f"a {name} that does not fit: {shown(problem)}") from problem


def _made(kind: type[Any], given: dict[str, Any]) -> Any:
    if kind is Activation:
        if given.get("name") not in ROWS:
            raise DamagedFile("no activation of this name", found=shown(given.get("name")))
        return activation(given["name"], **dict(given["parameters"]))
    if kind is Plain:
        if given.get("kind") not in KINDS:
            raise DamagedFile("no layer of this kind", found=shown(given.get("kind")))
        return plain(given["kind"], **given["options"])
    return kind(**given)


def to_json(portable: Portable) -> str:
    """The spec.json of a port: the spec, and which of the arrays belong to it."""
    document = {
        "schema": SCHEMA,
        "spec": to_data(portable.spec),
        "source": source_data(portable.source),
        "arrays": {name: list(array.shape) for name, array in portable.arrays().items()},
    }
    return json.dumps(document, indent=1, allow_nan=True)


def source_data(source: Source) -> dict[str, Any]:
    """Where a model came from, without the configuration that rides along."""
    named = {f: getattr(source, f) for f in ("container", "path", "sha256", "keras_version", "backend")}
    return {**named, "resolved": list(source.resolved)}


def from_archive(archive: Archive) -> Portable:
    """A port's own safetensors: the spec from its metadata, every array checked against it by name and shape."""
    try:
        document = json.loads(archive.metadata["spec"])
    except (ValueError, RecursionError) as problem:
        raise DamagedFile("a spec that is no JSON", where=str(archive.path), found=shown(problem)) from problem
    if not isinstance(document, Mapping) or document.get("schema") != SCHEMA:
        raise DamagedFile(
            "another schema of spec", where=str(archive.path), found=shown(document)[:40], expected=SCHEMA
        )
    spec = from_data(document.get("spec"))
    if not isinstance(spec, ModelSpec):
        raise DamagedFile("a spec that is no model", where=str(archive.path), found=type(spec).__name__)
    named = dict(archive.named or {})
    weights: dict[Path, LeafWeights] = {}
    for path, leaf in leaves(spec):
        names = [name for name in named if name.rpartition("/")[0] == "/".join(path)]
        arrays = {name.rpartition("/")[2]: archive.read(named.pop(name)) for name in names}
        if arrays or _expected(leaf):
            weights[path] = _weights(leaf, arrays, "/".join(path))
    if named:
        raise WeightsMismatch(
            "arrays that belong to no layer", where=str(archive.path), found=", ".join(map(shown, sorted(named)[:6]))
        )
    told = document.get("source") or {}
    source = Source(
        container=archive.container,
        path=str(archive.path),
        sha256=archive.sha256,
        keras_version=told.get("keras_version"),
        backend=told.get("backend"),
        resolved=tuple(told.get("resolved") or ()),
    )
    return Portable(spec=spec, weights=weights, source=source)


def _expected(leaf: Leaf) -> tuple[str, ...]:
    if isinstance(leaf, Cell | ConvCell):
        return ("kernel", "recurrent", *(("bias",) if leaf.bias != "none" else ()))
    return tuple(weight_shapes(leaf)) if isinstance(leaf, Plain) else ()


def _weights(leaf: Leaf, arrays: Mapping[str, Any], where: str) -> LeafWeights:
    if set(_expected(leaf)) != set(arrays):
        raise WeightsMismatch(
            "other arrays than the spec asks for", where=where, found=sorted(arrays), expected=_expected(leaf)
        )
    if isinstance(leaf, Cell | ConvCell):
        reset_after = leaf.reset_after if isinstance(leaf, Cell) else False
        weights = CellWeights(
            kind=leaf.kind,
            reset_after=reset_after,
            bias=arrays.get("bias"),
            kernel=arrays["kernel"],
            recurrent=arrays["recurrent"],
        )
        weights.check(leaf, where)
        return weights
    return {name: arrays[name] for name in _expected(leaf)}
