"""A sound Keras 2 model in HDF5, changed in one place."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Make = Callable[[Path], Path]
"""Write the attack into an empty folder, and say what the user is led to open."""
GOLDEN = Path(__file__).parents[2] / "golden"
H5 = GOLDEN / "k2.2.4_tensorflow_lstm_hs.h5"


def h5(change: Callable[[Any], object]) -> Make:
    """A sound Keras 2 model in HDF5, changed with h5py."""

    def make(folder: Path) -> Path:
        path = folder / "model.h5"
        shutil.copyfile(H5, path)
        with h5py.File(path, "r+") as file:
            change(file)
        return path

    return make


def configured(change: Callable[[dict[str, Any]], object]) -> Make:
    """The same with another configuration; its layers are [LSTM]."""

    def attack(file: Any) -> None:
        config = json.loads(file.attrs["model_config"])
        change(config)
        file.attrs["model_config"] = json.dumps(config)

    return h5(attack)


def layers_of(config: dict[str, Any]) -> list[dict[str, Any]]:
    inner = config["config"]
    return list(inner["layers"] if isinstance(inner, dict) else inner)


def option(**values: Any) -> Make:
    """Options of the LSTM."""
    return configured(lambda config: layers_of(config)[0]["config"].update(values))


def with_layer(class_name: str, first: bool = False, **options: Any) -> Make:
    """One more layer, without weights, behind the LSTM or before it."""

    def change(config: dict[str, Any]) -> None:
        layer = {"class_name": class_name, "config": {"name": "added", "trainable": True, **options}}
        inner = config["config"]
        found = inner["layers"] if isinstance(inner, dict) else inner
        if first:
            layer["config"]["batch_input_shape"] = found[0]["config"].pop("batch_input_shape")
        found.insert(0 if first else len(found), layer)

    def attack(file: Any) -> None:
        config = json.loads(file.attrs["model_config"])
        change(config)
        file.attrs["model_config"] = json.dumps(config)
        group = file["model_weights"]
        names = [n if isinstance(n, bytes) else n.encode() for n in group.attrs["layer_names"]]
        group.attrs["layer_names"] = [b"added", *names] if first else [*names, b"added"]
        group.create_group("added").attrs["weight_names"] = np.array([], dtype="S1")

    return h5(attack)


def text(attribute: str, value: Any) -> Make:
    return h5(lambda file: file.attrs.__setitem__(attribute, value))


def array(name: str | None = None, **options: Any) -> Make:
    """The kernel's data set made anew with these options, or one beside it."""

    def attack(file: Any) -> None:
        path = kernel(file)
        if name is None:
            del file[path]
        file.create_dataset(path if name is None else f"{path}_{name}", **{"shape": (3, 20), "dtype": "f4", **options})

    return h5(attack)


def kernel(file: Any) -> str:
    found: list[str] = []
    file["model_weights"].visititems(
        lambda path, item: found.append(f"model_weights/{path}") if isinstance(item, h5py.Dataset) else None
    )
    return next(path for path in found if "recurrent" not in path and "kernel" in path)


def linked(link: Callable[[Any], Any]) -> Make:
    def attack(file: Any) -> None:
        path = kernel(file)
        target = link(file)
        if not isinstance(target, h5py.Group):
            del file[path]
            file[path] = target
        else:
            file[f"{path}_again"] = target

    return h5(attack)


def nested(class_name: str, depth: int) -> Make:
    def change(config: dict[str, Any]) -> None:
        layer = layers_of(config)[0]
        inner: dict[str, Any] = dict(layer)
        for n in range(depth):
            inner = {"class_name": class_name, "config": {"name": f"n{n}", "layer": inner}}
        layer["class_name"], layer["config"] = inner["class_name"], {**inner["config"], "name": layer["config"]["name"]}

    return configured(change)
