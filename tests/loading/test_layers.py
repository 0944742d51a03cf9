"""Every layer that a port knows, built by both of today's Keras with random weights: read without them, the oracle and
PyTorch answer the same; written for either, that Keras answers the same or the layer is refused."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from keras_models import drawn
from layer_cases import CASES
from numpy.typing import NDArray

import weight_mapping as wm
import weight_mapping.torch as wt
from weight_mapping.errors import Unrepresentable
from weight_mapping.keras_config import plain_layers

# Keras warns of its own format.
pytestmark = pytest.mark.filterwarnings("ignore")
FRAMEWORKS = {3: "keras", 2: "tf_keras"}
# float32 on both sides: sums of at most 72 products below 4 in size, each off by 2^-24 of itself, some twice over.
BOUND = 1e-5


def framework(generation: int) -> Any:
    pytest.importorskip("tensorflow", reason="needs TensorFlow")
    return pytest.importorskip(FRAMEWORKS[generation], reason=f"needs {FRAMEWORKS[generation]}")


def answer(model: Any, given: list[NDArray[Any]]) -> NDArray[Any]:
    return np.asarray(model(given if len(given) > 1 else given[0], training=False))


TRIED = [(name, g) for name, case in CASES.items() for g in FRAMEWORKS if case.only in (None, g)]


@pytest.mark.parametrize(("name", "generation"), TRIED)
def test_a_layer_of_either_keras(name: str, generation: int, tmp_path: Path) -> None:
    case, K = CASES[name], framework(generation)
    inputs = [K.Input(shape) for shape in case.shapes]
    model = drawn(K.Model(inputs, case.build(K)(inputs if len(inputs) > 1 else inputs[0])))
    rng = np.random.default_rng(1)
    given = [
        (rng.integers(0, 9, (3, *shape)) if case.ids else rng.standard_normal((3, *shape))).astype(np.float32)
        for shape in case.shapes
    ]
    expected = answer(model, given)
    for file in case.files:
        model.save(tmp_path / file)
        portable = wm.load(tmp_path / file)
        np.testing.assert_allclose(wm.oracle.run(portable, *given), expected, rtol=0, atol=BOUND)
        with torch.no_grad():
            found = wt.build(portable).eval()(*map(torch.tensor, given)).numpy()
        np.testing.assert_allclose(found, expected, rtol=0, atol=BOUND)
    for target, package in FRAMEWORKS.items():
        if target in case.lacks and not (name == "activation hard_sigmoid" and target == generation):
            with pytest.raises(Unrepresentable, match=case.lacks[target]):
                wm.save(portable, tmp_path / "again.keras", keras=target)
            continue
        wm.save(portable, tmp_path / "again.keras", keras=target)
        again = importlib.import_module(package).models.load_model(tmp_path / "again.keras", compile=False)
        np.testing.assert_allclose(answer(again, given), expected, rtol=0, atol=BOUND)
    K.backend.clear_session()


def test_every_class_of_the_table_is_tried() -> None:
    """Those of Keras 1 alone are tried where their files are; Masking and Identity change no value."""
    tried = {name.split()[0] for name in CASES} | {
        "Masking",
        "Identity",
        "Highway",
        "MaxoutDense",
        "SReLU",
        "ParametricSoftplus",
    }
    assert set(plain_layers.CLASSES) <= tried | {"Activation"}
