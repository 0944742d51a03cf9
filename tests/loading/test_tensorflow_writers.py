"""What TensorFlow itself writes of a Keras model: `model.export`, tf.saved_model.save and tf.train.Checkpoint. None of
them describes the layers; with the configuration beside them every variable finds its place by the object graph."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_models import MODELS, drawn, inputs
from numpy.typing import NDArray
from test_keras_models import FRAMEWORKS, close, framework, listed, predicted

import weight_mapping as wm
from weight_mapping.drafting.outline import outline
from weight_mapping.errors import Unconfigured, WeightsMismatch
from weight_mapping.files import open_archive

# Keras and TensorFlow warn of their own formats.
pytestmark = pytest.mark.filterwarnings("ignore")


def exported(tf: Any, model: Any, folder: Path) -> None:
    del tf
    model.export(str(folder))


def saved(tf: Any, model: Any, folder: Path) -> None:
    tf.saved_model.save(model, str(folder))


def root(tf: Any, model: Any, folder: Path) -> None:
    tf.train.Checkpoint(model).write(str(folder / "ckpt"))


def attribute(tf: Any, model: Any, folder: Path) -> None:
    tf.train.Checkpoint(net=model).save(str(folder / "ckpt"))


@dataclass(frozen=True)
class Written:
    """A model as TensorFlow wrote it and its configuration, with what it computed."""

    folder: Path
    inputs: list[NDArray[Any]]
    outputs: list[NDArray[Any]]


WRITERS: tuple[Callable[[Any, Any, Path], None], ...] = (exported, saved, root, attribute)


def recurrent(K: Any, name: str = "") -> Any:
    """Equal widths, so that only the right place gives the right answer."""
    L = K.layers
    return K.Sequential(
        [
            K.Input((12,)), L.Embedding(20, 8, mask_zero=True),
            L.Bidirectional(L.LSTM(4, return_sequences=True)), L.BatchNormalization(),
            L.GRU(8, return_sequences=True), L.LSTM(8), L.Dense(8), L.Dense(8),
        ],
        name=name or None,
    )  # fmt: skip


@pytest.fixture(
    scope="module",
    params=[(g, w) for g in FRAMEWORKS for w in WRITERS],
    ids=lambda p: f"{FRAMEWORKS[p[0]]}-{p[1].__name__}",
)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Written:
    """Keras 3 keeps a trained model's weights under its optimizer's keys."""
    generation, write = request.param
    K, folder = framework(generation), tmp_path_factory.mktemp("trained")
    model = drawn(recurrent(K))
    given = inputs(model, ids=True)
    model.compile("adam", "mse")
    model.fit(given[0], np.zeros((len(given[0]), 8)), verbose=0)
    write(pytest.importorskip("tensorflow"), model, folder / "written")
    (folder / "model.json").write_text(model.to_json())
    return Written(folder, given, predicted(model, given))


def test_the_weights_come_out(trained: Written) -> None:
    portable = wm.load(trained.folder / "written", trained.folder / "model.json")
    close(listed(wm.oracle.run(portable, *trained.inputs)), trained.outputs)
    with pytest.raises(Unconfigured, match="weights without a configuration"):
        wm.load(trained.folder / "written")


def test_the_layers_are_recognised(trained: Written) -> None:
    told = outline(open_archive(trained.folder / "written"))["config"]["layers"]
    expected = ["Embedding", "Bidirectional", "BatchNormalization", "GRU", "LSTM", "Dense", "Dense"]
    assert sorted(layer["class_name"] for layer in told) == sorted(expected)


def test_weights_that_the_configuration_leaves_out_are_named(trained: Written, tmp_path: Path) -> None:
    """Where layers have names; tf.keras' object graph counts them, and a number less is refused."""
    other = json.loads((trained.folder / "model.json").read_text())
    other["config"]["layers"] = [one for one in other["config"]["layers"] if one["class_name"] != "GRU"]
    (tmp_path / "model.json").write_text(json.dumps(other))
    if any("layer_with_weights" in stored.name for stored in open_archive(trained.folder / "written").stored()):
        with pytest.raises(WeightsMismatch):
            wm.load(trained.folder / "written", tmp_path / "model.json")
        return
    told = wm.load(trained.folder / "written", tmp_path / "model.json").source.resolved
    assert any("the configuration has no place for these arrays of the file" in words for words in told)


@pytest.mark.parametrize("write", [saved, attribute], ids=lambda w: w.__name__)
@pytest.mark.parametrize("name", ["sequential_shared", "attention"])
def test_models_within_models(name: str, write: Any, tmp_path: Path) -> None:
    model = drawn(MODELS[name](framework(3)))
    given = inputs(model, ids=False)
    (tmp_path / "model.json").write_text(model.to_json())
    write(pytest.importorskip("tensorflow"), model, tmp_path / "written")
    portable = wm.load(tmp_path / "written", tmp_path / "model.json")
    close(listed(wm.oracle.run(portable, *given)), predicted(model, given))


@pytest.mark.parametrize("write", [exported, attribute], ids=lambda w: w.__name__)
def test_layers_of_other_names_are_taken_in_order(write: Any, tmp_path: Path) -> None:
    K, tf = framework(3), pytest.importorskip("tensorflow")
    model = drawn(recurrent(K, "first"))
    given = inputs(model, ids=True)
    write(tf, model, tmp_path / "written")
    (tmp_path / "model.json").write_text(recurrent(K, "second").to_json())
    portable = wm.load(tmp_path / "written", tmp_path / "model.json")
    close(listed(wm.oracle.run(portable, *given)), predicted(model, given))
