"""What is no model at all: pipes, devices, loops, sparse giants, pages."""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from pathlib import Path

from attacks.changed_h5 import Make


def written(name: str, data: bytes) -> Make:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return make


def _fifo(folder: Path) -> Path:
    os.mkfifo(folder / "model.h5")
    return folder / "model.h5"


def _loop(folder: Path) -> Path:
    (folder / "model.h5").symlink_to(folder / "model.h5")
    return folder / "model.h5"


def _links(folder: Path) -> Path:
    """More links one after another than a system follows."""
    path = folder / "model.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n")
    for n in range(50):
        (folder / f"link{n}").symlink_to(path.name)
        path = folder / f"link{n}"
    return path


def _sparse(head: bytes, size: int) -> Make:
    def make(folder: Path) -> Path:
        path = folder / "model.h5"
        path.write_bytes(head)
        with path.open("r+b") as file:
            file.truncate(size)
        return path

    return make


ATTACKS: Mapping[str, Make] = {
    "pipe": _fifo,
    "device": lambda folder: Path("/dev/zero"),
    "loop": _loop,
    "sparse terabyte": _sparse(b"\x89HDF\r\n\x1a\n", 1 << 40),
    "sparse JSON": _sparse(b'{"class_name": ', 3 << 30),
    "sparse safetensors": _sparse(struct.pack("<Q", 1 << 30) + b"{", 3 << 30),
    "nothing": written("model.h5", b""),
    "page": written("model.h5", b"<!DOCTYPE html><title>404</title>"),
    "memory of a process": lambda folder: Path("/proc/self/mem"),
    "device of noise": lambda folder: Path("/dev/urandom"),
    "links to links": _links,
    "pointer to a large file": written("model.h5", b"version https://git-lfs.github.com/spec/v1\nsize 99\n\x1b[2J"),
    "JSON of two million keys": written("model.json", b"{" + b",".join(b'"%d":0' % n for n in range(2_000_000)) + b"}"),
    "JSON of 40 million digits": written("model.json", b'{"a":' + b"1" * 40_000_000 + b"}"),
    "JSON in UTF-16": written("model.json", '{"class_name": "Sequential"}'.encode("utf-16")),
    "empty folder": lambda folder: folder,
    "empty zip": written("model.keras", b"PK\x05\x06" + bytes(18)),
}  # fmt: skip
