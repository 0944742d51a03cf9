"""Models that today's two Keras build, in every container that they write: loaded without them, their outputs come
out; written again for either, that Keras loads the file and answers the same."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from keras_models import MODELS, drawn, inputs, operations
from numpy.typing import NDArray

import weight_mapping as wm
import weight_mapping.torch as wt
from weight_mapping.errors import Unrepresentable
from weight_mapping.weights import Portable

# Keras warns of its own formats, and of masks that end where they should.
pytestmark = pytest.mark.filterwarnings("ignore")
BOUND = 1e-5
FRAMEWORKS = {3: "keras", 2: "tf_keras"}


@dataclass(frozen=True)
class Stored:
    """A model in every container of its Keras, with what it computed."""

    name: str
    generation: int
    folder: Path
    inputs: list[NDArray[Any]]
    outputs: list[NDArray[Any]]

    def load(self, name: str) -> Portable:
        apart = name in ("model.weights.h5", "legacy.h5", "checkpoint")
        return wm.load(self.folder / name, self.folder / "model.keras" if apart else None)


def framework(generation: int) -> Any:
    pytest.importorskip("tensorflow", reason="needs TensorFlow")
    pytest.importorskip(FRAMEWORKS[generation], reason=f"needs {FRAMEWORKS[generation]}")
    return importlib.import_module(FRAMEWORKS[generation])


def listed(answer: Any) -> list[Any]:
    return list(answer) if isinstance(answer, tuple | list) else [answer]


def predicted(model: Any, given: list[NDArray[Any]]) -> list[NDArray[Any]]:
    return [np.asarray(y) for y in listed(model(given if len(given) > 1 else given[0], training=False))]


def close(found: list[Any], expected: list[NDArray[Any]]) -> None:
    for y, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(np.asarray(y), wanted, rtol=0, atol=BOUND)


@pytest.fixture(
    scope="module", params=[(g, name) for name in MODELS for g in FRAMEWORKS], ids=lambda p: f"{p[1]}-{p[0]}"
)
def stored(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    generation, name = request.param
    K = framework(generation)
    model = drawn(MODELS[name](K))
    yield kept(model, name, generation, tmp_path_factory.mktemp(name))
    K.backend.clear_session()


def kept(model: Any, name: str, generation: int, folder: Path) -> Stored:
    given = inputs(model, ids=name in ("states_and_mask", "operations"))
    model.save(folder / "model.keras")
    model.save(folder / "model.h5")
    model.save_weights(folder / "model.weights.h5")
    if generation == 2:
        model.save_weights(folder / "legacy.h5")
        model.save_weights(folder / "checkpoint" / "ck")
    return Stored(name, generation, folder, given, predicted(model, given))


def test_every_container_gives_what_that_keras_computes(stored: Stored) -> None:
    names = sorted(path.name for path in stored.folder.iterdir())
    assert len(names) == (3 if stored.generation == 3 else 5)
    for name in names:
        portable = stored.load(name)
        close(listed(wm.oracle.run(portable, *stored.inputs)), stored.outputs)
    module = wt.build(portable).eval()
    with torch.no_grad():
        close([y.numpy() for y in listed(module(*map(torch.tensor, stored.inputs)))], stored.outputs)


@pytest.mark.parametrize("generation", FRAMEWORKS)
def test_either_keras_reads_what_is_written(stored: Stored, generation: int, tmp_path: Path) -> None:
    """From the .h5 file, which says less than .keras; a hard_sigmoid of the other generation by scaled weights. Keras 3
    hands a layer no mask beside initial states, and saves its masks as operations."""
    portable = stored.load("model.h5")
    if stored.name == "states_and_mask" and (stored.generation, generation) == (3, 2):
        with pytest.raises(Unrepresentable, match=r"a mask beside initial states|as a node of a Keras 2 model"):
            wm.save(portable, tmp_path / "again.keras", keras=generation)
        return
    # The mask becomes an operation, which Keras 3 loads from a .keras file and not from its own .h5.
    named = stored.name == "states_and_mask" and generation == 3
    for name in ("again.keras",) if named else ("again.keras", "again.h5"):
        wm.save(portable, tmp_path / name, keras=generation)
        model = framework(generation).models.load_model(tmp_path / name, compile=False)
        close(predicted(model, stored.inputs), stored.outputs)


@pytest.mark.parametrize("generation", FRAMEWORKS)
def test_operations_are_nodes_of_keras_3(generation: int, tmp_path: Path) -> None:
    """Keras 3's .h5 leaves out what tells the operation Add from the layer Add; both mean the same here."""
    model = drawn(operations(framework(generation)))
    files = kept(model, "operations", generation, tmp_path)
    for name in ("model.keras", "model.h5"):
        portable = files.load(name)
        close(listed(wm.oracle.run(portable, *files.inputs)), files.outputs)
        with torch.no_grad():
            found = wt.build(portable).eval()(*map(torch.tensor, files.inputs))
        close([y.numpy() for y in listed(found)], files.outputs)
        with pytest.raises(Unrepresentable, match="as a node of a Keras 2 model"):
            wm.save(portable, tmp_path / "older.keras", keras=2)
        wm.save(portable, tmp_path / "again.keras", keras=3)
        again = framework(3).models.load_model(tmp_path / "again.keras", compile=False)
        close(predicted(again, files.inputs), files.outputs)
    assert not (tmp_path / "older.keras").exists()


def test_a_saved_model_of_tf_keras(tmp_path: Path) -> None:
    K = framework(2)
    model = drawn(MODELS["attention"](K))
    given = inputs(model, False)
    model.save(tmp_path / "saved", save_format="tf")
    portable = wm.load(tmp_path / "saved")
    assert portable.source.container == "SavedModel"
    close(listed(wm.oracle.run(portable, *given)), predicted(model, given))


def test_a_model_that_is_not_built_has_its_widths_from_its_weights(tmp_path: Path) -> None:
    K = framework(2)
    model = K.Sequential([K.layers.LSTM(4, return_sequences=True), K.layers.LSTM(3)])
    x = np.random.default_rng(0).standard_normal((2, 10, 3)).astype(np.float32)
    model(x)
    drawn(model).save_weights(tmp_path / "w.h5")
    (tmp_path / "model.json").write_text(model.to_json())
    portable = wm.load(tmp_path / "w.h5", tmp_path / "model.json")
    assert portable.spec.inputs[0].shape is not None and portable.spec.inputs[0].shape[2] == 3
    close(listed(wm.oracle.run(portable, x)), predicted(model, [x]))
