"""One HDF5 array: its header, checked before anything is read, and its data, each chunk inflated against what the
header promises. Formats: "HDF5 File Format Specification 3.0", IV.A.2."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from itertools import product
from math import ceil, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weight_mapping.errors import DamagedFile, UnsafeFile, Unsupported
from weight_mapping.files.guard import Budget, View, native

Array = NDArray[Any]
_DATASPACE, _DATATYPE, _EXTERNAL, _LAYOUT, _SHARED = 0x01, 0x03, 0x07, 0x08, 2
_COMPACT, _CONTIGUOUS, _CHUNKED, _VIRTUAL = range(4)
_UNDEFINED = (1 << 64) - 1
MAX_RANK = 32
MAX_RATIO = 100  # of a compressed array: no Keras writes one, and trained weights hardly shrink
_SMALL = 1 << 20
FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32"}
_CLASSES = (
    "fixed-point", "float", "time", "string", "bitfield", "opaque (bfloat16?)", "compound", "reference", "enum",
    "variable-length", "array", "complex",
)  # fmt: skip
# Of a float's bits 0 to 6: whether the mantissa's first digit is implied, and no byte order of the VAX.
_ORDERS, _IMPLIED = 0x70, 0x20
# bit offset, precision, exponent's place and size, mantissa's place and size, bias
_IEEE = {2: (0, 16, 10, 5, 0, 10, 15), 4: (0, 32, 23, 8, 0, 23, 127), 8: (0, 64, 52, 11, 0, 52, 1023)}


@dataclass(frozen=True, slots=True)
class Chunks:
    """Where the chunks lie: for each (first element's index, address, stored size, mask of filters left out)."""

    shape: tuple[int, ...]
    filters: tuple[int, ...]
    stored: tuple[tuple[tuple[int, ...], int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Dataset:
    """`dtype` as stored, byte order included; `place`: the address, the bytes themselves, the chunks, or nothing."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    place: int | bytes | Chunks | None


@dataclass(frozen=True, slots=True)
class _Header:
    """What the checks of one array need: pyfive's DataObjects, the file, and what is known so far."""

    objects: Any
    view: View
    where: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def nbytes(self) -> int:
        return prod(self.shape) * self.dtype.itemsize


def header(objects: Any, view: View, where: str, budget: Budget) -> Dataset:
    """Check an array's object header (a pyfive DataObjects), and spend its declared size."""
    messages = {message["type"]: message for message in objects.msgs}
    if _EXTERNAL in messages:
        raise UnsafeFile("the array's data lie in another file", where=where, expected="data inside this file")
    if any(messages[kind]["flags"] & _SHARED for kind in (_DATASPACE, _DATATYPE)):
        raise Unsupported("a shared data type", where=where, way_out="Save the model anew with Keras.")
    shape = objects.shape
    if shape is None or len(shape) > MAX_RANK:
        raise DamagedFile(
            "the array has no usable shape", where=where, found=shape, expected=f"at most {MAX_RANK} axes"
        )
    dtype = _dtype(objects.msg_data, messages[_DATATYPE]["offset_to_message"], where)
    found = _Header(objects, view, where, tuple(shape), dtype)
    budget.spend(found.nbytes, where)
    place = _place(found, messages[_LAYOUT]["offset_to_message"], budget) if found.nbytes else None
    return Dataset(found.shape, dtype, place)


def read(view: View, dataset: Dataset, where: str) -> Array:
    """The array's numbers, in the machine's byte order."""
    match dataset.place:
        case None:
            return np.empty(dataset.shape, dataset.dtype.newbyteorder("="))
        case bytes(data):
            return native(np.frombuffer(data, dataset.dtype).reshape(dataset.shape).copy())
        case int(address):
            return view.array(address, dataset.shape, dataset.dtype)
        case Chunks() as chunks:
            return _read_chunks(view, dataset, chunks, where)


def _dtype(data: bytes, at: int, where: str) -> np.dtype[Any]:
    """The data type message: IEEE floats, integers, and h5py's booleans; anything else is refused by its name.

    pyfive takes any float of two bytes for float16; a bfloat16 would be read wrong, so the bit fields are compared."""
    head, order, sign, _, size = struct.unpack_from("<BBBBI", data, at)
    kind = head & 0x0F
    ieee = (order & _ORDERS, sign) == (_IMPLIED, 8 * size - 1) and _IEEE.get(size)
    if kind == 0 and size in (1, 2, 4, 8) and struct.unpack_from("<HH", data, at + 8) == (0, 8 * size):
        return np.dtype(f"{'>' if order & 1 else '<'}{'i' if order & 8 else 'u'}{size}")
    if kind == 1 and struct.unpack_from("<HHBBBBI", data, at + 8) == ieee:
        return np.dtype(f"{'>' if order & 1 else '<'}f{size}")
    if kind == 8 and size == 1 and b"FALSE\0" in data[at : at + 64] and b"TRUE\0" in data[at : at + 64]:
        return np.dtype(bool)
    name = _CLASSES[kind] if kind < len(_CLASSES) else f"class {kind}"
    raise Unsupported(
        "an array of a type that holds no plain numbers",
        where=where,
        found=f"{name}, {size} bytes an element",
        expected="float16, float32, float64, an integer or bool",
        way_out="Cast the weights to float32 before saving.",
    )


def _place(found: _Header, at: int, budget: Budget) -> int | bytes | Chunks:
    """The layout message: where the data lie."""
    data, where = found.objects.msg_data, found.where
    version, kind = struct.unpack_from("<BB", data, at)
    if kind == _VIRTUAL:
        raise UnsafeFile("a virtual array, made of other files' data", where=where, expected="data inside this file")
    if version not in (3, 4) or kind > _VIRTUAL or (version, kind) == (4, _CHUNKED):
        layout = f"version {version}, class {kind}"
        raise Unsupported("an HDF5 layout that Keras does not write", where=where, found=layout)
    if kind == _COMPACT:
        (size,) = struct.unpack_from("<H", data, at + 2)
        _same("bytes stored", size, found.nbytes, where)
        return bytes(data[at + 4 : at + 4 + size])
    if kind == _CONTIGUOUS:
        address, size = struct.unpack_from("<QQ", data, at + 2)
        _same("bytes stored", 0 if address == _UNDEFINED else size, found.nbytes, where)
        _same("filters without chunks", len(found.objects.filter_pipeline or ()), 0, where)
        found.view.within(address, found.nbytes)
        return int(address)
    rank, address = struct.unpack_from("<BQ", data, at + 2)
    *chunk, itemsize = struct.unpack_from(f"<{rank}I", data, at + 11)
    _same("axes of a chunk", len(chunk), len(found.shape), where)
    _same("bytes of an element", itemsize, found.dtype.itemsize, where)
    if address == _UNDEFINED or not all(chunk):
        expected = f"{found.nbytes:,} bytes"
        raise UnsafeFile("the array declares more than it stores", where=where, found="no data", expected=expected)
    budget.spend(max(prod(chunk) * itemsize - found.nbytes, 0), where)
    return _chunks(found, address, tuple(chunk))


def _chunks(found: _Header, address: int, chunk: tuple[int, ...]) -> Chunks:
    """The index of a chunked array: every chunk is there, once, and inside the file."""
    from pyfive.btree import BTreeV1RawDataChunks

    view, where = found.view, found.where
    filters = tuple(entry["filter_id"] for entry in found.objects.filter_pipeline or ())
    unknown = [f for f in filters if f not in FILTERS]
    if unknown:
        raise Unsupported(
            "a filter that is not read here",
            where=where,
            found=f"filter {unknown[0]}",
            expected=", ".join(FILTERS.values()),
            way_out="Save the model anew with Keras, which compresses nothing.",
        )
    leaves = BTreeV1RawDataChunks(view, address, len(chunk) + 1).all_nodes[0]
    stored = tuple(
        (key["chunk_offset"][:-1], place, key["chunk_size"], key["filter_mask"])
        for node in leaves
        for key, place in zip(node["keys"], node["addresses"], strict=True)
    )
    count = prod(ceil(size / step) for size, step in zip(found.shape, chunk, strict=True))
    if len(stored) != count or {first for first, *_ in stored} != _grid(found.shape, chunk):
        raise DamagedFile("chunks of the array are missing", where=where, found=len(stored), expected=count)
    for _, place, size, _ in stored:
        view.within(place, size)
    if found.nbytes > MAX_RATIO * min(sum(size for _, _, size, _ in stored), view.length) + _SMALL:
        raise UnsafeFile(
            "the array unpacks to far more than it stores",
            where=where,
            found=f"{found.nbytes:,} bytes",
            expected=f"at most {MAX_RATIO}:1",
        )
    return Chunks(chunk, filters, stored)


def _grid(shape: tuple[int, ...], chunk: tuple[int, ...]) -> set[tuple[int, ...]]:
    """The first element's index of every chunk."""
    return set(product(*(range(0, size, step) for size, step in zip(shape, chunk, strict=True))))


def _read_chunks(view: View, dataset: Dataset, chunks: Chunks, where: str) -> Array:
    whole = np.empty(dataset.shape, dataset.dtype)
    size = prod(chunks.shape) * dataset.dtype.itemsize
    for first, address, stored, mask in chunks.stored:
        data = view.exactly(address, stored)
        for index, name in reversed(list(enumerate(FILTERS[f] for f in chunks.filters))):
            if not mask >> index & 1:
                data = _undo(name, data, size, dataset.dtype.itemsize, where)
        _same("bytes of a chunk", len(data), size, where)
        part = np.frombuffer(data, dataset.dtype).reshape(chunks.shape)
        inside = tuple(slice(f, f + step) for f, step in zip(first, chunks.shape, strict=True))
        target = whole[inside]
        target[...] = part[tuple(slice(n) for n in target.shape)]
    return native(whole)


def _undo(name: str, data: bytes, size: int, itemsize: int, where: str) -> bytes:
    """Undo one filter; nothing grows beyond a chunk's `size` and a checksum."""
    if name == "gzip":
        inflater = zlib.decompressobj()
        data = inflater.decompress(data, size + 5)
        if not inflater.eof:
            raise UnsafeFile("a chunk inflates to more than a chunk", where=where, expected=f"{size} bytes")
        return data
    if name == "shuffle":
        whole = len(data) // itemsize * itemsize
        return np.frombuffer(data[:whole], np.uint8).reshape(itemsize, -1).T.tobytes() + data[whole:]
    from pyfive.btree import BTreeV1RawDataChunks

    BTreeV1RawDataChunks._verify_fletcher32(data)
    return data[:-4]


def _same(what: str, found: int, expected: int, where: str) -> None:
    if found != expected:
        raise DamagedFile(f"the array contradicts itself: {what}", where=where, found=found, expected=expected)
