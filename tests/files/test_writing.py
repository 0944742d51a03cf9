"""Each writer against the reader and against the frameworks; a file is whole or not there."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from weight_mapping import bits
from weight_mapping.errors import PortingError, Unrepresentable
from weight_mapping.files import open_archive, safetensors
from weight_mapping.files.atomic import replacing
from weight_mapping.files.writing import write_keras_zip, write_legacy_h5, write_safetensors, write_v3_weights

h5py = pytest.importorskip("h5py")
RNG = np.random.default_rng(3)
SQUARE = RNG.normal(size=(6, 6)).astype(np.float32)
CONFIG = {"class_name": "Sequential", "config": {"name": "m", "layers": []}}
AWKWARD = {
    "transposed": SQUARE.T,
    "strided": RNG.normal(size=(8, 9))[::2, ::3],
    "reversed": np.arange(5, dtype=np.float16)[::-1],
    "fortran": np.asfortranarray(RNG.normal(size=(3, 4)).astype(np.float32)),
    "big-endian": np.arange(3, dtype=">f4"),
    "scalar": np.float32(2.5) * np.ones(()),
    "empty": np.empty((0, 3), np.float32),
    "broadcast": np.broadcast_to(np.float32(3), (2, 3)),
    "specials": np.array([np.nan, -0.0, np.inf, 1e-45], np.float32),
}


def legacy(path: Path, arrays: dict[str, Any]) -> None:
    write_legacy_h5(path, config=None, layers=[("layer", [*arrays.items()])], keras_version="2.15.0")


def v3(path: Path, arrays: dict[str, Any]) -> None:
    write_v3_weights(path, {f"layers/{name}/vars/0": array for name, array in arrays.items()}, {})


def zipped(path: Path, arrays: dict[str, Any]) -> None:
    tree = {f"layers/{name}/vars/0": array for name, array in arrays.items()}
    write_keras_zip(path, config=CONFIG, metadata={"keras_version": "3.15.1"}, tree=tree, names={"": "m"})


def tensors(path: Path, arrays: dict[str, Any]) -> None:
    write_safetensors(path, arrays, {"source": "test"})


WRITERS: dict[str, Callable[[Path, dict[str, Any]], None]] = {
    "legacy": legacy,
    "v3": v3,
    "keras": zipped,
    "safetensors": tensors,
}


@pytest.mark.parametrize("writer", WRITERS)
def test_any_array_comes_back_bit_for_bit(tmp_path: Path, writer: str) -> None:
    before = {name: array.copy() for name, array in AWKWARD.items()}
    WRITERS[writer](tmp_path / "file", AWKWARD)
    archive = open_archive(tmp_path / "file")
    assert len(archive.stored()) == len(AWKWARD)
    for stored in archive.stored():
        name = next(name for name in AWKWARD if name in stored.name.split("/"))
        expected = AWKWARD[name].astype(AWKWARD[name].dtype.newbyteorder("="))
        found = archive.read(stored)
        assert found.shape == expected.shape and found.dtype == expected.dtype and found.tobytes() == expected.tobytes()
    for name, array in AWKWARD.items():
        assert array.tobytes() == before[name].tobytes(), "a writer changed its input"


def test_a_writer_that_ignores_strides_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutant: a transposed array as it lies in memory, as safetensors 0.8.0 would store it. The comparison before
    the rename finds it."""
    monkeypatch.setattr(safetensors, "parts", lambda array: bits.parts(array.T))
    with pytest.raises(PortingError, match="differs from what was written"):
        tensors(tmp_path / "file", {"w": SQUARE.T})
    assert list(tmp_path.iterdir()) == []


def test_the_round_trip_keeps_names_order_and_description(tmp_path: Path) -> None:
    path = tmp_path / "m.h5"
    layers = [
        ("lstm_10", [("lstm_10/z:0", SQUARE), ("lstm_10/a:0", SQUARE[0])]),
        ("lstm_9", []),
        ("a/b", [("w", SQUARE)]),
    ]
    write_legacy_h5(path, config=CONFIG, layers=layers, keras_version="2.3.1", backend="theano")
    archive = open_archive(path)
    assert (archive.container, archive.keras_version, archive.backend) == ("h5 model", "2.3.1", "theano")
    assert archive.config == CONFIG
    assert [(layer, [stored.name for stored in arrays]) for layer, arrays in archive.layers or ()] == [
        (layer, [name for name, _ in arrays]) for layer, arrays in layers
    ]


def test_long_lists_of_names_are_split_as_keras_splits_them(tmp_path: Path) -> None:
    path = tmp_path / "m.h5"
    names = [f"layer_{n}_{'x' * 200}" for n in range(1000)]
    write_legacy_h5(path, config=None, layers=[(name, []) for name in names], keras_version="2.15.0")
    with h5py.File(path) as file:
        assert "layer_names0" in file.attrs and "layer_names" not in file.attrs
    assert [layer for layer, _ in open_archive(path).layers or ()] == names


def test_groups_named_without_variables_are_there(tmp_path: Path) -> None:
    names = {"": "model", "layers/dropout": "dropout_7", "layers/lstm": "my_lstm"}
    write_v3_weights(tmp_path / "w.weights.h5", {"layers/lstm/cell/vars/0": SQUARE}, names)
    assert open_archive(tmp_path / "w.weights.h5").names == names
    with h5py.File(tmp_path / "w.weights.h5") as file:
        assert list(file["layers/dropout/vars"]) == []


@pytest.mark.parametrize("name", ["", "a\0b", "..", "a/../b", "a//b"])
def test_names_that_hdf5_cannot_hold(tmp_path: Path, name: str) -> None:
    with pytest.raises(Unrepresentable):
        write_legacy_h5(tmp_path / "m.h5", config=None, layers=[(name, [])], keras_version="2.15.0")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["<img src=x onerror=alert(1)>", "a\x1b[31mred", "‮x", "BiLSTM v0.2>64", "日本"])
def test_names_that_look_dangerous_are_only_names(tmp_path: Path, name: str) -> None:
    legacy(tmp_path / "m.h5", {name: SQUARE})
    assert open_archive(tmp_path / "m.h5").stored()[0].name == name


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "m.h5"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), replacing(path) as temporary:
        temporary.write_bytes(b"half")
        raise ZeroDivisionError
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_a_link_is_replaced_and_its_target_kept(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "m.h5"
    target.write_bytes(b"precious")
    link.symlink_to(target)
    legacy(link, {"w": SQUARE})
    assert target.read_bytes() == b"precious" and not link.is_symlink()


@pytest.mark.skipif(os.name != "posix", reason="file modes are a matter of POSIX")
def test_the_file_has_the_mode_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    legacy(tmp_path / "m.h5", {"w": SQUARE})
    assert (tmp_path / "m.h5").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PortingError, match="can't be written"):
        legacy(tmp_path / "no" / "m.h5", {"w": SQUARE})


def rewritten(source: Path, target: Path) -> None:
    """Read a whole archive and write it again in the same container."""
    archive = open_archive(source)
    version = archive.keras_version or ""
    if archive.layers is not None:
        layers = [
            (layer, [(stored.name, archive.read(stored)) for stored in arrays]) for layer, arrays in archive.layers
        ]
        write_legacy_h5(target, config=archive.config, layers=layers, keras_version=version)
    else:
        assert archive.tree is not None and archive.config is not None
        tree = {name: archive.read(stored) for name, stored in archive.tree.items()}
        metadata = {"keras_version": version, "date_saved": "2026-01-01@00:00:00"}
        write_keras_zip(target, config=archive.config, metadata=metadata, tree=tree, names=archive.names)


@pytest.mark.parametrize("name", ["k3151_lstm2.keras", "k3151_bi.keras", "tfk221_lstm2.keras", "tfk221_bi.h5"])
def test_the_frameworks_load_what_was_written(tmp_path: Path, shared: Callable[[str], Path], name: str) -> None:
    framework: Any = pytest.importorskip("keras" if name.startswith("k3") else "tf_keras")
    original = shared("golden") / name
    copy = tmp_path / name
    rewritten(original, copy)
    models = [framework.saving.load_model(path, compile=False) for path in (original, copy)]
    first, second = (model.get_weights() for model in models)
    assert len(first) == len(second) > 0
    assert all(a.tobytes() == b.tobytes() for a, b in zip(first, second, strict=True))
    with np.load(next(original.parent.glob(f"{name.split('.')[0]}.npz"))) as recorded:
        inputs = recorded["x"] if "x" in recorded else recorded["x0"]
        outputs = recorded["y"] if "y" in recorded else recorded["y0"]
    assert np.abs(models[1].predict(inputs, verbose=0) - outputs).max() < 1e-5


def test_keras_3_loads_legacy_weights(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    model = keras.Sequential(
        [keras.Input((4, 3)), keras.layers.LSTM(5, name="lstm"), keras.layers.Dense(2, name="dense")]
    )
    shapes = {layer.name: [weight.shape for weight in layer.weights] for layer in model.layers}
    layers = [
        (layer, [(f"{layer}/{n}", RNG.normal(size=shape).astype(np.float32)) for n, shape in enumerate(each)])
        for layer, each in shapes.items()
    ]
    write_legacy_h5(tmp_path / "w.h5", config=None, layers=layers, keras_version=keras.__version__)
    model.load_weights(tmp_path / "w.h5")
    flat = [array for _, arrays in layers for _, array in arrays]
    assert all(a.tobytes() == b.tobytes() for a, b in zip(model.get_weights(), flat, strict=True))


def test_the_archive_holds_json_as_keras_writes_it(tmp_path: Path) -> None:
    import zipfile

    zipped(tmp_path / "m.keras", {"w": SQUARE})
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        assert archive.namelist() == ["metadata.json", "config.json", "model.weights.h5"]
        assert json.loads(archive.read("config.json")) == CONFIG
