"""Safetensors: eight bytes of length, a JSON header, and the arrays one after the other.
Source: github.com/huggingface/safetensors, README, "Format"."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from math import prod
from typing import Any, BinaryIO

import numpy as np

from weight_mapping.bits import parts
from weight_mapping.errors import DamagedFile, Unsupported, shown
from weight_mapping.files.archive import Archive, Array, Stored
from weight_mapping.files.guard import Source, View, array_budget, native, reading
from weight_mapping.files.strict_json import MAX_BYTES, parse_object

_TYPES = {
    "F16": "<f2", "F32": "<f4", "F64": "<f8", "BOOL": "?", "I8": "i1", "U8": "u1",
    "I16": "<i2", "U16": "<u2", "I32": "<i4", "U32": "<u4", "I64": "<i8", "U64": "<u8",
}  # fmt: skip

_NAMES = {np.dtype(kind).newbyteorder("<").str: name for name, kind in _TYPES.items()}


def is_safetensors(head: bytes, length: int) -> bool:
    """Whether a file of this length that begins so can be one."""
    return len(head) > 8 and head[8:9] == b"{" and 2 <= struct.unpack_from("<Q", head)[0] <= length - 8


def stream(file: BinaryIO, arrays: Mapping[str, Array], metadata: Mapping[str, str] | None = None) -> None:
    """Write the format as it goes, never more than a part of one array's copy in memory; its data begin at a multiple
    of 8, as the library's own writer has it."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for name, array in arrays.items():
        kind = _NAMES.get(array.dtype.newbyteorder("<").str)
        if kind is None:
            raise Unsupported("an array of a type that holds no plain numbers", where=shown(name), found=array.dtype)
        header[name] = {"dtype": kind, "shape": array.shape, "data_offsets": [end, end := end + array.nbytes]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    file.write(struct.pack("<Q", len(text)) + text)
    for array in arrays.values():
        for part in parts(array):
            file.write(part)


def open_safetensors(source: Source, max_bytes: int) -> Archive:
    """Every array of the file by its name; the header must account for each byte, once."""
    metadata, named, read = read_tensors(source)
    array_budget(source.length, max_bytes).spend(sum(s.nbytes for s in named.values()), source.name)
    return Archive(
        container="safetensors",
        path=source.path,
        sha256=source.sha256(),
        named=named,
        metadata=metadata,
        reader=read,
    )


def read_tensors(
    source: Source, *, mapped: bool = False
) -> tuple[dict[str, str], dict[str, Stored], Callable[[Stored], Array]]:
    """The metadata, the arrays' headers by name, and what reads one. `mapped`: it leaves the numbers in the file, which
    nobody else may write."""
    header = source.read(0, 8)
    (size,) = struct.unpack("<Q", header)
    if size > min(MAX_BYTES, source.length - 8):
        raise DamagedFile("the header is longer than it may be", where=source.name, found=f"{size:,} bytes")
    entries = parse_object(source.read(8, size), f"{source.name}:header")
    metadata = entries.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise DamagedFile("the metadata is not a table of texts", where=f"{source.name}:__metadata__")
    data = source.part("data", 8 + size, source.length - 8 - size)
    named: dict[str, Stored] = {}
    places: dict[str, int] = {}
    with reading(f"{source.name}:header"):
        for name, entry in entries.items():
            named[name], places[name] = _header(name, entry, f"{source.name}:{shown(name)}")
    _check_places(named, places, data)

    if mapped:
        lying = data.mapped()
        return metadata, named, lambda stored: _lying(lying, places[stored.name], stored)

    def read(stored: Stored) -> Array:
        with reading(f"{source.name}:{shown(stored.name)}"), data.view() as view:
            return _array(view, places[stored.name], stored)

    return metadata, named, read


def _header(name: str, entry: dict[str, Any], where: str) -> tuple[Stored, int]:
    if entry["dtype"] not in _TYPES:
        raise Unsupported(
            "an array of a type that is not read here",
            where=where,
            found=shown(entry["dtype"]),
            way_out="Cast it to float32.",
        )
    shape = tuple(entry["shape"])
    if not all(isinstance(size, int) and size >= 0 for size in shape) or len(shape) > 32:
        raise DamagedFile("the array has no usable shape", where=where, found=shape)
    stored = Stored(name=name, path=name, shape=shape, dtype=np.dtype(_TYPES[entry["dtype"]]).newbyteorder("="))
    start, end = entry["data_offsets"]
    if end - start != stored.nbytes:
        raise DamagedFile(
            "the array contradicts itself", where=where, found=f"{end - start} bytes", expected=stored.nbytes
        )
    return stored, start


def _check_places(named: dict[str, Stored], places: dict[str, int], data: Source) -> None:
    """The arrays follow one another without overlap or hole, to the end of the file."""
    end = 0
    for name in sorted(named, key=lambda n: (places[n], named[n].nbytes)):
        if places[name] != end:
            raise DamagedFile(
                "arrays overlap, or leave a hole", where=f"{data.name}:{shown(name)}", found=places[name], expected=end
            )
        end += named[name].nbytes
    if end != data.length:
        raise DamagedFile(
            "the arrays do not fill the file", where=data.name, found=f"{data.length:,} bytes", expected=f"{end:,}"
        )


def _array(view: View, start: int, stored: Stored) -> Array:
    little = stored.dtype.newbyteorder("<")
    return view.array(start, stored.shape, little) if prod(stored.shape) else np.empty(stored.shape, stored.dtype)


def _lying(data: memoryview, start: int, stored: Stored) -> Array:
    little = stored.dtype.newbyteorder("<")
    return native(np.frombuffer(data, little, prod(stored.shape), start).reshape(stored.shape))
