"""Two Python objects that disagree: Keras against PyTorch, and what each may be."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

from harness.diagnosis.objects import diagnose, portable
from weight_mapping.errors import Unsupported

torch = pytest.importorskip("torch")


@pytest.fixture(params=["keras", "tf_keras"])
def layer(request: pytest.FixtureRequest) -> Any:
    keras = pytest.importorskip(request.param)
    made = importlib.import_module(request.param).layers.LSTM(4, return_sequences=True)
    made.build((None, None, 3))
    rng = np.random.default_rng(0)
    made.set_weights([rng.standard_normal(w.shape) for w in made.get_weights()])
    assert keras
    return made


def ported(layer: Any, **changed: Any) -> Any:
    """nn.LSTM with the layer's weights, but for those that `changed` makes of the arrays by name."""
    kernel, recurrent, bias = (np.asarray(w) for w in layer.get_weights())
    arrays = {"weight_ih_l0": kernel.T, "weight_hh_l0": recurrent.T, "bias_ih_l0": bias, "bias_hh_l0": 0 * bias}
    module = torch.nn.LSTM(3, 4, batch_first=True)
    for name, array in arrays.items():
        wrong = changed.get(name, lambda a: a)(array)
        getattr(module, name).data = torch.from_numpy(np.ascontiguousarray(wrong)).float()
    return module


def test_a_right_port_agrees(layer: Any) -> None:
    assert diagnose(layer, ported(layer)) == ()


def test_a_wrong_one_is_named_with_its_fix(layer: Any) -> None:
    def swapped(a: Any) -> Any:
        return np.concatenate([a[4:8], a[:4], a[8:]])

    wrong = ported(layer, weight_ih_l0=swapped, weight_hh_l0=swapped, bias_ih_l0=swapped)
    (place,) = diagnose(layer, wrong)
    assert [f.name for f in place.findings] == ["gates i and f of lstm swapped"] and place.layer == layer.name
    assert "exchange the blocks i and f" in place.findings[0].fix


def test_what_no_row_knows_is_told_with_its_place(layer: Any) -> None:
    def strange(a: Any) -> Any:
        b = np.array(a)
        b[6, 1] += 0.5
        return b

    (place,) = diagnose(layer, ported(layer, weight_ih_l0=strange))
    assert place.findings[0].name == "weights" and "gate f, unit 2, feature 1" in place.findings[0].explanation


def test_a_whole_model_goes_by_the_file_that_it_saves() -> None:
    keras = pytest.importorskip("keras")
    model = keras.Sequential([keras.Input((None, 3)), keras.layers.LSTM(4)])
    assert diagnose(model, model) == ()
    assert portable(portable(model)) is not None


@pytest.mark.parametrize("given", [3, object()])
def test_what_is_no_model_is_refused_by_its_class(given: Any) -> None:
    with pytest.raises(Unsupported, match=type(given).__name__):
        diagnose(given, given)
