"""TensorFlow checkpoints that are cut, of noise, or lead elsewhere."""

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


def _index(folder: Path) -> Path:
    return next(folder.glob("*.index"))


ATTACKS: Mapping[str, Make] = {
    "checkpoint cut": checkpoint(lambda f: os.truncate(_index(f), 40)),
    "checkpoint of noise": checkpoint(
        lambda f: _index(f).write_bytes(bytes(range(256)) * 4 + _index(f).read_bytes()[-8:])
    ),
    "checkpoint shard is a pipe": checkpoint(
        lambda f: [path.unlink() or os.mkfifo(path) for path in f.glob("*.data-*")] and None
    ),
    "checkpoint shard is a link": checkpoint(
        lambda f: [path.unlink() or path.symlink_to("/etc/passwd") for path in f.glob("*.data-*")] and None
    ),
}
SOUND: Mapping[str, Make] = {"checkpoint": checkpoint(lambda folder: None)}
