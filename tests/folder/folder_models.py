"""Folders of models in every container, made quickly: golden files whose numbers are changed, and what else lies about.

python tests/folder/folder_models.py FOLDER --files 2000 [--units 200]
"""

from __future__ import annotations

import argparse
import json
import shutil
import zipfile
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import h5py
import numpy as np

import weight_mapping as wm
from weight_mapping.files import checkpoint as checkpoint_files
from weight_mapping.files import crc32c, open_archive
from weight_mapping.spec import Cell, Input, Recurrent, chain
from weight_mapping.weights import CellWeights, Portable

GOLDEN = Path(__file__).parents[1] / "golden"
Rng = np.random.Generator
Make = Callable[[Path, str, Rng], Path]
HOSTILE = "<img src=x onerror=alert(1)>\x1b[31m\u202egnp.\n"


def shifted(path: Path, rng: Rng) -> None:
    """Other weights in an HDF5 file, every array its own, where it lies."""
    with h5py.File(path, "r+") as file:
        datasets: list[Any] = []
        file.visititems(lambda _, item: datasets.append(item) if isinstance(item, h5py.Dataset) else None)
        for data in datasets:
            if data.dtype.kind == "f":
                data[...] = data[...] * rng.uniform(0.8, 1.2, data.shape)


def golden(name: str) -> Make:
    """A golden HDF5 file with other numbers."""

    def make(folder: Path, stem: str, rng: Rng) -> Path:
        path = folder / f"{stem}{''.join(Path(name).suffixes[-1:])}"
        shutil.copyfile(GOLDEN / name, path)
        shifted(path, rng)
        return path

    return make


def archive(name: str) -> Make:
    """A golden .keras archive with other numbers."""

    def make(folder: Path, stem: str, rng: Rng) -> Path:
        path, inside = folder / f"{stem}.keras", folder / f".{stem}.weights"
        with zipfile.ZipFile(GOLDEN / name) as old, zipfile.ZipFile(path, "w") as new:
            inside.write_bytes(old.read("model.weights.h5"))
            shifted(inside, rng)
            for member in ("metadata.json", "config.json"):
                new.writestr(member, old.read(member))
            new.write(inside, "model.weights.h5")
        inside.unlink()
        return path

    return make


def beside(name: str, model: str) -> Make:
    """Weights alone, and their configuration as JSON beside them."""

    def make(folder: Path, stem: str, rng: Rng) -> Path:
        ending = ".weights.h5" if ".weights" in name else "_weights.h5"
        shutil.copyfile(GOLDEN / name, path := folder / f"{stem}{ending}")
        shifted(path, rng)
        with h5py.File(GOLDEN / model) as file:
            config = {**json.loads(file.attrs["model_config"]), "keras_version": str(file.attrs["keras_version"])}
        (folder / f"{stem}.json").write_text(json.dumps(config))
        return path

    return make


def checkpoint(folder: Path, stem: str, rng: Rng) -> Path:
    """A TensorFlow checkpoint with its configuration, in a folder of its own."""
    return _checkpoint(folder / stem, "ck", rng, folder / stem / "model.json")


def savedmodel(folder: Path, stem: str, rng: Rng) -> Path:
    """A SavedModel, without the graph that is never read."""
    path = folder / stem
    _checkpoint(path / "variables", "variables", rng, None)
    with h5py.File(GOLDEN / "tf26_lstm2.h5") as file:
        config = json.loads(file.attrs["model_config"])
    root = json.dumps({"class_name": "Sequential", "keras_version": "2.6.0", "model_config": config})
    (path / "saved_model.pb").write_bytes(b"")
    (path / "keras_metadata.pb").write_bytes(_message(1, _message(3, b"root") + _message(5, root.encode())))
    return path


def tfjs(folder: Path, stem: str, rng: Rng) -> Path:
    """A tfjs layers model in a folder of its own."""
    path = folder / stem
    path.mkdir()
    source = open_archive(GOLDEN / "tf26_gru_ra.h5")
    arrays = {one.name: source.read(one) * rng.uniform(0.8, 1.2, one.shape).astype("f4") for one in source.stored()}
    weights = [{"name": name, "shape": array.shape, "dtype": "float32"} for name, array in arrays.items()]
    (path / "group1-shard1of1.bin").write_bytes(b"".join(array.astype("<f4").tobytes() for array in arrays.values()))
    topology = {"keras_version": source.keras_version, "model_config": source.config}
    manifest = [{"paths": ["group1-shard1of1.bin"], "weights": weights}]
    text = json.dumps({"format": "layers-model", "modelTopology": topology, "weightsManifest": manifest})
    (path / "model.json").write_text(text)
    return path / "model.json"


def truncated(folder: Path, stem: str, rng: Rng) -> Path:
    path = golden("k2.2.4_tensorflow_bi.h5")(folder, stem, rng)
    path.write_bytes(path.read_bytes()[: int(rng.integers(3000, 9000))])
    return path


def contradicting(folder: Path, stem: str, rng: Rng) -> Path:
    """A configuration of other units than the weights have."""
    return _reworded(folder, stem, rng, lambda config: config.replace('"units": ', '"units": 1'))


def of_its_author(folder: Path, stem: str, rng: Rng) -> Path:
    return _reworded(folder, stem, rng, lambda config: config.replace('"LSTM"', '"TheirLSTM"'))


def with_lambda(folder: Path, stem: str, rng: Rng) -> Path:
    return _reworded(
        folder, stem, rng, lambda config: config.replace('"class_name": "Dense"', '"class_name": "Lambda"')
    )


def data(folder: Path, stem: str, rng: Rng) -> Path:
    """An HDF5 file of another program."""
    with h5py.File(path := folder / f"{stem}.h5", "w") as file:
        file["images"] = rng.integers(0, 255, (4, 8, 8))
    return path


def same_again(folder: Path, stem: str, rng: Rng) -> Path:  # noqa: ARG001
    """Always the same bytes, under other names."""
    shutil.copyfile(GOLDEN / "k2.2.4_tensorflow_rnn.h5", path := folder / f"{stem}.h5")
    return path


def hostile(folder: Path, stem: str, rng: Rng) -> Path:
    return golden("k2.2.4_tensorflow_gru.h5")(folder, f"{HOSTILE.replace('/', '')}{stem}", rng)


def written(suffix: str, keras: int, units: int) -> Make:
    """A model of one LSTM with so many units, written by this project; 200 units are about a megabyte."""

    def make(folder: Path, stem: str, rng: Rng) -> Path:
        path = folder / f"{stem}{suffix}"
        wm.save(lstm(rng, units), path, keras=keras)
        return path

    return make


def lstm(rng: Rng, units: int) -> Portable:
    drawn = {"kernel": (4, units, units // 3), "recurrent": (4, units, units), "bias": (1, 4, units)}
    arrays = {name: rng.normal(0, units**-0.5, shape).astype(np.float32) for name, shape in drawn.items()}
    layer = Recurrent(cells=(Cell(kind="lstm", units=units, input_size=units // 3),), return_sequences=True)
    spec = chain("model", Input(name="x", shape=(None, None, units // 3)), {"lstm": layer})
    return Portable(spec=spec, weights={("lstm", "0"): CellWeights(kind="lstm", **arrays)})


MAKERS: dict[str, tuple[Make, str]] = {
    "h5 of Keras 1": (golden("k1.2.2_theano_lstm_cpu.h5"), "ported"),
    "h5 of Keras 2.0": (golden("k2.0.0_tensorflow_bi.h5"), "ported"),
    "h5 of Keras 2.2": (golden("k2.2.4_tensorflow_cudnngru.h5"), "ported"),
    "h5 of tf.keras": (golden("tf26_stacked.h5"), "ported"),
    "h5 of Keras 3": (golden("k3151_gru_rb.h5"), "ported"),
    "keras of tf.keras": (archive("tfk221_seq2seq.keras"), "ported"),
    "keras of Keras 3": (archive("k3151_bimask.keras"), "ported"),
    "weights of Keras 1": (beside("k1.2.2_theano_gru_w.h5", "k1.2.2_theano_gru.h5"), "ported"),
    "weights of tf.keras": (beside("tf26_gru_ra.weights.h5", "tf26_gru_ra.h5"), "ported"),
    "weights of Keras 3": (beside("k3151_lstm2.weights.h5", "k3151_lstm2.h5"), "ported"),
    "checkpoint": (checkpoint, "ported"),
    "savedmodel": (savedmodel, "ported"),
    "tfjs": (tfjs, "ported"),
    "copies": (same_again, "ported"),
    "hostile name": (hostile, "ported"),
    "weights alone": (golden("k2.2.4_tensorflow_gru_w.h5"), "refused"),
    "author's layer": (of_its_author, "refused"),
    "lambda": (with_lambda, "refused"),
    "truncated": (truncated, "damaged"),
    "contradicting": (contradicting, "damaged"),
    "other data": (data, "no model"),
}
"""Each kind of file, how it is made, and the fate that it must have."""


def make(folder: Path, files: int, units: int | None = None) -> dict[str, str]:
    """`files` files under `folder`, ten folders deep at most, every kind in turn; with `units` all of one LSTM of that
    size. The fate of each by its path."""
    rng = np.random.default_rng(1)
    makers = MAKERS if units is None else _large(units)
    fates: dict[str, str] = {}
    for n, (kind, (maker, fate)) in enumerate(islice(cycle(makers.items()), files)):
        place = folder / f"part {n // 100}" / ("h5" if kind != "weights alone" else "alone")
        place.mkdir(parents=True, exist_ok=True)
        fates[str(maker(place, f"{kind} {n}", rng))] = fate
    (folder / "README.md").write_text("Not a model.\n")
    np.savez(folder / "arrays.npz", a=np.ones(3))
    return fates


def _large(units: int) -> dict[str, tuple[Make, str]]:
    kinds = ((".h5", 2), (".keras", 2), (".h5", 3), (".keras", 3))
    return {f"{suffix[1:]} {keras}": (written(suffix, keras, units), "ported") for suffix, keras in kinds}


def _reworded(folder: Path, stem: str, rng: Rng, change: Callable[[str], str]) -> Path:
    path = golden("k2.2.4_tensorflow_lstm2.h5")(folder, stem, rng)
    with h5py.File(path, "r+") as file:
        config = file.attrs["model_config"]
        file.attrs["model_config"] = change(config.decode() if isinstance(config, bytes) else config)
    return path


def _checkpoint(folder: Path, name: str, rng: Rng, config: Path | None) -> Path:
    """The golden checkpoint with one array changed, and its configuration."""
    source = GOLDEN / "tf26_lstm2_ckpt"
    folder.mkdir(parents=True)
    found = open_archive(source)
    old = max((found.read(one) for one in found.stored()), key=lambda array: array.size)
    new = (old * rng.uniform(0.8, 1.2, old.shape)).astype(old.dtype)
    data = (source / "ck.data-00000-of-00001").read_bytes()
    (folder / f"{name}.data-00000-of-00001").write_bytes(data.replace(old.tobytes(), new.tobytes()))
    (folder / f"{name}.index").write_bytes(_resealed((source / "ck.index").read_bytes(), old, new))
    if config is not None:
        with h5py.File(GOLDEN / "tf26_lstm2.h5") as file:
            told = {**json.loads(file.attrs["model_config"]), "keras_version": "2.6.0"}
        config.write_text(json.dumps(told))
    return folder / f"{name}.index"


def _resealed(index: bytes, old: Any, new: Any) -> bytes:
    """The index with the new array's checksum in place of the old one's, and its blocks' own checksums."""
    checksums = [crc32c.masked([array.tobytes()]).to_bytes(4, "little") for array in (old, new)]
    changed, footer = bytearray(index.replace(*checksums)), index[-checkpoint_files._FOOTER :]
    root, _ = checkpoint_files._handle(footer, checkpoint_files._handle(footer, 0, "index")[1], "index")
    for _, value in checkpoint_files._block(index, root, "index"):
        (offset, size), _ = checkpoint_files._handle(value, 0, "index")
        end = offset + size + 1
        changed[end : end + 4] = crc32c.masked([bytes(changed[offset:end])]).to_bytes(4, "little")
    return bytes(changed)


def _message(field: int, content: bytes) -> bytes:
    """A protobuf field of bytes."""
    size, length = len(content), bytearray()
    while size > 127:
        length.append(size & 127 | 128)
        size >>= 7
    return bytes([field << 3 | 2, *length, size]) + content


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("folder", type=Path)
    asked.add_argument("--files", type=int, default=2000)
    asked.add_argument("--units", type=int)
    given = asked.parse_args()
    make(given.folder, given.files, given.units)
