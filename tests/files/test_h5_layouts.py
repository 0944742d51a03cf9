"""The two layouts of Keras' HDF5 files, in the spellings that versions and systems gave them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from weight_mapping.errors import DamagedFile, Unsupported
from weight_mapping.files import open_archive

h5py = pytest.importorskip("h5py")
RNG = np.random.default_rng(7)
KERNEL = RNG.normal(size=(3, 20)).astype(np.float32)


def legacy(path: Path, layers: dict[str, dict[str, Any]], **attributes: Any) -> Path:
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.array([name.encode() for name in layers], dtype="S")
        file.attrs.update(attributes)
        for name, arrays in layers.items():
            group = file.create_group(name)
            group.attrs["weight_names"] = np.array([weight.encode() for weight in arrays], dtype="S")
            for weight, array in arrays.items():
                group.create_dataset(weight, data=array)
    return path


def test_layers_come_in_the_order_of_layer_names_not_of_the_alphabet(tmp_path: Path) -> None:
    names = ["lstm_9", "lstm_10", "lstm_11", "a"]
    archive = open_archive(legacy(tmp_path / "w.h5", {name: {f"{name}/kernel:0": KERNEL} for name in names}))
    assert [layer for layer, _ in archive.layers or ()] == names


def test_names_that_do_not_fit_one_attribute_are_joined(tmp_path: Path) -> None:
    path = tmp_path / "w.h5"
    with h5py.File(path, "w") as file:
        for count, part in enumerate((["b", "a"], ["d"], ["c"])):
            file.attrs[f"layer_names{count}"] = part
        for layer in "abcd":
            group = file.create_group(layer)
            group.attrs["weight_names0"], group.attrs["weight_names1"] = [b"k:0"], [b"b:0"]
            group["k:0"], group["b:0"] = KERNEL, KERNEL[0]
    archive = open_archive(path)
    assert [(layer, [w.name for w in weights]) for layer, weights in archive.layers or ()] == [
        (layer, ["k:0", "b:0"]) for layer in "badc"
    ]


def test_a_layer_without_weights_is_there_and_empty(tmp_path: Path) -> None:
    path = legacy(tmp_path / "w.h5", {"dropout": {}})
    with h5py.File(path, "r+") as file:
        file["dropout"].attrs["weight_names"] = np.array([])  # float64, as Keras 1 wrote it
    assert open_archive(path).layers == (("dropout", ()),)


@pytest.mark.parametrize(("suffix", "backend"), [(":0", "tensorflow"), ("", "theano")])
def test_keras_1_tells_its_backend_by_the_weights_names(tmp_path: Path, suffix: str, backend: str) -> None:
    path = legacy(tmp_path / "w.h5", {"lstm_1": {f"lstm_1_W_i{suffix}": KERNEL}})
    assert open_archive(path).backend == backend
    path = legacy(tmp_path / "x.h5", {"lstm_1": {f"lstm_1_W_i{suffix}": KERNEL}}, backend="jax")
    assert open_archive(path).backend == "jax"


def test_weights_saved_under_one_name_twice_are_refused(tmp_path: Path) -> None:
    path = legacy(tmp_path / "w.h5", {"rnn_1": {"rnn_1/kernel:0": KERNEL}})
    with h5py.File(path, "r+") as file:
        file["rnn_1"].attrs["weight_names"] = [b"rnn_1/kernel:0", b"rnn_1/kernel:0"]
    with pytest.raises(DamagedFile, match="under one name"):
        open_archive(path)


@pytest.mark.parametrize("missing", ["layer", "weight", "weight_names"])
def test_what_the_lists_name_and_the_file_lacks_is_named(tmp_path: Path, missing: str) -> None:
    path = legacy(tmp_path / "w.h5", {"lstm_1": {"lstm_1/kernel:0": KERNEL}})
    with h5py.File(path, "r+") as file:
        if missing == "layer":
            del file["lstm_1"]
        elif missing == "weight":
            del file["lstm_1/lstm_1/kernel:0"]
        else:
            del file["lstm_1"].attrs["weight_names"]
    with pytest.raises(DamagedFile, match="lstm_1"):
        open_archive(path)


@pytest.mark.parametrize("root", ["layers", "_layer_checkpoint_dependencies"])
@pytest.mark.parametrize("slash", ["/", "\\"])
def test_the_layout_of_keras_3_under_all_its_roots_and_slashes(tmp_path: Path, root: str, slash: str) -> None:
    path = tmp_path / "w.weights.h5"
    with h5py.File(path, "w") as file:
        group = file.create_group(slash.join((root, "model", root, "lstm", "cell"))).create_group("vars")
        group.attrs["name"] = "my_cell"
        group["0"], group["1"] = KERNEL, KERNEL[0]
        file.create_group("metrics/mean/vars")["0"] = KERNEL
        file.create_group("optimizer/vars")["0"] = KERNEL
        file.create_group("vars")
    archive = open_archive(path)
    assert archive.container == "h5 weights v3" and archive.tree is not None
    assert list(archive.tree) == ["layers/model/layers/lstm/cell/vars/0", "layers/model/layers/lstm/cell/vars/1"]
    assert archive.names == {"layers/model/layers/lstm/cell": "my_cell"}
    assert archive.read(archive.tree["layers/model/layers/lstm/cell/vars/0"]).tobytes() == KERNEL.tobytes()
    assert archive.optimizer == {}
    kept = open_archive(path, keep_optimizer=True)
    assert (
        list(kept.optimizer) == ["optimizer/vars/0"]
        and kept.tree is not None
        and kept.tree.keys() == archive.tree.keys()
    )
    assert kept.read(kept.optimizer["optimizer/vars/0"]).tobytes() == KERNEL.tobytes()


ARRAYS = {
    "float16": KERNEL.astype(np.float16),
    "float64": KERNEL.astype(np.float64),
    "big-endian": KERNEL.astype(">f8"),
    "int64": np.arange(4),
    "uint8": np.arange(4, dtype=np.uint8),
    "bool": np.array([True, False, True]),
    "scalar": np.float32(3.5),
    "empty": np.empty((0, 4), np.float32),
    "specials": np.array([np.nan, np.inf, -np.inf, -0.0, 1e-45], np.float32),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_numbers_keep_their_bits(tmp_path: Path, name: str) -> None:
    archive = open_archive(legacy(tmp_path / "w.h5", {"layer": {"w": ARRAYS[name]}}))
    found = archive.read(archive.stored()[0])
    expected = np.asarray(ARRAYS[name]).astype(np.asarray(ARRAYS[name]).dtype.newbyteorder("="))
    assert found.dtype == expected.dtype and found.shape == expected.shape and found.tobytes() == expected.tobytes()
    assert archive.stored()[0].dtype == expected.dtype


@pytest.mark.parametrize(
    "options",
    [
        {"chunks": (2, 7)},
        {"chunks": (2, 7), "compression": "gzip"},
        {"chunks": (3, 20), "compression": "gzip", "shuffle": True, "fletcher32": True},
        {"chunks": (1, 1), "fletcher32": True},
    ],
    ids=str,
)
def test_chunks_and_filters(tmp_path: Path, options: dict[str, Any]) -> None:
    path = legacy(tmp_path / "w.h5", {"layer": {}})
    with h5py.File(path, "r+") as file:
        file["layer"].attrs["weight_names"] = [b"w"]
        file["layer"].create_dataset("w", data=KERNEL, **options)
    archive = open_archive(path)
    assert archive.read(archive.stored()[0]).tobytes() == KERNEL.tobytes()


@pytest.mark.parametrize(
    ("array", "found"),
    [
        (np.zeros(3, np.complex64), "compound"),
        (np.zeros(3, "V2"), "bfloat16"),
        (np.zeros(3, "S4"), "string"),
        (np.zeros(3, [("a", "f4"), ("b", "i4")]), "compound"),
    ],
    ids=["complex", "bfloat16", "text", "record"],
)
def test_other_types_are_refused_by_name(tmp_path: Path, array: Any, found: str) -> None:
    with pytest.raises(Unsupported, match=found):
        open_archive(legacy(tmp_path / "w.h5", {"layer": {"w": array}}))


def test_a_two_byte_float_of_another_kind_is_not_taken_for_float16(tmp_path: Path) -> None:
    """bfloat16 as an HDF5 float: the same size, other bit fields. A reader that looks at the size alone is wrong."""
    kind = h5py.h5t.IEEE_F16LE.copy()
    kind.set_fields(15, 7, 8, 0, 7)
    kind.set_ebias(127)
    path = legacy(tmp_path / "w.h5", {"layer": {}})
    with h5py.File(path, "r+") as file:
        file["layer"].attrs["weight_names"] = [b"w"]
        h5py.h5d.create(file["layer"].id, b"w", kind, h5py.h5s.create_simple((4,)))
    with pytest.raises(Unsupported, match="float, 2 bytes"):
        open_archive(path)
