"""Models as people publish them, read where they lie: their own Keras' outputs, and their authors' layers by name."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import weight_mapping as wm
import weight_mapping.torch as wt
from weight_mapping.errors import PortingError
from weight_mapping.weights import Portable

BOUND = 5e-5
"""Of the greatest output, at least 1: float32 on both sides, and outputs of up to 1e5."""
Shared = Callable[[str], Path]


def _rows(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return rows


def _recording(row: dict[str, Any], folder: Path) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
    with np.load(folder / row["ref"]) as kept:
        xs = [kept[name] for name in sorted(kept) if name.startswith("x")]
        ys = [kept[name] for name in sorted(kept) if name.startswith("y")]
    if not xs:  # drawn as the recording's makers drew them
        rng = np.random.default_rng(7)
        for one in row["inputs"]:
            x = rng.integers(0, one["ids"], one["shape"]) if one["ids"] else rng.standard_normal(one["shape"])
            xs.append(x.astype(np.float32)[: row["rows"]])
    return xs, ys


def _in_pytorch(portable: Portable, inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    module = wt.build(portable).eval()
    with torch.no_grad():
        answer = module(*map(torch.from_numpy, inputs))
    return [y.numpy() for y in (answer if isinstance(answer, tuple | list) else [answer])]


def _in_onnx(portable: Portable, inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    for package in ("onnx", "onnxruntime"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    from harness.backends.ported_onnx import outputs

    return outputs(portable, inputs, "float32")


@pytest.mark.parametrize("ran", [_in_pytorch, _in_onnx])
def test_published_models_give_the_outputs_of_their_own_keras(ran: Any, shared: Shared) -> None:
    folder = shared("wild")
    ported = 0
    for row in _rows(folder):
        if row.get("weights_only") or row.get("custom") or not row["ref"]:
            continue
        inputs, expected = _recording(row, folder)
        outputs = [y[:, : row["crop"]] if row["crop"] else y for y in ran(wm.load(folder / row["file"]), inputs)]
        for y, wanted in zip(outputs, expected, strict=True):
            assert y.shape == wanted.shape, row["file"]
            assert np.abs(y - wanted).max() <= BOUND * max(1.0, np.abs(wanted).max()), row["file"]
        ported += 1
    assert ported > 40


def test_a_layer_of_its_author_s_is_refused_by_name(shared: Shared) -> None:
    folder = shared("wild")
    rows = [row for row in _rows(folder) if row.get("custom")]
    assert rows
    for row in rows:
        with pytest.raises(PortingError) as refused:
            wt.build(wm.load(folder / row["file"]))
        assert any(name in str(refused.value) for name in row["custom"]), row["file"]


def test_weights_alone_are_no_model(shared: Shared) -> None:
    folder = shared("wild")
    rows = [row for row in _rows(folder) if row.get("weights_only")]
    assert rows
    for row in rows:
        with pytest.raises(PortingError, match=r"weights without a configuration.*--config"):
            wm.load(folder / row["file"])
