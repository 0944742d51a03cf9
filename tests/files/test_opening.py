"""Containers are told by their content; what is none of them gets one clear error; a configuration may lie apart."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from weight_mapping.errors import DamagedFile, PortingError, Unsupported
from weight_mapping.files import open_archive
from weight_mapping.files.writing import write_keras_zip, write_legacy_h5, write_safetensors, write_v3_weights

pytest.importorskip("h5py")
RNG = np.random.default_rng(11)
KERNEL, BIAS = RNG.normal(size=(3, 20)).astype(np.float32), RNG.normal(size=20).astype(np.float32)
CONFIG = {"class_name": "Sequential", "config": {"name": "model", "layers": []}}
LAYERS = [("lstm", [("lstm/kernel:0", KERNEL), ("lstm/bias:0", BIAS)])]
TREE, NAMES = {"layers/lstm/cell/vars/0": KERNEL, "layers/lstm/cell/vars/1": BIAS}, {"layers/lstm": "my_lstm"}


def h5_model(path: Path) -> None:
    write_legacy_h5(path, config=CONFIG, layers=LAYERS, keras_version="2.15.0")


def h5_weights(path: Path) -> None:
    write_legacy_h5(path, config=None, layers=LAYERS, keras_version="2.14.0")


def v3_weights(path: Path) -> None:
    write_v3_weights(path, TREE, NAMES)


def keras_zip(path: Path) -> None:
    write_keras_zip(path, config=CONFIG, metadata={"keras_version": "3.15.1"}, tree=TREE, names=NAMES)


def safetensors(path: Path) -> None:
    write_safetensors(path, {"lstm.weight_ih_l0": KERNEL}, {"format": "pt"})


def torch_file(path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.save({"lstm.weight_ih_l0": torch.from_numpy(KERNEL)}, path)


WRITERS: dict[str, Callable[[Path], None]] = {
    "h5 model": h5_model,
    "h5 weights": h5_weights,
    "h5 weights v3": v3_weights,
    "keras zip": keras_zip,
    "safetensors": safetensors,
    "pt": torch_file,
}


@pytest.mark.parametrize("container", WRITERS)
def test_the_content_decides_whatever_the_suffix(tmp_path: Path, container: str) -> None:
    for suffix in (".h5", ".keras", ".json", ""):
        path = tmp_path / f"model{suffix}"
        WRITERS[container](path)
        archive = open_archive(path)
        assert archive.container == container
        assert any(archive.read(stored).tobytes() == KERNEL.tobytes() for stored in archive.stored())
        assert len(archive.sha256) == 64


def tfjs(folder: Path, **changes: Any) -> Path:
    """A tfjs model whose kernel straddles two shards, and whose arrays are in no order of the layers."""
    data = BIAS.tobytes() + KERNEL.tobytes()
    (folder / "a.bin").write_bytes(data[:100])
    (folder / "b.bin").write_bytes(data[100:])
    weights = [{"name": "b", "shape": [20], "dtype": "float32"}, {"name": "k", "shape": [3, 20], "dtype": "float32"}]
    manifest = [{"paths": ["a.bin", "b.bin"], "weights": weights}]
    model = {
        "modelTopology": {"keras_version": "2.1.5", "model_config": CONFIG},
        "weightsManifest": manifest,
        **changes,
    }
    (folder / "model.json").write_text(json.dumps(model))
    return folder


def test_a_tfjs_model_by_its_folder_and_by_its_json(tmp_path: Path) -> None:
    folder, file = open_archive(tfjs(tmp_path)), open_archive(tmp_path / "model.json")
    assert folder.container == "tfjs" and folder.keras_version == "2.1.5" and folder.config == CONFIG
    assert folder.sha256 == file.sha256 and folder.named is not None
    assert folder.read(folder.named["k"]).tobytes() == KERNEL.tobytes()
    assert folder.read(folder.named["b"]).tobytes() == BIAS.tobytes()


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"format": "graph-model"}, Unsupported, "graph model"),
        ({"weightsManifest": [{"paths": ["../a.bin"], "weights": []}]}, DamagedFile, "leads elsewhere"),
        ({"weightsManifest": [{"paths": ["/etc/passwd"], "weights": []}]}, DamagedFile, "leads elsewhere"),
        ({"weightsManifest": [{"paths": ["a.bin"], "weights": []}]}, DamagedFile, "not as long"),
        ({"weightsManifest": [{"paths": ["no.bin"], "weights": []}]}, PortingError, "no such file"),
        ({"weightsManifest": [{"paths": ["a.bin"]}]}, DamagedFile, "KeyError"),
    ],
    ids=["graph", "up", "absolute", "length", "missing", "no weights"],
)
def test_a_tfjs_model_that_is_not_sound(tmp_path: Path, changes: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        open_archive(tfjs(tmp_path, **changes))


def test_a_quantised_tfjs_array_is_refused(tmp_path: Path) -> None:
    weight = {"name": "k", "shape": [100], "dtype": "float32", "quantization": {"dtype": "uint8", "min": 0, "scale": 1}}
    with pytest.raises(Unsupported, match="quantised"):
        open_archive(tfjs(tmp_path, weightsManifest=[{"paths": ["a.bin"], "weights": [weight]}]))


@pytest.mark.parametrize("kind", ["json", "h5 model", "keras zip", "tfjs"])
def test_a_configuration_from_another_file(tmp_path: Path, kind: str) -> None:
    weights, config = tmp_path / "weights", tmp_path / "config"
    h5_weights(weights)
    if kind == "json":
        config.write_text(json.dumps({**CONFIG, "keras_version": "2.14.1", "backend": "tensorflow"}))
    elif kind == "tfjs":
        config.mkdir()
        tfjs(config)
    else:
        WRITERS[kind](config)
    archive = open_archive(weights, config)
    assert archive.config is not None and CONFIG.items() <= archive.config.items()
    assert archive.container == "h5 weights"
    expected = {"json": "2.14.1", "h5 model": "2.15.0", "keras zip": "3.15.1", "tfjs": "2.1.5"}
    assert archive.keras_version == expected[kind]


def test_a_file_without_configuration_is_no_configuration(tmp_path: Path) -> None:
    h5_weights(tmp_path / "weights")
    with pytest.raises(PortingError, match="holds no configuration"):
        open_archive(tmp_path / "weights", tmp_path / "weights")


def test_a_configuration_alone_says_where_it_belongs(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    path.write_text(json.dumps(CONFIG))
    with pytest.raises(PortingError, match=r"without weights.*config="):
        open_archive(path)


def test_sharded_weights_of_keras_3(tmp_path: Path) -> None:
    write_v3_weights(
        tmp_path / "model_00000.weights.h5", {"layers/lstm/cell/vars/0": KERNEL}, {"layers/lstm": "my_lstm"}
    )
    write_v3_weights(tmp_path / "model_00001.weights.h5", {"layers/lstm/cell/vars/1": BIAS}, {})
    shards = {"/layers/lstm/cell/vars": ["model_00000.weights.h5", "model_00001.weights.h5"]}
    (tmp_path / "model.weights.json").write_text(json.dumps({"metadata": {"total_size": 320}, "weight_map": shards}))
    archive = open_archive(tmp_path / "model.weights.json")
    assert archive.tree is not None and archive.names == NAMES
    assert {name: archive.read(stored).tobytes() for name, stored in archive.tree.items()} == {
        name: array.tobytes() for name, array in TREE.items()
    }
    (tmp_path / "model_00001.weights.h5").unlink()
    with pytest.raises(PortingError, match="no such file"):
        open_archive(tmp_path)


def test_shards_that_keras_itself_wrote(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    model = keras.Sequential([keras.Input((4, 3)), keras.layers.LSTM(32), keras.layers.Dense(40, name="last")])
    model.save_weights(tmp_path / "model.weights.json", max_shard_size=18_000 / 1024**3)
    assert len(list(tmp_path.glob("*.h5"))) > 1
    archive = open_archive(tmp_path)
    assert archive.tree is not None and "last" in archive.names.values()
    paths = [f"layers/lstm/cell/vars/{n}" for n in range(3)] + [f"layers/dense/vars/{n}" for n in range(2)]
    assert sorted(archive.tree) == sorted(paths)
    for path, expected in zip(paths, model.get_weights(), strict=True):
        assert archive.read(archive.tree[path]).tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    "content", [b"", b"hello, I am a text\n", b"\x89HDF\r\n", b"PK\x03\x04", b"{", b"[1]", b"\0" * 4096]
)
def test_what_is_no_model_gets_one_clear_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.h5"
    path.write_bytes(content)
    with pytest.raises(DamagedFile) as caught:
        open_archive(path)
    assert "model.h5" in str(caught.value)


@pytest.mark.parametrize(
    "name", ["saved_model.pb", "keras_metadata.pb", "group1-shard1of2.bin", "variables.data-00000-of-00001"]
)
def test_a_part_of_a_model_names_the_folder_as_the_way_out(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x08\x01\x12 nothing alone")
    with pytest.raises(DamagedFile, match="Give the folder that it is in"):
        open_archive(tmp_path / name)


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PortingError, match="no such file") as caught:
        open_archive(tmp_path / "no.h5")
    assert not isinstance(caught.value, DamagedFile)
    with pytest.raises(PortingError, match="holds no model"):
        open_archive(tmp_path)


def test_several_checkpoints_in_a_folder(tmp_path: Path, shared: Callable[[str], Path]) -> None:
    for name in ("ck-1", "ck-2"):
        for suffix in (".index", ".data-00000-of-00001"):
            shutil.copyfile(shared("golden") / "tfk221_bi_ckpt" / f"ck{suffix}", tmp_path / f"{name}{suffix}")
    with pytest.raises(PortingError, match="several checkpoints"):
        open_archive(tmp_path)
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "/elsewhere/ck-2"\n')
    assert open_archive(tmp_path).path.name == "ck-2"


def test_a_file_that_changes_after_it_was_opened_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "model.h5"
    h5_model(path)
    archive = open_archive(path)
    with path.open("ab") as file:
        file.write(b"more")
    with pytest.raises(DamagedFile, match="changed"):
        archive.read(archive.stored()[0])


def test_the_limit_on_bytes_is_the_callers(tmp_path: Path) -> None:
    path = tmp_path / "model.h5"
    h5_model(path)
    total = KERNEL.nbytes + BIAS.nbytes
    assert open_archive(path, max_bytes=total).stored()
    with pytest.raises(DamagedFile, match="too many bytes"):
        open_archive(path, max_bytes=total - 1)


YAML = """backend: theano
class_name: Sequential
config:
- class_name: LSTM
  config:
    batch_input_shape: !!python/tuple [null, &id001 3, 2]
    name: lstm
    units: 5
keras_version: 1.2.2
"""


def test_a_configuration_in_yaml_is_named_and_the_way_out_leads_out(tmp_path: Path) -> None:
    pytest.importorskip("yaml", reason="PyYAML is not installed")
    if os.name != "posix":
        pytest.skip("the way out is a line for a shell")
    (tmp_path / "model.yaml").write_text(YAML)
    h5_weights(tmp_path / "weights.h5")
    with pytest.raises(Unsupported, match="YAML") as refused:
        open_archive(tmp_path / "weights.h5", tmp_path / "model.yaml")
    line = str(refused.value.way_out).partition("PyYAML: ")[2].replace("python -c", f"{sys.executable} -c")
    subprocess.run(line, shell=True, cwd=tmp_path, check=True)
    archive = open_archive(tmp_path / "weights.h5", tmp_path / "model.json")
    assert archive.config is not None and archive.keras_version == "1.2.2"
    assert archive.config["config"][0]["config"]["batch_input_shape"] == [None, 3, 2]
