"""SavedModels: descriptions that lie, links and pipes in place of the parts, changed numbers. The sound one is a golden
checkpoint with the description of its model."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py

from attacks.changed_h5 import GOLDEN, Make
from attacks.checkpoints import CHECKPOINT, flipped

MODEL = GOLDEN / "tf26_lstm2.h5"


def field(number: int, content: bytes) -> bytes:
    """A field of bytes of a protocol buffer."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(value: int) -> bytes:
    low = b""
    while value > 0x7F:
        low, value = low + bytes([value & 0x7F | 0x80]), value >> 7
    return low + bytes([value])


def described(documents: Mapping[str, bytes]) -> bytes:
    """keras_metadata.pb: of each node its path and its description."""
    nodes = (field(3, path.encode()) + field(5, document) for path, document in documents.items())
    return b"".join(field(1, node) for node in nodes)


def savedmodel(change: Callable[[Path], object]) -> Make:
    def make(folder: Path) -> Path:
        model = folder / "model"
        (model / "variables").mkdir(parents=True)
        (model / "saved_model.pb").write_bytes(b"")
        with h5py.File(MODEL) as file:
            config = json.loads(file.attrs["model_config"])
        root = {"keras_version": "2.6.0", "backend": "tensorflow", "model_config": config}
        (model / "keras_metadata.pb").write_bytes(described({"root": json.dumps(root).encode()}))
        for part in CHECKPOINT.glob("ck.*"):
            shutil.copyfile(part, model / "variables" / part.name.replace("ck.", "variables."))
        change(model)
        return model

    return make


def metadata(change: Callable[[dict[str, Any]], bytes | dict[str, Any]]) -> Make:
    """The same with another description; `change` gives its bytes, or the object."""

    def attack(model: Path) -> None:
        path = model / "keras_metadata.pb"
        raw = path.read_bytes()
        document = change(json.loads(raw[raw.index(b"{") :]))
        text = document if isinstance(document, bytes) else json.dumps(document).encode()
        path.write_bytes(described({"root": text}))

    return savedmodel(attack)


def _instead(part: str, make: Callable[[Path], object]) -> Make:
    """Something else in place of a part."""

    def attack(model: Path) -> None:
        path = model / part
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        make(path)

    return savedmodel(attack)


SHARD = "variables/variables.data-00000-of-00001"
ATTACKS: Mapping[str, Make] = {
    "savedmodel's description is a pipe": _instead("keras_metadata.pb", os.mkfifo),
    "savedmodel's graph is a pipe": _instead("saved_model.pb", os.mkfifo),
    "savedmodel's description is a link": _instead("keras_metadata.pb", lambda path: path.symlink_to("/etc/passwd")),
    "savedmodel's variables are a link": _instead("variables", lambda path: path.symlink_to("/etc")),
    "savedmodel's numbers are a device": _instead(SHARD, lambda path: path.symlink_to("/dev/zero")),
    "savedmodel's numbers are a pipe": _instead(SHARD, os.mkfifo),
    "savedmodel without numbers": _instead(SHARD, lambda path: None),
    "savedmodel's changed number": savedmodel(lambda model: flipped(model / SHARD, -9)),
    "savedmodel's description deep": metadata(lambda root: b'{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}"),
    "savedmodel's description twice": metadata(lambda root: json.dumps(root).encode()[:-1] + b', "backend": "x"}'),
    "savedmodel's description NaN": metadata(lambda root: json.dumps(root).encode()[:-1] + b', "x": NaN}'),
    "savedmodel's description of digits": metadata(lambda root: b'{"x": ' + b"9" * 5000 + b"}"),
    "savedmodel's description of half a character": metadata(lambda root: b'{"x": "\\ud800"}'),
    "savedmodel's description no UTF-8": metadata(lambda root: b'{"x": "\xff"}'),
    "savedmodel's description is a list": metadata(lambda root: b"[]"),
    "savedmodel's version is a list": metadata(lambda root: {**root, "keras_version": ["2.6.0"]}),
    "savedmodel's backend is an object": metadata(lambda root: {**root, "backend": {"os": "system"}}),
    "savedmodel's configuration is text": metadata(lambda root: {**root, "model_config": "os.system"}),
    "savedmodel of a class": metadata(lambda root: {"class_name": "os.system", "config": {"layers": []}}),
    "savedmodel of 200000 nodes": savedmodel(
        lambda model: (model / "keras_metadata.pb").write_bytes(field(1, field(3, b"root") + field(5, b"{}")) * 200_000)
    ),
    "savedmodel of a million empty nodes": savedmodel(
        lambda model: (model / "keras_metadata.pb").write_bytes(field(1, b"") * 1_000_000)
    ),
    "savedmodel of a number without end": savedmodel(
        lambda model: (model / "keras_metadata.pb").write_bytes(b"\x0a" + b"\xff" * 100)
    ),
    "savedmodel's variables are itself": _instead("variables", lambda path: path.symlink_to(".")),
    "savedmodel of a message without end": savedmodel(
        lambda model: (model / "keras_metadata.pb").write_bytes(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f")
    ),
    "savedmodel of noise": savedmodel(lambda model: (model / "keras_metadata.pb").write_bytes(bytes(range(256)) * 64)),
    "savedmodel's description too large": savedmodel(
        lambda model: os.truncate(model / "keras_metadata.pb", 1 << 33)
    ),
}  # fmt: skip
SOUND: Mapping[str, Make] = {
    "savedmodel": savedmodel(lambda model: None),
    "savedmodel described": metadata(lambda root: root),
}
