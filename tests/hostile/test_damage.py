"""Every container cut at every second hundredth of its length, and with bytes flipped: one clean error, or arrays of
the shapes that the headers declare; no exception but ours."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from weight_mapping.errors import PortingError
from weight_mapping.files import open_archive
from weight_mapping.files.writing import write_keras_zip, write_legacy_h5, write_safetensors, write_v3_weights

pytest.importorskip("h5py")
KERNEL = np.random.default_rng(2).normal(size=(13, 40)).astype(np.float32)
CONFIG = {"class_name": "Sequential", "config": {"name": "m", "layers": []}}
TREE = {"layers/lstm/cell/vars/0": KERNEL, "layers/lstm/cell/vars/1": KERNEL[0]}


def h5(path: Path) -> None:
    layers = [("lstm", [("kernel:0", KERNEL), ("bias:0", KERNEL[0])])]
    write_legacy_h5(path, config=CONFIG, layers=layers, keras_version="2.15.0")


def v3(path: Path) -> None:
    write_v3_weights(path, TREE, {})


def keras(path: Path) -> None:
    write_keras_zip(path, config=CONFIG, metadata={}, tree=TREE, names={})


def safetensors(path: Path) -> None:
    write_safetensors(path, {"w": KERNEL}, {})


def pt(path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.save({"w": torch.from_numpy(KERNEL)}, path)


def arrays(path: Path) -> list[bytes]:
    archive = open_archive(path)
    return [archive.read(stored).tobytes() for stored in archive.stored()]


every_container = pytest.mark.parametrize("write", [h5, v3, keras, safetensors, pt], ids=lambda write: write.__name__)


def cuts(length: int) -> list[int]:
    return sorted({*(length * n // 100 for n in range(100)), 1, 7, 8, length - 1})


@every_container
def test_a_file_cut_short(tmp_path: Path, write: Callable[[Path], None]) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    write(whole)
    raw, expected = whole.read_bytes(), arrays(whole)
    refused = 0
    for length in cuts(len(raw)):
        cut.write_bytes(raw[:length])
        try:
            assert arrays(cut) == expected
        except PortingError:
            refused += 1
    assert refused >= 50


@every_container
def test_a_file_with_bytes_flipped(tmp_path: Path, write: Callable[[Path], None]) -> None:
    """Both outcomes must occur: if no damaged file got past the header, the test would prove little."""
    whole, changed = tmp_path / "whole", tmp_path / "changed"
    write(whole)
    raw, rng = whole.read_bytes(), np.random.default_rng(5)
    opened = 0
    for _ in range(150):
        flipped = bytearray(raw)
        for at in rng.integers(0, len(raw) if rng.random() < 0.5 else min(len(raw), 2000), rng.integers(1, 4)):
            flipped[at] ^= 1 << int(rng.integers(8))
        changed.write_bytes(flipped)
        try:
            archive = open_archive(changed)
            assert all(archive.read(stored).shape == stored.shape for stored in archive.stored())
            opened += 1
        except PortingError as error:
            assert len(str(error)) < 1000
    assert opened < 150
    assert opened > 3 or write is keras  # whose archive has checksums


@pytest.mark.parametrize(
    "name", ["saved_model.pb", "keras_metadata.pb", "variables.index", "variables.data-00000-of-00001"]
)
def test_a_saved_model_with_one_file_cut_short(tmp_path: Path, shared: Callable[[str], Path], name: str) -> None:
    copy = tmp_path / "model"
    shutil.copytree(shared("golden") / "tfk221_lstm2_sm", copy, copy_function=shutil.copyfile)
    for folder in (copy, copy / "variables"):
        folder.chmod(0o755)
    file = next(copy.rglob(name))
    raw, expected = file.read_bytes(), arrays(copy)
    outcomes = []
    for length in cuts(len(raw)):
        file.write_bytes(raw[:length])
        try:
            outcomes.append(arrays(copy) == expected)
        except PortingError:
            outcomes.append(False)
    if name == "saved_model.pb":  # the graph, which is not read
        assert all(outcomes)
    else:
        assert not outcomes[0] and sum(outcomes) <= 1


def test_a_tfjs_shard_cut_short(tmp_path: Path) -> None:
    weights = [{"name": "w", "shape": [13, 40], "dtype": "float32"}]
    manifest = [{"paths": ["a.bin"], "weights": weights}]
    (tmp_path / "model.json").write_text(
        json.dumps({"modelTopology": {"model_config": CONFIG}, "weightsManifest": manifest})
    )
    for length in cuts(KERNEL.nbytes):
        (tmp_path / "a.bin").write_bytes(KERNEL.tobytes()[:length])
        with pytest.raises(PortingError):
            open_archive(tmp_path)
