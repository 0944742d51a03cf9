"""Every file of the golden set is opened, and each array is what another reader finds, bit for bit."""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from weight_mapping.files import Archive, open_archive

h5py = pytest.importorskip("h5py")
Shared = Callable[[str], Path]
CONTAINERS = ("h5 model", "h5 weights", "h5 weights v3", "keras zip", "SavedModel", "TF checkpoint")


def models(shared: Shared) -> Iterator[Path]:
    folder = shared("golden")
    for path in sorted([*folder.glob("*"), *folder.glob("conv/*")]):
        if path.suffix in (".h5", ".keras") or path.name.endswith(("_sm", "_ckpt")):
            yield path


def same(found: Any, expected: Any) -> bool:
    return bool(
        found.shape == expected.shape and found.dtype == expected.dtype and found.tobytes() == expected.tobytes()
    )


def compared_with_h5py(archive: Archive, file: Any) -> int:
    for stored in archive.stored():
        expected = file[stored.path][()]
        assert same(archive.read(stored), expected), stored
        assert (stored.shape, stored.dtype, stored.nbytes) == (expected.shape, expected.dtype, expected.nbytes)
    return len(archive.stored())


def test_every_hdf5_file_and_keras_archive_reads_as_h5py_reads_it(shared: Shared) -> None:
    counts = dict.fromkeys(CONTAINERS, 0)
    arrays = 0
    for path in models(shared):
        archive = open_archive(path)
        counts[archive.container] += 1
        if path.is_file():
            data = (
                zipfile.ZipFile(path).read("model.weights.h5")
                if archive.container == "keras zip"
                else path.read_bytes()
            )
            with h5py.File(io.BytesIO(data)) as file:
                arrays += compared_with_h5py(archive, file)
    assert all(counts.values()), counts
    assert arrays > 1000


def test_the_order_is_that_of_layer_names_and_weight_names(shared: Shared) -> None:
    checked = 0
    for path in models(shared):
        archive = open_archive(path)
        if archive.layers is None:
            continue
        with h5py.File(path) as file:
            top = file.get("model_weights", file)
            texts = [[_text(name) for name in top[layer].attrs["weight_names"]] for layer in top.attrs["layer_names"]]
            assert [layer for layer, _ in archive.layers] == [_text(layer) for layer in top.attrs["layer_names"]]
            assert [[stored.name for stored in arrays] for _, arrays in archive.layers] == texts
            checked += 1
    assert checked > 100


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


@pytest.mark.parametrize(
    ("name", "version", "backend"),
    [
        ("k1.2.2_theano_bi.h5", "1.2.2", "theano"),
        ("k1.2.2_theano_bi_w.h5", None, "theano"),
        ("k2.0.0_tensorflow_bi_w.h5", "2.0.0", "tensorflow"),
        ("k2.2.4_tensorflow_bi.h5", "2.2.4", "tensorflow"),
        ("k3151_bi.h5", "3.15.1", "tensorflow"),
        ("k3151_bi.keras", "3.15.1", None),
        ("tf26_lstm2_sm", "2.6.0", "tensorflow"),
    ],
)
def test_version_and_backend_of_the_writer(shared: Shared, name: str, version: str | None, backend: str | None) -> None:
    archive = open_archive(shared("golden") / name)
    assert (archive.keras_version, archive.backend) == (version, backend)


def test_a_keras_archive_tells_the_layers_names(shared: Shared) -> None:
    archive = open_archive(shared("golden") / "k3151_lstm2.keras")
    assert archive.config is not None and archive.tree is not None
    assert {layer["config"]["name"] for layer in archive.config["config"]["layers"]} >= set(archive.names.values()) - {
        archive.config["config"]["name"],
        "lstm_cell",
    }
    assert "layers/lstm/cell/vars/0" in archive.tree


@pytest.mark.parametrize("tag", ["tf26", "tfk221"])
def test_a_saved_model_holds_the_weights_of_its_h5_twin(shared: Shared, tag: str) -> None:
    """Its checkpoint calls an LSTM's kernel variables/0; the object graph says whose kernel that is."""
    twin = open_archive(shared("golden") / f"{tag}_lstm2.h5")
    expected = [twin.read(stored).tobytes() for stored in twin.stored()]
    folders = [shared("golden") / f"{tag}_lstm2_sm", shared("golden") / f"{tag}_lstm2_ckpt"]
    for archive in map(open_archive, folders):
        assert archive.named is not None
        order = [f"layer_with_weights-{n}/cell/{w}" for n in (0, 1) for w in ("kernel", "recurrent_kernel", "bias")]
        order += [f"layer_with_weights-2/{w}" for w in ("kernel", "bias")]
        found = [archive.read(archive.named[f"{key}/.ATTRIBUTES/VARIABLE_VALUE"]).tobytes() for key in order]
        assert found == expected
        assert len(archive.named) == len(order)
    assert open_archive(folders[0]).metadata["root.layer_with_weights-0"]["class_name"] == "LSTM"


def test_a_checkpoint_goes_by_its_prefix_its_index_and_its_folder(shared: Shared) -> None:
    folder = shared("golden") / "tfk221_bi_ckpt"
    ways = [open_archive(folder), open_archive(folder / "ck"), open_archive(folder / "ck.index")]
    assert len({archive.sha256 for archive in ways}) == 1


def test_checkpoints_read_as_tensorflow_reads_them(shared: Shared) -> None:
    tensorflow = pytest.importorskip("tensorflow")
    for name in ("tf26_bi_ckpt", "tfk221_lstm2_ckpt"):
        archive = open_archive(shared("golden") / name)
        reader = tensorflow.train.load_checkpoint(str(shared("golden") / name / "ck"))
        for stored in archive.stored():
            assert same(archive.read(stored), np.asarray(reader.get_tensor(stored.path))), stored


def test_before_tensorflow_2_5_the_graph_itself_describes_the_layers(shared: Shared, tmp_path: Path) -> None:
    """A SavedModel of today, its descriptions moved from keras_metadata.pb to where they lay before."""
    pytest.importorskip("tensorflow")
    from tensorflow.core.protobuf import saved_model_pb2
    from tf_keras.protobuf import saved_metadata_pb2

    copy = tmp_path / "model"
    shutil.copytree(shared("golden") / "tf26_lstm2_sm", copy, copy_function=shutil.copyfile)
    copy.chmod(0o755)
    (copy / "variables").chmod(0o755)
    expected = open_archive(copy)
    graph, described = saved_model_pb2.SavedModel(), saved_metadata_pb2.SavedMetadata()
    graph.ParseFromString((copy / "saved_model.pb").read_bytes())
    described.ParseFromString((copy / "keras_metadata.pb").read_bytes())
    for node in described.nodes:
        graph.meta_graphs[0].object_graph_def.nodes[node.node_id].user_object.metadata = node.metadata
    (copy / "saved_model.pb").write_bytes(graph.SerializeToString())
    (copy / "keras_metadata.pb").unlink()
    found = open_archive(copy)
    assert (found.config, found.keras_version, found.metadata) == (expected.config, "2.6.0", expected.metadata)


def test_a_saved_model_without_its_description_is_weights_alone(shared: Shared, tmp_path: Path) -> None:
    copy = tmp_path / "model"
    shutil.copytree(shared("golden") / "tf26_lstm2_sm", copy, copy_function=shutil.copyfile)
    copy.chmod(0o755)
    (copy / "keras_metadata.pb").unlink()
    whole, alone = open_archive(shared("golden") / "tf26_lstm2_sm"), open_archive(copy)
    assert whole.config is not None and alone.config is None and alone.stored() == whole.stored()


def test_the_optimizer_comes_only_when_asked_for(shared: Shared) -> None:
    for name in ("tf26_bi_ckpt", "tfk221_lstm2_sm", "tfk221_lstm2.h5", "k3151_lstm2.keras"):
        path = shared("golden") / name
        plain, kept = open_archive(path), open_archive(path, keep_optimizer=True)
        assert not plain.optimizer and kept.optimizer
        assert plain.stored() == kept.stored()
        assert all(kept.read(stored).shape == stored.shape for stored in kept.optimizer.values())


def test_wild_containers_open_too(shared: Shared) -> None:
    opened = 0
    for path in sorted(shared("wild").iterdir()):
        if path.suffix in (".h5", ".hdf5", ".keras") or (path.is_dir() and path.name != "refs"):
            archive = open_archive(path)
            opened += 1
            largest = max(archive.stored(), key=lambda stored: stored.nbytes)
            assert archive.read(largest).shape == largest.shape
    assert opened > 50
