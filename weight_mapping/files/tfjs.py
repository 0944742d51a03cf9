"""A TensorFlow.js layers model: model.json, with the configuration and the list of arrays, and shards of raw
little-endian numbers beside it. Source: tfjs-core/src/io/types.ts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from weight_mapping.errors import DamagedFile, Unsupported, shown
from weight_mapping.files.archive import Archive, Array, Stored
from weight_mapping.files.guard import Source, array_budget, digest, reading
from weight_mapping.files.keras_zip import plain_name

_TYPES = {"float32": "<f4", "int32": "<i4", "bool": "?", "uint8": "u1", "float16": "<f2"}


@dataclass(frozen=True, slots=True)
class _Group:
    """The shards of one group, one after the other, and the file of each."""

    shards: tuple[Source, ...]

    @property
    def length(self) -> int:
        return sum(shard.length for shard in self.shards)

    def read(self, start: int, size: int) -> bytearray:
        """These bytes, across the borders of shards."""
        data, at = bytearray(), 0
        for shard in self.shards:
            first, last = max(start, at), min(start + size, at + shard.length)
            if first < last:
                data += shard.read(first - at, last - first)
            at += shard.length
        return data


def configuration(model: dict[str, Any], where: str) -> tuple[dict[str, Any] | None, str | None, str | None]:
    """The configuration, the version and the backend that model.json tells."""
    topology = model.get("modelTopology")
    if topology is None:
        return None, None, None
    if not isinstance(topology, dict) or "node" in topology or model.get("format") == "graph-model":
        raise Unsupported(
            "a TensorFlow.js graph model, which no longer knows its layers",
            where=where,
            way_out="Convert the Keras model with the output format tfjs_layers_model.",
        )
    config = topology.get("model_config", topology)
    if not isinstance(config, dict) or "class_name" not in config:
        raise DamagedFile("modelTopology holds no Keras configuration", where=where)
    return config, topology.get("keras_version"), topology.get("backend")


def open_tfjs(source: Source, model: dict[str, Any], find: Callable[[str], Source], max_bytes: int) -> Archive:
    """`model` is model.json parsed, `find` gives the file of a name beside it."""
    config, version, backend = configuration(model, source.name)
    named: dict[str, Stored] = {}
    places: dict[str, tuple[_Group, int]] = {}
    shards: list[Source] = []
    with reading(f"{source.name}:weightsManifest"):
        for entry in model["weightsManifest"]:
            group = _Group(tuple(find(plain_name(name, source.name)) for name in entry["paths"]))
            shards += group.shards
            if len({shard.name for shard in shards}) < len(shards):  # a short file, listed often, would seem a long one
                raise DamagedFile("a shard stands twice in the list", where=f"{source.name}:weightsManifest")
            offset = 0
            for stored in (_header(weight, source.name) for weight in entry["weights"]):
                if stored.name in named:
                    raise DamagedFile("two arrays have one name", where=f"{source.name}:{shown(stored.name)}")
                named[stored.name], places[stored.name] = stored, (group, offset)
                offset += stored.nbytes
            if offset != group.length:
                raise DamagedFile(
                    "the shards are not as long as their arrays",
                    where=", ".join(shard.name for shard in group.shards),
                    found=f"{group.length:,} bytes",
                    expected=f"{offset:,}",
                    way_out="Fetch the shards again.",
                )
    array_budget(sum(shard.length for shard in shards), max_bytes).spend(
        sum(s.nbytes for s in named.values()), source.name
    )

    def read(stored: Stored) -> Array:
        group, offset = places[stored.name]
        data = group.read(offset, stored.nbytes)
        return (
            np.frombuffer(data, stored.dtype.newbyteorder("<")).reshape(stored.shape).astype(stored.dtype, copy=False)
        )

    return Archive(
        container="tfjs",
        path=source.path,
        sha256=digest([source, *shards]),
        keras_version=version,
        backend=backend,
        config=config,
        named=named,
        reader=read,
    )


def _header(weight: dict[str, Any], where: str) -> Stored:
    name, shape, dtype = weight["name"], weight["shape"], weight["dtype"]
    where = f"{where}:{shown(name)}"
    if "quantization" in weight:
        raise Unsupported("a quantised array", where=where, way_out="Convert the model without quantisation.")
    if dtype not in _TYPES:
        raise Unsupported(
            "an array of a type that is not read here", where=where, found=shown(dtype), expected=", ".join(_TYPES)
        )
    if not all(isinstance(size, int) and 0 <= size < 1 << 62 for size in shape) or prod(shape) >= 1 << 62:
        raise DamagedFile("the array has no usable shape", where=where, found=shape)
    return Stored(name=name, path=name, shape=tuple(shape), dtype=np.dtype(_TYPES[dtype]).newbyteorder("="))
