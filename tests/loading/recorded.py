"""Models that every Keras generation stored, each with inputs and outputs that it recorded: `tests/golden`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import weight_mapping as wm
from weight_mapping.weights import Portable

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
BOUND = 1e-5
"""Both sides in float32: each tanh and sigmoid of TensorFlow may be off by 6 units in the last place."""


@dataclass(frozen=True)
class Golden:
    """One stored model: its file, where its configuration lies if apart, and the recording beside it."""

    file: Path
    config: Path | None
    recording: Path

    def __str__(self) -> str:
        return str(self.file.relative_to(GOLDEN))

    def load(self) -> Portable:
        return wm.load(self.file, self.config)

    def inputs(self) -> list[NDArray[Any]]:
        with np.load(self.recording) as recorded:
            return [recorded[name] for name in sorted(recorded) if name.startswith("x")]

    def outputs(self) -> list[NDArray[Any]]:
        with np.load(self.recording) as recorded:
            return [recorded[name] for name in sorted(recorded) if name.startswith("y")]


def _stored() -> list[Golden]:
    found = []
    for recording in sorted(GOLDEN.rglob("*.npz")):
        beside = {suffix: recording.with_name(f"{recording.stem}{suffix}") for suffix in (".h5", ".keras")}
        config = next(path for path in beside.values() if path.exists())
        found += [Golden(path, None, recording) for path in beside.values() if path.exists()]
        for suffix in ("_w.h5", ".weights.h5", "_ckpt"):
            path = recording.with_name(f"{recording.stem}{suffix}")
            found += [Golden(path, config, recording)] if path.exists() else []
    return found


def listed(answer: Any) -> list[Any]:
    """A model's outputs, one or several."""
    return list(answer) if isinstance(answer, tuple | list) else [answer]


FILES = _stored()
