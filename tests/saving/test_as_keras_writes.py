"""What is written of a recurrent layer is, key by key, what that Keras itself wrote of it."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import pytest

import weight_mapping as wm

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
FILES = [
    *sorted(GOLDEN.glob("k3151_*.keras")), *sorted(GOLDEN.glob("tfk221_*.keras")),
    GOLDEN / "conv" / "k2.2.4_theano_convlstm_channels_first.h5",
]  # fmt: skip
_RECURRENT = ("LSTM", "GRU", "SimpleRNN", "ConvLSTM2D", "RNN", "Bidirectional")


def configuration(path: Path) -> dict[str, Any]:
    if path.suffix == ".keras":
        with zipfile.ZipFile(path) as archive:
            return dict(json.loads(archive.read("config.json")))
    with h5py.File(path) as file:
        return dict(json.loads(file.attrs["model_config"]))


def layers(path: Path) -> list[dict[str, Any]]:
    return [layer for layer in configuration(path)["config"]["layers"] if layer["class_name"] in _RECURRENT]


def compared(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    assert mine["class_name"] == theirs["class_name"] and mine.get("module") == theirs.get("module")
    told = dict(theirs["config"])
    if mine["class_name"] == "Bidirectional":  # Keras leaves out a backward layer that is the forward one reversed
        ahead = told["layer"]["config"]
        assert [mine["config"][key]["config"]["name"].partition("_")[0] for key in ("layer", "backward_layer")] == [
            "forward", "backward",
        ]  # fmt: skip
        ahead.setdefault("zero_output_for_mask", ahead["return_sequences"])  # which tf.keras sets when it loads
        turned = {**ahead, "go_backwards": not ahead["go_backwards"]}
        told.setdefault("backward_layer", {**told["layer"], "config": turned})
    for key, value in mine["config"].items():
        assert key in told, key
        if isinstance(value, Mapping) and key in ("layer", "backward_layer", "cell"):
            compared(value, told[key])
        elif key == "cells":
            for own, other in zip(value, told[key], strict=True):
                compared(own, other)
        elif key == "name":
            assert plainly(value) == plainly(told[key])
        elif key != "dtype":  # Keras 3 spells out the policy that the word means
            assert value == told[key], key


def plainly(name: str) -> str:
    """Without its number; tf.keras names the two directions by what they are alone."""
    return re.sub(r"^(forward|backward)_|_\d+$", "", name)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_key_by_key(path: Path, tmp_path: Path) -> None:
    again = tmp_path / f"again{path.suffix}"
    wm.save(wm.load(path), again, keras={"k3": 3, "tf": 2}.get(path.name[:2]))
    if "rnncell" in path.name:  # an RNN of one cell is written as the layer of that cell
        assert [layer["class_name"] for layer in layers(again)] == ["LSTM"]
        return
    for mine, theirs in zip(layers(again), layers(path), strict=True):
        compared(mine, theirs)
