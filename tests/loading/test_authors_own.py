"""Around a class of its author's the recurrent layers alone are ported, with their own numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import weight_mapping as wm
from weight_mapping.errors import Unsupported

OWN: dict[str, Any] = {
    "a cell": {"class_name": "RNN", "config": {"name": "own", "cell": {"class_name": "Peephole", "config": {}}}},
    "a layer both ways": {
        "class_name": "Bidirectional", "config": {"name": "own", "layer": {"class_name": "Mine>LSTM", "config": {}}},
    },
    "a layer named like Keras'": {
        "class_name": "LSTM", "config": {"name": "own", "units": 3}, "module": "mine", "registered_name": "Mine>LSTM",
    },
}  # fmt: skip


@pytest.mark.parametrize("what", OWN)
def test_the_layers_around_it_are_ported_with_layers_only(what: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lstm = {"class_name": "LSTM", "config": {"name": "lstm", "units": 3, "recurrent_activation": "sigmoid"}}
    numbers = {"kernel": rng.normal(size=(5, 12)), "recurrent_kernel": rng.normal(size=(3, 12))}
    numbers["bias"] = rng.normal(size=12)
    arrays = {"own": {"peephole": rng.normal(size=(3, 12)), "bias": rng.normal(size=12)}, "lstm": numbers}
    with h5py.File(tmp_path / "m.h5", "w") as file:
        model = {"class_name": "Sequential", "config": {"name": "m", "layers": [OWN[what], lstm]}}
        file.attrs["keras_version"], file.attrs["model_config"] = "2.15.0", json.dumps(model)
        groups = file.create_group("model_weights")
        groups.attrs["layer_names"] = list(arrays)
        for layer, own in arrays.items():
            group = groups.create_group(layer)
            group.attrs["weight_names"] = [f"{layer}/{name}:0" for name in own]
            for name, array in own.items():
                group[f"{layer}/{name}:0"] = array
    alone = wm.load(tmp_path / "m.h5", layers_only=True)
    assert list(alone.spec.layers) == ["lstm"]
    packed = wm.pack("keras", alone.weights["lstm", "0"])  # type: ignore[arg-type]
    assert all(np.array_equal(packed[name], array) for name, array in numbers.items())
    with pytest.raises(Unsupported, match="its author's own"):
        wm.oracle.run(wm.load(tmp_path / "m.h5"), rng.normal(size=(2, 10, 5)))
