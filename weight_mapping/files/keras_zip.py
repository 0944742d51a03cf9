"""The `.keras` archive of TensorFlow 2.12 on and Keras 3: metadata.json, config.json, and the weights in one HDF5 file
or, with sharding, in several that model.weights.json lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from weight_mapping.errors import DamagedFile, shown
from weight_mapping.files.archive import Archive, Array, Stored
from weight_mapping.files.guard import Source, array_budget, digest
from weight_mapping.files.keras_h5 import Arrays, read_arrays
from weight_mapping.files.strict_json import parse_object, text_of
from weight_mapping.files.zipped import Members

CONFIG, METADATA, WEIGHTS, SHARDS = "config.json", "metadata.json", "model.weights.h5", "model.weights.json"


def configuration(members: Members, max_bytes: int) -> tuple[dict[str, Any], str | None]:
    """The model's configuration and the version of Keras that wrote it."""
    budget = array_budget(members.source.length, max_bytes)
    config, metadata = (_json(members.open(name, budget)) for name in (CONFIG, METADATA))
    version = metadata.get("keras_version")
    if version is not None and not isinstance(version, str):
        raise DamagedFile(
            "the version is not text", where=f"{members.source.name}:{METADATA}", found=type(version).__name__
        )
    return config, version


def open_keras(members: Members, max_bytes: int, keep_optimizer: bool) -> Archive:
    """A model in a `.keras` archive."""
    config, version = configuration(members, max_bytes)
    budget = array_budget(members.source.length, max_bytes)
    if SHARDS in members and WEIGHTS not in members:
        index = members.open(SHARDS, budget)
        arrays, _ = _read_shards(index, lambda name: members.open(name, budget), max_bytes, keep_optimizer)
    else:
        arrays = read_arrays(members.open(WEIGHTS, budget), max_bytes, keep_optimizer)
    return Archive(
        container="keras zip",
        path=members.source.path,
        sha256=members.source.sha256(),
        keras_version=version,
        config=config,
        layers=arrays.layers,
        tree=arrays.tree,
        names=arrays.names,
        optimizer=arrays.optimizer,
        reader=arrays.reader,
    )


def open_shards(index: Source, find: Callable[[str], Source], max_bytes: int, keep_optimizer: bool) -> Archive:
    """Weights alone, sharded: `index` is model.weights.json, `find` gives the file of a name beside it."""
    arrays, shards = _read_shards(index, find, max_bytes, keep_optimizer)
    return Archive(
        container="h5 weights v3",
        path=index.path,
        sha256=digest([index, *shards]),
        tree=arrays.tree,
        names=arrays.names,
        optimizer=arrays.optimizer,
        reader=arrays.reader,
    )


def _read_shards(
    index: Source, find: Callable[[str], Source], max_bytes: int, keep_optimizer: bool
) -> tuple[Arrays, list[Source]]:
    """The shards' trees as one. Source of the format: keras/src/saving/saving_lib.py, ShardedH5IOStore (3.15)."""
    listed = _json(index).get("weight_map")
    if not isinstance(listed, dict):
        raise DamagedFile("the list of shards has no weight_map", where=index.name)
    parts = [name for value in listed.values() for name in (value if isinstance(value, list) else [value])]
    tree: dict[str, Stored] = {}
    names: dict[str, str] = {}
    optimizer: dict[str, Stored] = {}
    readers: dict[str, Callable[[Stored], Array]] = {}
    shards = [find(name) for name in sorted({plain_name(part, index.name) for part in parts})]
    for shard in shards:
        part = read_arrays(shard, max_bytes, keep_optimizer)
        if part.tree is None or part.tree.keys() & tree.keys():
            raise DamagedFile("the shards contradict each other", where=shard.name)
        tree.update(part.tree)
        names.update(part.names)
        optimizer.update(part.optimizer)
        readers.update({stored.name: part.reader for stored in (*part.tree.values(), *part.optimizer.values())})

    def read(stored: Stored) -> Array:
        return readers[stored.name](stored)

    return Arrays(tree=tree, names=names, optimizer=optimizer, attributes={}, reader=read), shards


def plain_name(name: Any, where: str) -> str:
    """A file's name as one file may give it for another beside it: a name and nothing else."""
    if not isinstance(name, str) or not name or name in (".", "..") or set(name) & set("/\\:\0"):
        raise DamagedFile(
            "a part's name leads elsewhere", where=where, found=shown(name), expected="a file in the same folder"
        )
    return name


def _json(source: Source) -> dict[str, Any]:
    return parse_object(text_of(source), source.name)
