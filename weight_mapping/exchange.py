"""A spec as JSON and back, exactly, and the port's own safetensors file that carries it.

The decoder knows the classes of `weight_mapping.spec` and nothing else: a name from a file is compared, never
resolved."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from weight_mapping import spec as words
from weight_mapping.activations import ROWS, Activation, activation
from weight_mapping.declared import check_fields
from weight_mapping.errors import DamagedFile, WeightsMismatch, shown
from weight_mapping.files.archive import Archive
from weight_mapping.files.guard import reading
from weight_mapping.plain import KINDS, match, plain, weight_shapes
from weight_mapping.proving import check_unchanged
from weight_mapping.spec import Cell, ConvCell, Custom, Leaf, ModelSpec, Path, Plain, leaves
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
    """A record whose fields have the types that it declares."""
    if kind is Activation:
        if given.get("name") not in ROWS:
            raise DamagedFile("no activation of this name", found=shown(given.get("name")))
        return activation(given["name"], **dict(given["parameters"]))
    if kind is Plain:
        if given.get("kind") not in KINDS:
            raise DamagedFile("no layer of this kind", found=shown(given.get("kind")))
        return plain(given["kind"], **given["options"])
    made = kind(**given)
    check_fields(made, kind.__name__)
    if kind is ModelSpec:
        _check_graph(made)
    return made


def _check_graph(model: ModelSpec) -> None:
    """Every node calls a layer of the model on what is computed before it."""
    known = {one.name for one in model.inputs}
    for node in model.nodes:
        taken = (*node.inputs, *node.initial_state, *([node.mask] if node.mask else []))
        if node.layer not in model.layers or node.name in known or any(ref.node not in known for ref in taken):
            raise ValueError(f"the node {node.name} stands in no order")
        known.add(node.name)
    if any(ref.node not in known for ref in model.outputs):
        raise ValueError("an output of no node")


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
    """A port's own safetensors: the spec from its metadata, every array checked against it by name and shape, and
    against the digest that the file carries."""
    where = str(archive.path)
    with reading(f"{where}:spec"):
        document = json.loads(archive.metadata["spec"])
        if not isinstance(document, Mapping) or document.get("schema") != SCHEMA:
            raise DamagedFile("another schema of spec", where=where, found=shown(document)[:40], expected=SCHEMA)
        spec = from_data(document.get("spec"))
        if not isinstance(spec, ModelSpec):
            raise DamagedFile("a spec that is no model", where=where, found=type(spec).__name__)
        told = document.get("source") or {}
        source = Source(
            container=archive.container,
            path=where,
            sha256=archive.sha256,
            keras_version=told.get("keras_version"),
            backend=told.get("backend"),
            resolved=tuple(map(str, told.get("resolved") or ())),
        )
        check_fields(replace(source, origins={}), "source")
        named: dict[str, dict[str, Any]] = {}
        for name, stored in (archive.named or {}).items():
            named.setdefault(name.rpartition("/")[0], {})[name.rpartition("/")[2]] = stored
        weights = {
            path: bound(leaf, {n: archive.read(one) for n, one in named.pop("/".join(path), {}).items()}, path)
            for path, leaf in leaves(spec)
            if "/".join(path) in named or expected(leaf)
        }
        if named:
            beside = ", ".join(map(shown, sorted(named)[:6]))
            raise WeightsMismatch("arrays that belong to no layer", where=where, found=beside)
        portable = Portable(spec=spec, weights=weights, source=source)
        if "proof" in archive.metadata:
            check_unchanged(archive, portable)
        return portable


def expected(leaf: Leaf) -> tuple[str, ...]:
    """The names of the arrays that a leaf must have."""
    if isinstance(leaf, Cell | ConvCell):
        return ("kernel", "recurrent", *(("bias",) if leaf.bias != "none" else ()))
    return tuple(weight_shapes(leaf)) if isinstance(leaf, Plain) else ()


def bound(leaf: Leaf, arrays: Mapping[str, Any], path: Path) -> LeafWeights:
    """These arrays as the weights of this leaf; WeightsMismatch where it asks for others. A layer of its author's own
    takes any."""
    if isinstance(leaf, Custom):
        return dict(arrays)
    where = shown("/".join(path))
    if set(expected(leaf)) != set(arrays):
        found = [shown(name) for name in sorted(arrays)]
        raise WeightsMismatch("other arrays than the spec asks for", where=where, found=found, expected=expected(leaf))
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
    if isinstance(leaf, Plain):
        sizes: dict[str, int] = {}
        for name, shape in weight_shapes(leaf).items():
            match(f"{where}/{name}", arrays[name].shape, shape, sizes)
    return {name: arrays[name] for name in expected(leaf)}
