"""What Keras keeps in HDF5: full models and weights in the legacy layout (Keras 1.0 to 3), and weights in the layout
of Keras 3 (TensorFlow 2.12 on)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from weight_mapping.errors import DamagedFile, NoModel, shown
from weight_mapping.files.archive import Archive, Array, Layers, Stored
from weight_mapping.files.guard import Source, array_budget, reading
from weight_mapping.files.hdf5 import Tree, read_tree
from weight_mapping.files.hdf5_data import Dataset, read
from weight_mapping.files.strict_json import parse_object

_OPTIMIZER = ("optimizer_weights", "optimizer")
_SKIPPED = ("metrics",)
_ROOTS = ("layers", "_layer_checkpoint_dependencies")
"""The root group of the Keras 3 layout: since TensorFlow 2.14, and in 2.12 and 2.13."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrays:
    """The arrays of one HDF5 file, in whichever of the two layouts."""

    layers: Layers | None = None
    tree: Mapping[str, Stored] | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    optimizer: Mapping[str, Stored] = field(default_factory=dict)
    attributes: Mapping[str, Any]
    """The attributes of the root and, over them, of model_weights."""
    reader: Callable[[Stored], Array]


def open_h5(source: Source, max_bytes: int, keep_optimizer: bool) -> Archive:
    """A model or weights in an HDF5 file."""
    arrays = read_arrays(source, max_bytes, keep_optimizer)
    attributes = arrays.attributes
    config = None
    if "model_config" in attributes:
        config = parse_object(_text(attributes, "model_config", source.name) or "", f"{source.name}:model_config")
    weights_only = "h5 weights" if arrays.tree is None else "h5 weights v3"
    return Archive(
        container=weights_only if config is None else "h5 model",
        path=source.path,
        sha256=source.sha256(),
        keras_version=_text(attributes, "keras_version", source.name),
        backend=_text(attributes, "backend", source.name) or _backend_by_names(arrays.layers),
        config=config,
        layers=arrays.layers,
        tree=arrays.tree,
        names=arrays.names,
        optimizer=arrays.optimizer,
        reader=arrays.reader,
    )


def read_arrays(source: Source, max_bytes: int, keep_optimizer: bool) -> Arrays:
    """The headers of an HDF5 file's arrays; DamagedFile where Keras wrote none of them."""
    skipped = _SKIPPED if keep_optimizer else _SKIPPED + _OPTIMIZER
    tree = read_tree(source, array_budget(source.length, max_bytes), lambda name: _root(name) not in skipped)
    reader = _reader(source, tree.datasets)
    optimizer = {path: _stored(path, path, data) for path, data in tree.datasets.items() if _root(path) in _OPTIMIZER}
    attributes = tree.groups[""]
    top = next((top for top in ("model_weights", "") if _has_list(tree.groups.get(top, {}), "layer_names")), None)
    if top is not None:
        return Arrays(
            layers=_legacy_layers(tree, top, source.name),
            optimizer=optimizer,
            attributes={**attributes, **tree.groups[top]},
            reader=reader,
        )
    if any(_root(name) in (*_ROOTS, "vars") for name in tree.groups):
        paths = {path: _normal(path) for path in (*tree.groups, *tree.datasets) if path not in optimizer}
        if len(set(paths.values())) != len(paths):
            raise DamagedFile("two names mean the same variable", where=source.name)
        stored = {
            paths[path]: _stored(paths[path], path, data) for path, data in tree.datasets.items() if path in paths
        }
        return Arrays(tree=stored, names=_names(tree, paths), optimizer=optimizer, attributes=attributes, reader=reader)
    raise NoModel(
        "the HDF5 file holds no Keras weights",
        where=source.name,
        found=", ".join(shown(name) for name in list(tree.groups)[1:6]) or "no groups",
        expected="model_weights, layer_names or layers",
    )


def _reader(source: Source, datasets: Mapping[str, Dataset]) -> Callable[[Stored], Array]:
    def array(stored: Stored) -> Array:
        where = f"{source.name}:{shown(stored.path)}"
        with reading(where), source.view() as view:
            return read(view, datasets[stored.path], where)

    return array


def _stored(name: str, path: str, data: Dataset) -> Stored:
    return Stored(name=name, path=path, shape=data.shape, dtype=data.dtype.newbyteorder("="))


def _legacy_layers(tree: Tree, top: str, file: str) -> Layers:
    """The layers in the order of layer_names, each with its arrays in the order of weight_names."""
    layers: dict[str, tuple[Stored, ...]] = {}
    for layer in _texts(tree.groups[top], "layer_names", file):
        group = f"{top}/{layer}".removeprefix("/")
        where = f"{file}:{shown(group)}"
        if group not in tree.groups:
            raise DamagedFile("a layer of layer_names has no group", where=where)
        if layer in layers:
            raise DamagedFile("a layer stands twice in layer_names", where=where)
        arrays: dict[str, Stored] = {}
        for weight in _texts(tree.groups[group], "weight_names", where):
            path = f"{group}/{weight}"
            if path not in tree.datasets:
                raise DamagedFile("an array of weight_names is missing", where=f"{file}:{shown(path)}")
            if path in arrays:
                raise DamagedFile(
                    "two weights were saved under one name, so that one of them is not in the file",
                    where=f"{file}:{shown(path)}",
                    way_out="TensorFlow 2.1 saved stacked cells so: save with a newer version, or as a SavedModel.",
                )
            arrays[path] = _stored(weight, path, tree.datasets[path])
        layers[layer] = tuple(arrays.values())
    return tuple(layers.items())


def _root(path: str) -> str:
    return path.replace("\\", "/").split("/")[0]


def _normal(path: str) -> str:
    """The name under today's Keras: Windows wrote backslashes, TensorFlow 2.12 and 2.13 another root."""
    if _root(path) not in _ROOTS:
        return path
    return "/".join("layers" if part == _ROOTS[1] else part for part in path.replace("\\", "/").split("/"))


def _names(tree: Tree, paths: Mapping[str, str]) -> dict[str, str]:
    """The attribute `name` of each group `vars`, by the path of the group above it."""
    found: dict[str, str] = {}
    for path, attributes in tree.groups.items():
        above, _, last = paths.get(path, "").rpartition("/")
        name = _text(attributes, "name", path) if last == "vars" else None
        if name is not None:
            found[above] = name
    return found


def _has_list(attributes: Mapping[str, Any], name: str) -> bool:
    return name in attributes or f"{name}0" in attributes


def _texts(attributes: Mapping[str, Any], name: str, where: str) -> list[str]:
    """A list of strings; Keras splits one above 64 kB into name0, name1, …"""
    if not _has_list(attributes, name):
        raise DamagedFile(f"the attribute {name} is missing", where=where)
    parts, count = [attributes.get(name)], 0
    while name not in attributes and f"{name}{count}" in attributes:
        parts.append(attributes[f"{name}{count}"])
        count += 1
    return [
        _decoded(item, name, where)
        for part in parts
        if isinstance(part, np.ndarray)
        for item in part.ravel()
        if part.size
    ]


def _text(attributes: Mapping[str, Any], name: str, where: str) -> str | None:
    return _decoded(attributes[name], name, where) if name in attributes else None


def _decoded(value: Any, name: str, where: str) -> str:
    with reading(f"{where}@{name}"):
        text = value.decode() if isinstance(value, bytes) else value
    if not isinstance(text, str):
        raise DamagedFile("the attribute is not text", where=f"{where}@{name}", found=type(text).__name__)
    return text


def _backend_by_names(layers: Layers | None) -> str | None:
    """Before Keras 2.0 no attribute tells the backend; TensorFlow's variables are called `…:0`, Theano's are not."""
    names = [stored.name for _, arrays in layers or () for stored in arrays]
    return None if not names else "tensorflow" if all(name.endswith(":0") for name in names) else "theano"
