"""Whole folders: what lies in them is no file, leads in circles, has no end, or is named to mislead."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from attacks.changed_h5 import H5, Make


def folder_of(fill: Callable[[Path], object], *, sound: bool = False) -> Make:
    """A folder `models`; `sound`: with a model in it."""

    def make(folder: Path) -> Path:
        models = folder / "models"
        models.mkdir()
        if sound:
            shutil.copyfile(H5, models / "sound.h5")
        fill(models)
        return models

    return make


def _socket(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(os.path.relpath(folder / "model.h5"))  # the path of a socket is short


def _bombs(folder: Path) -> None:
    """JSON of 60 MB and thirty million values, under a name that is looked into and under one that is not."""
    for name in ("model.json", "notes.txt"):
        (folder / name).write_bytes(b'{"a": [' + b"[]," * (20 << 20) + b"[]]}")


ATTACKS: Mapping[str, Make] = {
    "folder of nothing": folder_of(lambda folder: None),
    "folder of a pipe": folder_of(lambda folder: os.mkfifo(folder / "model.h5")),
    "folder of a socket": folder_of(_socket),
    "folder of a device": folder_of(lambda folder: (folder / "model.h5").symlink_to("/dev/zero")),
    "folder of a link to itself": folder_of(lambda folder: (folder / "model.h5").symlink_to("model.h5")),
    "folder of a link to a folder above": folder_of(lambda folder: (folder / "up").symlink_to("..")),
    "folder of a link elsewhere": folder_of(lambda folder: (folder / "model.h5").symlink_to("/etc/passwd")),
    "folder of JSON that blows up": folder_of(_bombs),
    "folder of damage": folder_of(lambda folder: (folder / "model.h5").write_bytes(b"\x89HDF\r\n\x1a\n")),
    "folder of a graph that is a folder": folder_of(lambda folder: (folder / "saved_model.pb").mkdir()),
    "folder of a graph that is a pipe": folder_of(lambda folder: os.mkfifo(folder / "saved_model.pb")),
}
SOUND: Mapping[str, Make] = {
    "folder": folder_of(lambda folder: None, sound=True),
    "folder with a pipe": folder_of(lambda folder: os.mkfifo(folder / "pipe.h5"), sound=True),
    "folder with a link above": folder_of(lambda folder: (folder / "up").symlink_to(".."), sound=True),
}
