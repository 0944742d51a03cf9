"""HDF5 whose structure is changed byte by byte, as no library writes it: trees that hold themselves, headers that go on
in themselves, sizes without end. "HDF5 File Format Specification 3.0", III and IV."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from attacks.changed_h5 import H5, Make

Change = Callable[[bytearray], object]
_NEVER = (1 << 64) - 1


def rewritten(change: Change, prepare: Callable[[Any], object] = lambda file: None) -> Make:
    """The sound model's bytes, changed; `prepare` adds to it with h5py before."""

    def make(folder: Path) -> Path:
        path = folder / "model.h5"
        shutil.copyfile(H5, path)
        with h5py.File(path, "r+") as file:
            prepare(file)
        raw = bytearray(path.read_bytes())
        change(raw)
        path.write_bytes(raw)
        return path

    return make


def each(signature: bytes, change: Callable[[bytearray, int], object]) -> Change:
    """The change at every place of this signature."""

    def all_of_them(raw: bytearray) -> None:
        places = [at for at in range(0, len(raw), 8) if raw.startswith(signature, at)]
        assert places, signature
        for at in places:
            change(raw, at)

    return all_of_them


def put(offset: int, form: str, *values: int) -> Callable[[bytearray, int], object]:
    return lambda raw, at: struct.pack_into(form, raw, at + offset, *values)


def _tree_of_itself(raw: bytearray, at: int) -> None:
    """A node (level 5, so that its children are nodes) whose first child is itself."""
    raw[at + 5] = 5
    struct.pack_into("<Q", raw, at + 32, at)


def _goes_on_in_itself(raw: bytearray) -> None:
    """Every message "object header continuation" leads to the block that it stands in, from its own place on."""
    message = b"\x10\x00\x10\x00"
    places = [at for at in range(0, len(raw), 8) if raw.startswith(message, at)]
    assert places
    for at in places:
        struct.pack_into("<QQ", raw, at + 8, at, 64)


def _many_attributes(file: Any) -> None:
    for n in range(30):
        file["model_weights"].attrs[f"more{n}"] = n


ATTACKS: Mapping[str, Make] = {
    "bytes: trees of themselves": rewritten(each(b"TREE", _tree_of_itself)),
    "bytes: trees of 65535": rewritten(each(b"TREE", put(6, "<H", 65535))),
    "bytes: trees 255 high": rewritten(each(b"TREE", put(5, "<B", 255))),
    "bytes: symbols of 65535": rewritten(each(b"SNOD", put(6, "<H", 65535))),
    "bytes: heaps elsewhere": rewritten(each(b"HEAP", put(24, "<Q", 1 << 62))),
    "bytes: headers go on in themselves": rewritten(_goes_on_in_itself, _many_attributes),
    "bytes: text without end": rewritten(
        each(b"GCOL", put(24, "<Q", 1 << 40)), lambda file: file.attrs.__setitem__("model_config", "{}" * 50)
    ),
    "bytes: collections without end": rewritten(
        each(b"GCOL", put(8, "<Q", 1 << 40)), lambda file: file.attrs.__setitem__("model_config", "{}" * 50)
    ),
    "bytes: root elsewhere": rewritten(lambda raw: struct.pack_into("<Q", raw, 64, 1 << 40)),
    "bytes: root is the beginning": rewritten(lambda raw: struct.pack_into("<Q", raw, 64, 0)),
    "bytes: base elsewhere": rewritten(lambda raw: struct.pack_into("<Q", raw, 24, 8)),
    "bytes: end beyond the end": rewritten(lambda raw: struct.pack_into("<Q", raw, 40, 1 << 50)),
    "bytes: sizes of 255": rewritten(lambda raw: struct.pack_into("<BB", raw, 13, 255, 255)),
    "bytes: superblock 9": rewritten(lambda raw: struct.pack_into("<B", raw, 8, 9)),
    "bytes: a user's block before it": rewritten(lambda raw: raw.__setitem__(slice(0, 0), bytes(512))),
    "bytes: an attribute of 2^40": rewritten(
        lambda raw: raw.__setitem__(
            slice((at := raw.index(struct.pack("<Q", 7919))), at + 8), struct.pack("<Q", 1 << 40)
        ),
        lambda file: file["model_weights"].attrs.create("extra", np.zeros(7919, np.int8)),
    ),
    "bytes: filters upon filters": rewritten(
        lambda raw: None,
        lambda file: file.create_dataset(
            "model_weights/lstm_10/packed", data=np.zeros(1 << 22, np.float32), chunks=(1 << 22,), compression="gzip",
            compression_opts=9, shuffle=True, fletcher32=True,
        ),
    ),
}  # fmt: skip
SOUND: Mapping[str, Make] = {
    "bytes": rewritten(lambda raw: None, _many_attributes),
}
