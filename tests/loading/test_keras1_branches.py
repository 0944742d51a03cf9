"""Keras 1's Sequential that merges others: its file keeps their layers side by side, as if they were its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

import weight_mapping as wm
from weight_mapping.errors import WeightsMismatch

_WIDTHS = {"left": (4, 3), "left_2": (3, 2), "right": (5, 2), "last": (4, 3)}


def dense(name: str, **more: Any) -> dict[str, Any]:
    config = {"name": name, "output_dim": _WIDTHS[name][1], "activation": "linear", "bias": True, "init": "uniform"}
    return {"class_name": "Dense", "config": {**config, "input_dim": _WIDTHS[name][0], **more}}


def stored(path: Path, lost: str = "") -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
    """Two branches joined, then a Dense, as Keras 1.2.2 lays them out; the numbers by layer."""
    rng = np.random.default_rng(0)
    branches = [
        [dense("left", batch_input_shape=[None, 4]), dense("left_2")],
        [dense("right", batch_input_shape=[None, 5])],
    ]
    merged = {"name": "merge_1", "mode": "concat", "concat_axis": -1, "mode_type": "raw"}
    merge = {**merged, "layers": [{"class_name": "Sequential", "config": branch} for branch in branches]}
    config = {"class_name": "Sequential", "config": [{"class_name": "Merge", "config": merge}, dense("last")]}
    numbers = {
        name: (rng.standard_normal(shape).astype("f4"), rng.standard_normal(shape[1]).astype("f4"))
        for name, shape in _WIDTHS.items()
    }
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"], file.attrs["model_config"] = "1.2.2", json.dumps(config)
        groups = file.create_group("model_weights")
        groups.attrs["layer_names"] = [name.encode() for name in numbers if name != lost]
        for name, (kernel, bias) in numbers.items():
            if name != lost:
                group = groups.create_group(name)
                group.attrs["weight_names"] = [f"{name}_W:0".encode(), f"{name}_b:0".encode()]
                group[f"{name}_W:0"], group[f"{name}_b:0"] = kernel, bias
    return numbers


def test_each_branch_finds_its_own_layers(tmp_path: Path) -> None:
    numbers = {name: (w.astype("f8"), b) for name, (w, b) in stored(tmp_path / "m.h5").items()}
    x, y = (np.random.default_rng(1).standard_normal((6, width)) for width in (4, 5))

    def through(value: NDArray[Any], *names: str) -> NDArray[Any]:
        for name in names:
            value = value @ numbers[name][0] + numbers[name][1]
        return value

    joined = np.concatenate([through(x, "left", "left_2"), through(y, "right")], -1)
    portable = wm.load(tmp_path / "m.h5")
    np.testing.assert_allclose(wm.oracle.run(portable, x, y), through(joined, "last"), rtol=0, atol=1e-13)


def test_a_branch_without_its_layer_is_refused(tmp_path: Path) -> None:
    stored(tmp_path / "m.h5", lost="left_2")
    with pytest.raises(WeightsMismatch, match="sequential_1_0: no weights for this layer; found left, right, last"):
        wm.load(tmp_path / "m.h5")
