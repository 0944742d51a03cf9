"""TensorFlow checkpoints that are cut, of noise, changed, or lead elsewhere."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from attacks.changed_h5 import GOLDEN, Make

CHECKPOINT = GOLDEN / "tf26_lstm2_ckpt"


def checkpoint(change: Callable[[Path], object]) -> Make:
    """A sound TensorFlow checkpoint's folder, changed."""

    def make(folder: Path) -> Path:
        shutil.copytree(CHECKPOINT, folder / "ckpt", copy_function=shutil.copyfile)
        (folder / "ckpt").chmod(0o755)
        change(folder / "ckpt")
        return folder / "ckpt"

    return make


def index(folder: Path) -> Path:
    return next(folder.glob("*.index"))


def numbers(folder: Path) -> Path:
    return next(folder.glob("*.data-*"))


def flipped(path: Path, at: int, bit: int = 0) -> None:
    """One bit of the file, its byte counted from the end where `at` is negative."""
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1 << bit
    path.write_bytes(raw)


def _instead(make: Callable[[Path], object]) -> Make:
    def change(folder: Path) -> None:
        path = numbers(folder)
        path.unlink()
        make(path)

    return checkpoint(change)


ATTACKS: Mapping[str, Make] = {
    "checkpoint cut": checkpoint(lambda folder: os.truncate(index(folder), 40)),
    "checkpoint of noise": checkpoint(
        lambda folder: index(folder).write_bytes(bytes(range(256)) * 4 + index(folder).read_bytes()[-8:])
    ),
    "checkpoint's entry changed": checkpoint(lambda folder: flipped(index(folder), 30)),
    "checkpoint's checksum changed": checkpoint(lambda folder: flipped(index(folder), -60)),
    "checkpoint's numbers are a pipe": _instead(os.mkfifo),
    "checkpoint's numbers are a link": _instead(lambda path: path.symlink_to("/etc/passwd")),
    "checkpoint's numbers are a device": _instead(lambda path: path.symlink_to("/dev/zero")),
    "checkpoint's numbers are a folder": _instead(lambda path: path.mkdir()),
    "checkpoint's numbers cut": checkpoint(lambda folder: os.truncate(numbers(folder), 100)),
    "checkpoint's numbers go on in a hole": checkpoint(lambda folder: os.truncate(numbers(folder), 1 << 40)),
    "checkpoint's list leads elsewhere": checkpoint(
        lambda folder: [
            (folder / "checkpoint").write_text('model_checkpoint_path: "../../../../etc/passwd\\033[2J"\n'),
            index(folder).rename(folder / "one.index"), shutil.copyfile(folder / "one.index", folder / "two.index"),
        ]
    ),
    "checkpoint's list is a pipe": checkpoint(
        lambda folder: [
            (folder / "checkpoint").unlink(), os.mkfifo(folder / "checkpoint"),
            shutil.copyfile(index(folder), folder / "other.index"),
        ]
    ),
}  # fmt: skip
SOUND: Mapping[str, Make] = {"checkpoint": checkpoint(lambda folder: None)}
