"""Weights of Keras 3 in several files, which model.weights.json lists: lists that lead elsewhere, or have no end."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py

from attacks.changed_h5 import GOLDEN, Make

MODEL = GOLDEN / "k3151_lstm2.keras"
FIRST, SECOND, LIST = "model_00000.weights.h5", "model_00001.weights.h5", "model.weights.json"


def sound() -> dict[str, bytes]:
    """The members of a sharded archive: the layers' arrays parted into two files."""
    with zipfile.ZipFile(MODEL) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    whole = members.pop("model.weights.h5")
    parts = {FIRST: ("dense",), SECOND: ("lstm", "lstm_1")}
    for name, layers in parts.items():
        blob = io.BytesIO()
        with h5py.File(io.BytesIO(whole)) as source, h5py.File(blob, "w") as target:
            target.create_group("vars")
            for layer in layers:
                source.copy(f"layers/{layer}", target.require_group("layers"))
        members[name] = blob.getvalue()
    listed = {f"/layers/{layer}": name for name, layers in parts.items() for layer in layers}
    members[LIST] = json.dumps({"metadata": {"total_size": 1}, "weight_map": listed}).encode()
    return members


def sharded(change: Callable[[dict[str, bytes]], object]) -> Make:
    def make(folder: Path) -> Path:
        members = sound()
        change(members)
        with zipfile.ZipFile(folder / "model.keras", "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data)
        return folder / "model.keras"

    return make


def listing(weight_map: Any) -> Make:
    return sharded(lambda members: members.__setitem__(LIST, json.dumps({"weight_map": weight_map}).encode()))


def beside(change: Callable[[Path], object]) -> Make:
    """The same as files of a folder."""

    def make(folder: Path) -> Path:
        for name, data in sound().items():
            if name not in ("metadata.json", "config.json"):
                (folder / name).write_bytes(data)
        change(folder)
        return folder / LIST

    return make


def _instead(make: Callable[[Path], object]) -> Make:
    def attack(folder: Path) -> None:
        (folder / SECOND).unlink()
        make(folder / SECOND)

    return beside(attack)


ATTACKS: Mapping[str, Make] = {
    "shards of the same arrays": sharded(lambda members: members.__setitem__(SECOND, members[FIRST])),
    "shards of one": listing({"/layers": FIRST}),
    "shards that are not there": listing({"/layers": [f"{n}.h5" for n in range(10_000)]}),
    "shards that are numbers": listing({"/layers": [1, 2]}),
    "shards that are lists": listing({"/layers": [[FIRST]]}),
    "shards of no map": sharded(lambda members: members.__setitem__(LIST, b'{"weight_map": []}')),
    "shards listed deep": sharded(lambda members: members.__setitem__(LIST, b"[" * 100_000)),
    "shards listed twice": sharded(lambda members: members.__setitem__(LIST, b'{"weight_map": {}, "weight_map": {}}')),
    "shards named by escapes": listing({"/layers": ["a\x1b[2J\u202e.h5"]}),
    "shards that lead to a link": _instead(lambda path: path.symlink_to("/etc/passwd")),
    "shards that are a pipe": _instead(os.mkfifo),
    "shards that are a folder": _instead(lambda path: path.mkdir()),
    "shards that are a device": _instead(lambda path: path.symlink_to("/dev/zero")),
}
SOUND: Mapping[str, Make] = {"shards": sharded(lambda members: None)}
