"""TensorFlow.js models whose shards lie elsewhere, or are not what they are said to be."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from attacks.changed_h5 import H5, Make


def tfjs(change: Callable[[dict[str, Any], Path], object]) -> Make:
    def make(folder: Path) -> Path:
        config = json.loads(h5py.File(H5).attrs["model_config"])
        weights = [
            {"name": "lstm_10/kernel", "shape": [3, 20], "dtype": "float32"},
            {"name": "lstm_10/recurrent_kernel", "shape": [5, 20], "dtype": "float32"},
            {"name": "lstm_10/bias", "shape": [20], "dtype": "float32"},
        ]
        rng = np.random.default_rng(4)
        (folder / "a.bin").write_bytes(rng.normal(size=180).astype("<f4").tobytes())
        model = {
            "format": "layers-model",
            "modelTopology": {"keras_version": "2.2.4", "backend": "tensorflow", "model_config": config},
            "weightsManifest": [{"paths": ["a.bin"], "weights": weights}],
        }
        change(model, folder)
        (folder / "model.json").write_text(json.dumps(model))
        return folder

    return make


def _shards(model: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = model["weightsManifest"][0]
    return found


def _shard_is(make_file: Callable[[Path], object]) -> Make:
    def change(_: dict[str, Any], folder: Path) -> None:
        (folder / "a.bin").unlink()
        make_file(folder / "a.bin")

    return tfjs(change)


ATTACKS: dict[str, Make] = {
    "tfjs shard leads out": tfjs(lambda m, _: _shards(m).update(paths=["../../../../etc/passwd"])),
    "tfjs shard absolute": tfjs(lambda m, _: _shards(m).update(paths=["/etc/passwd"])),
    "tfjs shard is a link": _shard_is(lambda path: path.symlink_to("/etc/passwd")),
    "tfjs shard is a pipe": _shard_is(os.mkfifo),
    "tfjs shard is missing": _shard_is(lambda path: None),
    "tfjs huge": tfjs(lambda m, _: _shards(m)["weights"][0].update(shape=[1 << 31, 1 << 31])),
    "tfjs shape of text": tfjs(lambda m, _: _shards(m)["weights"][0].update(shape="ab")),
    "tfjs negative": tfjs(lambda m, _: _shards(m)["weights"][0].update(shape=[-3, -20])),
    "tfjs manifest is a number": tfjs(lambda m, _: m.update(weightsManifest=3)),
}
ATTACKS |= {
    "tfjs one shard 3000 times": tfjs(lambda m, _: _shards(m).update(paths=["a.bin"] * 3000)),
    "tfjs one shard twice": tfjs(lambda m, _: _shards(m).update(paths=["a.bin", "a.bin"])),
    "tfjs shard cut": tfjs(lambda m, folder: os.truncate(folder / "a.bin", 300)),
    "tfjs type of a list": tfjs(lambda m, _: _shards(m)["weights"][0].update(dtype=["float32"])),
    "tfjs type of os": tfjs(lambda m, _: _shards(m)["weights"][0].update(dtype="os.system")),
    "tfjs name of a list": tfjs(lambda m, _: _shards(m)["weights"][0].update(name=["lstm_10/kernel"])),
    "tfjs true sizes": tfjs(lambda m, _: _shards(m)["weights"].append({"name": "t", "shape": [True], "dtype": "bool"})),
    "tfjs names twice": tfjs(lambda m, _: _shards(m)["weights"].append(_shards(m)["weights"][0])),
    "tfjs topology is a list": tfjs(lambda m, _: m.update(modelTopology=[1])),
    "tfjs topology is text": tfjs(lambda m, _: m.update(modelTopology="os.system")),
    "tfjs graph": tfjs(lambda m, _: m.update(format="graph-model")),
    "tfjs version is an object": tfjs(lambda m, _: m["modelTopology"].update(keras_version={"a": 1})),
    "tfjs paths is text": tfjs(lambda m, _: _shards(m).update(paths="a.bin")),
    "tfjs path is a number": tfjs(lambda m, _: _shards(m).update(paths=[1])),
    "tfjs path escapes": tfjs(lambda m, _: _shards(m).update(paths=["a\x1b[2J.bin"])),
    "tfjs quantised": tfjs(lambda m, _: _shards(m)["weights"][0].update(quantization={"dtype": "uint8"})),
}  # fmt: skip
SOUND: Mapping[str, Make] = {"tfjs": tfjs(lambda model, folder: None)}
