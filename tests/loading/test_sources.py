"""What is told of a file beside its model: where it came from, which of its arrays each leaf has, what was left."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from safetensors.numpy import save_file

import weight_mapping as wm
from weight_mapping.errors import PortingError, UnsafeFile
from weight_mapping.weights import CellWeights

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
LSTM_2 = GOLDEN / "k2.2.4_tensorflow_lstm2.h5"
ARRAYS = ("kernel:0", "recurrent_kernel:0", "bias:0")
SLOPES = tuple(
    f"{name}.recurrent_activation: hard_sigmoid has slope 1/5, as in Keras 2.2.4" for name in ("lstm_1", "lstm_2")
)


@pytest.mark.parametrize("path", [LSTM_2, str(LSTM_2)], ids=["a path", "text"])
def test_a_file_s_source(path: Path | str) -> None:
    source = wm.load(path).source
    assert (source.container, source.path, source.keras_version, source.backend) == (
        "h5 model", str(path), "2.2.4", "tensorflow",
    )  # fmt: skip
    assert source.sha256 == hashlib.sha256(LSTM_2.read_bytes()).hexdigest()
    with h5py.File(LSTM_2) as file:
        assert source.config == json.loads(file.attrs["model_config"])
    assert source.resolved == SLOPES and source.optimizer is None
    assert source.origins == {
        **{(name, "0"): tuple(f"{name}/{array}" for array in ARRAYS) for name in ("lstm_1", "lstm_2")},
        ("dense_1",): ("dense_1/kernel:0", "dense_1/bias:0"),
    }


@pytest.mark.parametrize("layers_only", [False, True])
def test_the_optimizer_s_arrays_come_where_they_are_asked_for(layers_only: bool) -> None:
    kept = wm.load(LSTM_2, keep_optimizer=True, layers_only=layers_only).source.optimizer
    assert kept
    with h5py.File(LSTM_2) as file:
        for name, array in kept.items():
            assert np.array_equal(array, file[name][...]), name
    # The training's step and, of each of eight weights, what Adam keeps.
    assert len([name for name in kept if "iterations" in name]) == 1 and len(kept) >= 1 + 3 * 8


def test_a_configuration_beside_the_weights_is_the_source_s() -> None:
    weights = GOLDEN / "k3151_lstm2.weights.h5"
    whole, apart = wm.load(GOLDEN / "k3151_lstm2.keras"), wm.load(weights, GOLDEN / "k3151_lstm2.keras")
    assert apart.source.config == whole.source.config and apart.source.path == str(weights)
    assert apart.fingerprints() == whole.fingerprints() and apart.spec == whole.spec


def test_recognised_layers_keep_their_source_and_have_no_configuration() -> None:
    path = GOLDEN / "k3151_lstm2.weights.h5"
    drafted = wm.load(path, layers_only=True, keep_optimizer=True)
    source = drafted.source
    assert source.config is None and source.keras_version is None and source.path == str(path)
    assert source.container == "h5 weights v3" and "optimizer/vars/0" in (source.optimizer or {})
    assert source.resolved[0] == "the file does not say which Keras wrote it; assumed: the defaults of Keras 3"
    assert [line.split(":")[0] for line in source.resolved[1:3]] == ["lstm", "lstm_1"]
    old = wm.load(GOLDEN / "k2.2.4_tensorflow_gru_w.h5", layers_only=True).source
    assert old.keras_version == "2.2.4" and old.resolved[0].startswith("gru_1: recognised as GRU")
    assert old.resolved[-1] == "gru_1.recurrent_activation: hard_sigmoid has slope 1/5, as in Keras 2.2.4"


def test_weights_without_a_configuration_are_refused_with_the_ways_out() -> None:
    path = GOLDEN / "k3151_lstm2.weights.h5"
    with pytest.raises(PortingError, match="weights without a configuration") as refused:
        wm.load(path)
    assert (refused.value.where, refused.value.found) == (str(path), "h5 weights v3")
    assert refused.value.expected == "the model's configuration beside them"
    assert refused.value.way_out is not None and "config=" in refused.value.way_out


def test_an_open_choice_is_refused_with_its_version(tmp_path: Path) -> None:
    config = wm.load(LSTM_2).source.config
    assert config is not None
    for opened in ({"keras_version": "OPEN: which Keras?"}, {"backend": "tensorflow"}):
        (tmp_path / "m.json").write_text(json.dumps({"model_config": config, "keras_version": "2.2.4", **opened}))
        if "backend" in opened:
            assert wm.load(LSTM_2, tmp_path / "m.json").source.config == config
            continue
        with pytest.raises(PortingError, match="keras_version"):
            wm.load(LSTM_2, tmp_path / "m.json")


def test_no_more_is_read_than_was_allowed() -> None:
    with pytest.raises(UnsafeFile):
        wm.load(LSTM_2, max_bytes=100)


def test_a_proof_is_asked_of_a_file_that_carries_one() -> None:
    with pytest.raises(PortingError, match="proof"):
        wm.load(LSTM_2, verify=True)


@pytest.mark.parametrize(
    ("more", "told"),
    [(0, None), (1, "a0"), (4, "a0, a1, a2, a3"), (5, "a0, a1, a2, a3 and 1 more"), (6, "a0, a1, a2, a3 and 2 more")],
)
def test_arrays_that_the_configuration_has_no_place_for_are_named(more: int, told: str | None, tmp_path: Path) -> None:
    path = tmp_path / "m.h5"
    path.write_bytes(LSTM_2.read_bytes())
    with h5py.File(path, "r+") as file:
        weights = file["model_weights"]
        group = weights.create_group("other")
        group.attrs["weight_names"] = [*(f"a{n}" for n in range(more)), "steps"]
        for n in range(more):
            group[f"a{n}"] = np.zeros(3, np.float32)
        group["steps"] = np.zeros(3, np.int64)  # no weight of any layer
        weights.attrs["layer_names"] = [*weights.attrs["layer_names"], b"other"]
    loaded = wm.load(path)
    assert all(isinstance(weights, CellWeights | dict) for weights in loaded.weights.values())
    line = () if told is None else (f"the configuration has no place for these arrays of the file: {told}",)
    assert loaded.source.resolved == (*SLOPES, *line)


def test_a_port_s_own_file_says_what_it_means_and_another_s_goes_by_its_configuration(tmp_path: Path) -> None:
    portable = wm.load(LSTM_2)
    wm.save(portable, tmp_path / "own.safetensors")
    own = wm.load(tmp_path / "own.safetensors")
    assert own.spec == portable.spec and own.fingerprints() == portable.fingerprints()
    named = {
        name.removesuffix(":0"): array
        for path, weights in portable.weights.items()
        for name, array in zip(
            portable.source.origins[path],
            (wm.pack("keras", weights) if isinstance(weights, CellWeights) else weights).values(),
            strict=True,
        )
    }
    save_file(named, tmp_path / "other.safetensors")
    other = wm.load(tmp_path / "other.safetensors", LSTM_2)
    assert other.spec == portable.spec and other.fingerprints() == portable.fingerprints()
    # What another program tells of itself under that name is no spec of ours, in a container that is no port's.
    with pytest.raises(PortingError, match="spec"):
        save_file(named, tmp_path / "false.safetensors", {"spec": "none"})
        wm.load(tmp_path / "false.safetensors", LSTM_2)


def test_a_port_is_held_to_the_proof_in_its_file(tmp_path: Path) -> None:
    portable = wm.load(LSTM_2)
    wm.save(portable, tmp_path / "m.safetensors")
    assert wm.load(tmp_path / "m.safetensors", verify=True).fingerprints() == portable.fingerprints()


def test_what_the_system_refuses_is_told_with_the_file_s_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no device")

    monkeypatch.setattr("weight_mapping.loading.open_archive", refuse)
    with pytest.raises(PortingError, match="no device") as refused:
        wm.load(LSTM_2)
    assert refused.value.where == LSTM_2.name


def test_an_open_width_is_told_by_the_weights(tmp_path: Path) -> None:
    dense = {"class_name": "Dense", "config": {"name": "d", "units": 2}}
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["keras_version"] = "2.15.0"
        file.attrs["model_config"] = json.dumps(
            {"class_name": "Sequential", "config": {"name": "m", "layers": [dense]}}
        )
        group = file.create_group("model_weights/d")
        file["model_weights"].attrs["layer_names"], group.attrs["weight_names"] = ["d"], ["kernel", "bias"]
        group["kernel"], group["bias"] = np.zeros((7, 2), np.float32), np.zeros(2, np.float32)
    assert wm.load(tmp_path / "m.h5").spec.inputs[0].shape == (None, 7)
