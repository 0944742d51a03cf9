"""A small legacy weights file that each attack changes in one place; the modules beside this file can be imported."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def victim(tmp_path: Path) -> Callable[..., Path]:
    """`victim(attack)` writes the file and lets `attack(file)` change it, with h5py; options go to `h5py.File`."""
    h5py = pytest.importorskip("h5py")

    def make(attack: Callable[[Any], None], **options: Any) -> Path:
        path = tmp_path / "victim.h5"
        with h5py.File(path, "w", **options) as file:
            file.attrs["layer_names"] = [b"lstm"]
            group = file.create_group("lstm")
            group.attrs["weight_names"] = [b"lstm/kernel:0"]
            group["lstm/kernel:0"] = np.arange(12, dtype=np.float32).reshape(3, 4)
            attack(file)
        return path

    return make
