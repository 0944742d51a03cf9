"""`weight_mapping.keras`: a spec as a Keras layer and back, in both generations."""

from __future__ import annotations

import importlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.cases import ROWS
from harness.problems import Sizes, draw
from weight_mapping import keras as keras_side
from weight_mapping.activations import activation, hard_sigmoid
from weight_mapping.errors import Unrepresentable, WeightsMismatch
from weight_mapping.spec import Bidirectional, Cell, Recurrent

SIZES = Sizes(2, 10, 5, 3)
LAYERS = {
    row.id: row.layer for row in ROWS
    if row.id in ("lstm/default", "lstm/stack/two cells", "lstm/use_bias/False", "gru reset_after/default",
                  "gru reset_before/default", "gru reset_after/no bias", "rnn/default", "bidirectional/concat")
}  # fmt: skip


@pytest.fixture(params=["keras", "tf_keras"])
def keras(request: pytest.FixtureRequest) -> Any:
    pytest.importorskip(request.param)
    return importlib.import_module(request.param)


@pytest.mark.parametrize("name", LAYERS)
def test_weights_come_back_bit_for_bit(keras: Any, name: str) -> None:
    problem = draw(LAYERS[name], SIZES, np.random.default_rng(5))
    built = keras_side.build_layer(problem.layer, problem.weights, keras=keras)
    found = keras_side.weights_of(built)
    assert found.keys() == problem.weights.keys()
    for path, weights in problem.weights.items():
        pairs = zip(weights.arrays(), found[path].arrays(), strict=True)
        assert all(n == m and (a == b).all() for (n, a), (m, b) in pairs)
        assert found[path].reset_after == weights.reset_after


def test_the_other_slope_is_passed_as_a_function(keras: Any) -> None:
    own = {2: 1 / 5, 3: 1 / 6}[keras_side.generation(keras)]
    other = {1 / 5: 1 / 6, 1 / 6: 1 / 5}[own]
    x = np.array([-4.0, -2.7, 0.0, 1.0, 2.7, 4.0], np.float32)
    assert keras_side.activation_of(hard_sigmoid(own), keras) == "hard_sigmoid"
    mine = np.asarray(keras_side.activation_of(hard_sigmoid(other), keras)(x))
    np.testing.assert_allclose(mine, np.clip(other * x + 0.5, 0, 1), rtol=0, atol=2**-22)


def test_what_keras_has_no_word_for_is_refused(keras: Any) -> None:
    def refused(match: str, layer: Recurrent | Bidirectional) -> None:
        problem = draw(layer, SIZES, np.random.default_rng(0))
        with pytest.raises(Unrepresentable, match=match):
            keras_side.build_layer(problem.layer, problem.weights, keras=keras)

    refused("one bias", Recurrent(cells=(Cell(kind="lstm", units=1, bias="split"),)))
    refused("reset_after", Recurrent(cells=(Cell(kind="gru", units=1, bias="split"),)))
    if keras_side.generation(keras) == 3:
        refused("time_major", Recurrent(cells=(Cell(kind="lstm", units=1),), time_major=True))
        refused("dropout mask", Recurrent(cells=(Cell(kind="lstm", units=1, dropout=0.5, dropout_per_gate=True),)))
    else:
        refused("no activation", Recurrent(cells=(Cell(kind="lstm", units=1, activation=activation("celu")),)))


def test_weights_of_another_cell_are_named(keras: Any) -> None:
    problem = draw(LAYERS["lstm/default"], SIZES, np.random.default_rng(0))
    other = draw(LAYERS["lstm/default"], SIZES._replace(units=4), np.random.default_rng(0))
    with pytest.raises(WeightsMismatch, match="another cell"):
        keras_side.build_layer(problem.layer, other.weights, keras=keras)


def test_an_activation_with_its_own_parameters(keras: Any) -> None:
    function = keras_side.activation_of(activation("relu", negative_slope=0.25), keras)
    np.testing.assert_allclose(np.asarray(function(np.array([-2.0, 2.0], np.float32))), [-0.5, 2.0])
    default = keras_side.activation_of(activation("relu"), keras)
    assert default is keras.activations.relu


def test_building_leaves_the_weights_alone(keras: Any) -> None:
    problem = draw(LAYERS["lstm/default"], SIZES, np.random.default_rng(0))
    before = replace(problem).fingerprint()
    keras_side.build_layer(problem.layer, problem.weights, keras=keras)
    assert problem.fingerprint() == before
