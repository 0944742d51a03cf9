"""A sound model in every container that holds a configuration, and the same files with another configuration."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import weight_mapping as wm
from weight_mapping.plain import plain
from weight_mapping.spec import Cell, Input, Recurrent, chain
from weight_mapping.weights import CellWeights, Portable

Config = dict[str, Any]
Write = Callable[[Path, Config | bytes], "Files"]
Files = tuple[Path, Path | None]
"""What is loaded: a file, and where its configuration lies apart."""


def sound() -> Portable:
    """An LSTM and a Dense; every size different."""
    rng = np.random.default_rng(0)
    weights = CellWeights(
        kind="lstm", kernel=rng.normal(size=(4, 5, 3)), recurrent=rng.normal(size=(4, 5, 5)),
        bias=rng.normal(size=(1, 4, 5)),
    )  # fmt: skip
    layers = {"lstm": Recurrent(cells=(Cell(kind="lstm", units=5),)), "dense": plain("dense", units=2)}
    return Portable(
        spec=chain("m", Input(name="x", shape=(None, 7, 3)), layers),
        weights={("lstm", "0"): weights, ("dense",): {"kernel": rng.normal(size=(5, 2)), "bias": rng.normal(size=2)}},
    )


def configuration() -> Config:
    """As Keras 3 stores it."""
    from weight_mapping.keras_config import write_model
    from weight_mapping.saving.stating import KERAS3

    return write_model(sound().spec, KERAS3)


def _text(config: Config | bytes) -> bytes:
    return config if isinstance(config, bytes) else json.dumps(config).encode()


def h5(folder: Path, config: Config | bytes) -> Files:
    import h5py

    path = folder / "model.h5"
    wm.save(sound(), path)
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = np.bytes_(_text(config))
    return path, None


def keras_zip(folder: Path, config: Config | bytes) -> Files:
    wm.save(sound(), folder / "sound.keras")
    with zipfile.ZipFile(folder / "sound.keras") as read, zipfile.ZipFile(folder / "model.keras", "w") as write:
        for name in read.namelist():
            write.writestr(name, _text(config) if name == "config.json" else read.read(name))
    return folder / "model.keras", None


def apart(folder: Path, config: Config | bytes) -> Files:
    wm.save(sound(), folder / "model.weights.h5")
    (folder / "model.json").write_bytes(_text(config))
    return folder / "model.weights.h5", folder / "model.json"


def tfjs(folder: Path, config: Config | bytes) -> Files:
    arrays = {f"{name}": a.astype("<f4") for name, a in _arrays()}
    manifest = [{"paths": ["a.bin"], "weights": [
        {"name": name, "shape": list(a.shape), "dtype": "float32"} for name, a in arrays.items()
    ]}]  # fmt: skip
    head = {"keras_version": "3.15.1", "backend": "tensorflow"}
    topology = b'{"modelTopology": {%s, "model_config": %s}, "weightsManifest": %s}'
    text = topology % (json.dumps(head)[1:-1].encode(), _text(config), json.dumps(manifest).encode())
    (folder / "model.json").write_bytes(text)
    (folder / "a.bin").write_bytes(b"".join(a.tobytes() for a in arrays.values()))
    return folder / "model.json", None


def _arrays() -> list[tuple[str, Any]]:
    portable = sound()
    cell = portable.weights["lstm", "0"]
    assert isinstance(cell, CellWeights)
    dense: Any = portable.weights[("dense",)]
    own = [(f"lstm/lstm_cell/{name}", array) for name, array in wm.pack("keras", cell).items()]
    return [*own, *((f"dense/{name}", array) for name, array in dense.items())]


CONTAINERS: Mapping[str, Write] = {"h5": h5, "keras": keras_zip, "json": apart, "tfjs": tfjs}
