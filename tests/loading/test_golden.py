"""Files of every Keras generation: what that Keras recorded is what the port computes, and nothing is lost on the way
to PyTorch and back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import weight_mapping as wm
import weight_mapping.torch as wt
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


def _listed(answer: Any) -> list[Any]:
    return list(answer) if isinstance(answer, tuple | list) else [answer]


FILES = _stored()


def test_the_set_holds_every_generation_and_container() -> None:
    names = " ".join(map(str, FILES))
    for tag in ("k1.2.2_theano_", "k2.0.0_", "k2.2.4_tensorflow_", "k2.2.4_theano_", "tf26_", "tfk221_", "k3151_"):
        assert f"{tag}" in names
    assert {file.file.name.rpartition("_")[2] for file in FILES} >= {"w.h5", "ckpt"}
    assert len(FILES) > 150


@pytest.mark.parametrize("golden", FILES, ids=str)
def test_the_recorded_outputs_come_out_and_the_way_back_is_exact(golden: Golden, tmp_path: Path) -> None:
    if "ckpt" in golden.file.name:
        pytest.importorskip("tensorflow", reason="TensorFlow alone reads its checkpoints")
    portable, inputs, recorded = golden.load(), golden.inputs(), golden.outputs()
    for y, expected in zip(_listed(wm.oracle.run(portable, *inputs)), recorded, strict=True):
        assert y.dtype == np.float64 and y.shape == expected.shape
        np.testing.assert_allclose(y, expected, rtol=0, atol=BOUND)
    module = wt.build(portable).eval()
    tensors = [torch.tensor(x) for x in inputs]
    with torch.no_grad():
        found = _listed(module(*tensors))
    for y, expected in zip(found, recorded, strict=True):
        np.testing.assert_allclose(y.numpy(), expected, rtol=0, atol=BOUND)

    wm.save(wt.extract(module), tmp_path / "b.h5")
    again = wt.build(wm.load(tmp_path / "b.h5")).eval()
    before, after = module.state_dict(), again.state_dict()
    assert list(before) == list(after)
    assert all(torch.equal(before[key], after[key]) for key in before)
    with torch.no_grad():
        repeated = _listed(again(*tensors))
    assert all(torch.equal(a, b) for a, b in zip(repeated, found, strict=True))
