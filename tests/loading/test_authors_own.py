"""Around a class of its author's the recurrent layers alone are ported, with their own numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import torch

import weight_mapping as wm
import weight_mapping.torch as wt
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


VOCABULARY = ["one", "two", "six"]
LOOKUPS: dict[str, Any] = {
    "TextVectorization": ({"max_tokens": 9}, [["one two three four six"], ["six one"]]),
    "StringLookup": ({"mask_token": ""}, [["one", "three", "six"], ["two", "one", ""]]),
}


@pytest.mark.parametrize("lookup", LOOKUPS)
def test_a_model_of_text_takes_the_ids_that_its_lookup_gives(lookup: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    options, words = LOOKUPS[lookup]
    front = getattr(keras.layers, lookup)(vocabulary=VOCABULARY, **options)
    behind = [keras.layers.Embedding(9, 7, mask_zero=True), keras.layers.Bidirectional(keras.layers.GRU(5))]
    whole = keras.Sequential([keras.Input((len(words[0]),), dtype="string"), front, *behind])
    whole.set_weights([rng.normal(size=array.shape) for array in whole.get_weights()])
    whole.save(tmp_path / "m.keras")
    ids = np.asarray(front(np.array(words)))
    assert (ids == 0).any(), "a step must be masked"
    portable = wm.load(tmp_path / "m.keras")
    with pytest.raises(Unsupported, match=rf"{lookup} looks its input up.*Identity"):
        wt.build(portable)
    found = wt.build(portable, custom={lookup: torch.nn.Identity()})(torch.tensor(ids)).detach().numpy()
    assert np.abs(found - keras.Sequential(behind)(ids)).max() < 1e-6
