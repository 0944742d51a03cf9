"""TensorFlow's checkpoints, read without TensorFlow: `PREFIX.index`, a table of names and places, and the arrays in
`PREFIX.data-00000-of-00001`. Sources: tensorflow/core/protobuf/tensor_bundle.proto, and the table's format in
tensorflow/core/lib/io/format.h (LevelDB's, never compressed by TensorFlow's writer). The checksums of the table's
blocks are compared when it is read, an array's with the array."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import prod

import numpy as np

from weight_mapping.bits import parts
from weight_mapping.errors import DamagedFile, Unsupported, shown
from weight_mapping.files import crc32c, object_graph, protobuf
from weight_mapping.files.archive import Array, Stored
from weight_mapping.files.guard import Source, array_budget, reading

MAGIC = struct.pack("<Q", 0xDB4775248B80FB57)
_FOOTER = 48
_TRAILER = 5  # a byte for the compression, four for the checksum
_MAX_INDEX = 64 << 20
_MAX_SHARDS = 10_000
# tensorflow/core/framework/types.proto
_TYPES = {
    1: "f4",
    2: "f8",
    3: "i4",
    4: "u1",
    5: "i2",
    6: "i1",
    9: "i8",
    10: "?",
    17: "u2",
    19: "f2",
    22: "u4",
    23: "u8",
}
_STRING, _BFLOAT16 = 7, 14


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The headers of a checkpoint's arrays, by what the object graph calls the variable, in its order, where the
    checkpoint holds one, else by key; `extra` are those of optimizers and metrics. `files` are those that were read."""

    named: dict[str, Stored]
    extra: dict[str, Stored]
    files: list[Source]
    reader: Callable[[Stored], Array]


def read_checkpoint(index: Source, find: Callable[[str], Source], max_bytes: int) -> Checkpoint:
    """`index` is the `.index` file, `find` gives the file of a name beside it."""
    with reading(index.name):
        entries = dict(_table(index))
        shards = _shards(entries.pop(b"", b""), index, find)
        _check_ends(entries.values(), shards, index.name)
        budget = array_budget(sum(shard.length for shard in shards), max_bytes)
        graph = entries.get(object_graph.KEY)
        paths = None if graph is None else object_graph.variables(_graph(graph, shards, index.name), index.name)
        named: dict[str, Stored] = {}
        extra: dict[str, Stored] = {}
        places: dict[str, Source] = {}
        checksums: dict[str, int] = {}
        for raw, entry in entries.items():
            key = raw.decode()
            where = f"{index.name}:{shown(key)}"
            if protobuf.number(entry, 1, where) == _STRING:
                continue
            name = key if paths is None else paths.get(key, key)
            stored = _header(name, key, entry, where)
            budget.spend(stored.nbytes, where)
            places[key], checksums[key] = _place(entry, shards, where), protobuf.number(entry, 6, where)
            if places[key].length != stored.nbytes:
                raise DamagedFile("the array contradicts itself", where=where, expected=f"{stored.nbytes} bytes")
            (named if paths is None or key in paths else extra)[name] = stored

        if paths is not None:
            named = {name: named[name] for name in paths.values() if name in named}

    def read(stored: Stored) -> Array:
        where = f"{index.name}:{shown(stored.path)}"
        with reading(where), places[stored.path].view() as view:
            array = view.array(0, stored.shape, stored.dtype.newbyteorder("<"))
            _check(crc32c.masked(parts(array)), checksums[stored.path], where)
            return array

    return Checkpoint(named, extra, [index, *shards], read)


def _shards(header: bytes, index: Source, find: Callable[[str], Source]) -> list[Source]:
    """The files of a BundleHeaderProto: num_shards 1, endianness 2."""
    count = protobuf.number(header, 1, index.name)
    if protobuf.number(header, 2, index.name) != 0:
        raise Unsupported("a checkpoint written by a big-endian machine", where=index.name)
    if not 1 <= count <= _MAX_SHARDS:
        raise DamagedFile("the checkpoint has no usable number of shards", where=index.name, found=count)
    prefix = index.path.name.removesuffix(".index")
    return [find(f"{prefix}.data-{n:05d}-of-{count:05d}") for n in range(count)]


def _check_ends(entries: Iterable[bytes], shards: list[Source], where: str) -> None:
    """No shard goes on behind its last array: a hole there costs nothing on the disk, and would all be hashed."""
    ends = [0] * len(shards)
    for entry in entries:
        number, offset, size = (protobuf.number(entry, field, where) for field in (3, 4, 5))
        if number < len(shards):
            ends[number] = max(ends[number], offset + size)
    for shard, end in zip(shards, ends, strict=True):
        if shard.length > end:
            found, expected = f"{shard.length:,} bytes", f"at most {end:,}"
            raise DamagedFile("a shard goes on behind its last array", where=shard.name, found=found, expected=expected)


def _place(entry: bytes, shards: list[Source], where: str) -> Source:
    """The bytes of one entry."""
    shard, offset, size = (protobuf.number(entry, field, where) for field in (3, 4, 5))
    if shard >= len(shards):
        raise DamagedFile("the array lies in a shard that is not there", where=where, found=shard, expected=len(shards))
    return shards[shard].part(where, offset, size)


def _graph(entry: bytes, shards: list[Source], where: str) -> bytes:
    place = _place(entry, shards, where)
    if place.length > _MAX_INDEX:
        raise DamagedFile("the object graph is too large", where=where, found=f"{place.length:,} bytes")
    graph, summed = object_graph.graph_of(place.read(), where)
    _check(crc32c.masked(summed), protobuf.number(entry, 6, where), f"{where}:{object_graph.KEY.decode()}")
    return graph


def _header(name: str, key: str, entry: bytes, where: str) -> Stored:
    """A BundleEntryProto: dtype 1, shape 2, shard 3, offset 4, size 5, checksum 6, slices 7."""
    kind = protobuf.number(entry, 1, where)
    if kind not in _TYPES:
        found = "bfloat16" if kind == _BFLOAT16 else f"TensorFlow's type {kind}"
        raise Unsupported(
            "an array of a type that is not read here", where=where, found=found, way_out="Cast it to float32."
        )
    if protobuf.messages(entry, 7, where):
        raise Unsupported("a variable in slices (a partitioned variable)", where=where)
    dims = [d for shape in protobuf.messages(entry, 2, where) for d in protobuf.messages(shape, 2, where)]
    shape = tuple(protobuf.number(d, 1, where) for d in dims)
    if any(size >= 1 << 63 for size in shape) or len(shape) > 32 or prod(shape) >= 1 << 62:
        raise DamagedFile("the array has no usable shape", where=where, found=shape)
    return Stored(name=name, path=key, shape=shape, dtype=np.dtype(_TYPES[kind]))


def _table(index: Source) -> Iterator[tuple[bytes, bytes]]:
    """Every key and value of the sorted table."""
    if index.length > _MAX_INDEX:
        raise DamagedFile("the checkpoint's index is too large", where=index.name, found=f"{index.length:,} bytes")
    data = index.read()
    footer = data[-_FOOTER:]
    if len(footer) != _FOOTER or footer[-8:] != MAGIC:
        raise DamagedFile("not a checkpoint's index, or truncated", where=index.name, way_out="Fetch the file again.")
    _, at = _handle(footer, 0, index.name)
    root, _ = _handle(footer, at, index.name)
    pairs = 0
    for _, value in _block(data, root, index.name):
        for pair in _block(data, _handle(value, 0, index.name)[0], index.name):
            pairs += 1
            if pairs > index.length:  # blocks that name one another's bytes
                raise DamagedFile("the checkpoint's index has no end", where=index.name)
            yield pair


def _handle(data: bytes, at: int, where: str) -> tuple[tuple[int, int], int]:
    """A block's (offset, size), and where the next thing begins."""
    offset, at = protobuf.varint(data, at, where)
    size, at = protobuf.varint(data, at, where)
    return (offset, size), at


def _block(data: bytes, handle: tuple[int, int], where: str) -> Iterator[tuple[bytes, bytes]]:
    """The pairs of one block; each key shares a prefix with the one before."""
    offset, size = handle
    if offset + size + _TRAILER > len(data) - _FOOTER or size < 4:
        raise DamagedFile("a block lies outside of the checkpoint's index", where=where)
    if data[offset + size] != 0:
        raise Unsupported("a compressed checkpoint index", where=where)
    block, checksum = data[offset : offset + size], data[offset + size + 1 : offset + size + _TRAILER]
    _check(crc32c.masked([block, data[offset + size : offset + size + 1]]), int.from_bytes(checksum, "little"), where)
    (restarts,) = struct.unpack_from("<I", block, size - 4)
    end, at, key = size - 4 - 4 * restarts, 0, b""
    while at < end:
        shared, at = protobuf.varint(block, at, where)
        own, at = protobuf.varint(block, at, where)
        length, at = protobuf.varint(block, at, where)
        if shared > len(key) or at + own + length > end:
            raise DamagedFile("an entry of the checkpoint's index contradicts itself", where=where)
        key = key[:shared] + block[at : at + own]
        yield key, block[at + own : at + own + length]
        at += own + length


def _check(found: int, told: int, where: str) -> None:
    if found != told:
        raise DamagedFile(
            "a checksum is wrong: the file is damaged", where=where, found=f"{found:08x}", expected=f"{told:08x}",
            way_out="Fetch the file again.",
        )  # fmt: skip
