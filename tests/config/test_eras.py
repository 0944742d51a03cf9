"""What a configuration does not write out is the default of the Keras that wrote it, and that is said."""

from __future__ import annotations

from typing import Any

import pytest
from configs import ERAS, cell, parsed, read, units

from weight_mapping.activations import hard_sigmoid
from weight_mapping.keras_config import parse
from weight_mapping.keras_config.era import era
from weight_mapping.spec import Bidirectional, Recurrent

FIFTH, SIXTH = hard_sigmoid(1 / 5), hard_sigmoid(1 / 6)
BEFORE_SIGMOID = ("Keras 1.0", "Keras 1.2", "Keras 2.0", "Keras 2.1", "Keras 2.2", "Theano", "tf.keras 1.x")
RESETS_AFTER = ("tf.keras 2.1", "tf.keras 2.3", "tf.keras 2.6", "tf.keras 2.15", "Keras 3.0", "Keras 3.15")
ZEROES_MASKED = ("tf.keras 2.3", "tf.keras 2.6", "tf.keras 2.15", "Keras 3.0", "Keras 3.15")
CHARACTERS = ("generation", "tf", "theano")


@pytest.mark.parametrize(
    ("version", "backend", "expected"),
    [
        ("1.0.6", None, (1, False, False)),
        ("1.2.2", "theano", (1, False, True)),
        ("2.2.4", "theano", (2, False, True)),
        ("2.2.4", "cntk", (2, False, False)),
        ("2.3.1", "tensorflow", (2, False, False)),
        ("2.1.6-tf", "tensorflow", (2, True, False)),
        ("2.2.4-tf", "tensorflow", (2, True, False)),
        ("2.4", "tensorflow", (2, True, False)),
        ("2.4.0", "tensorflow", (2, True, False)),
        ("2.15.0", "tensorflow", (2, True, False)),
        ("3.0.0", "torch", (3, False, False)),
        ("3.15.1", "tensorflow", (3, False, False)),
        ("4.1", "tensorflow", (3, False, False)),
        ("2.9.0rc1", "tensorflow", (2, True, False)),
    ],
)
def test_who_wrote_it(version: str, backend: str | None, expected: tuple[Any, ...]) -> None:
    found = era(version, backend, {})
    assert tuple(getattr(found, name) for name in CHARACTERS) == expected


@pytest.mark.parametrize(
    ("config", "generation"),
    [
        ({"inner_activation": "tanh"}, 1),
        ({"layers": [{"config": {"border_mode": "same"}}]}, 1),
        ({"dtype": {"class_name": "DTypePolicy"}}, 3),
        ({"args": [{"class_name": "__keras_tensor__"}]}, 3),
        ({"layers": [{"config": {"batch_shape": [None, 3]}}]}, 3),
        ({"units": 3}, 2),
        ({}, 2),
    ],
)
def test_without_a_version_the_keys_tell(config: Any, generation: int) -> None:
    assert era(None, None, config).generation == generation


@pytest.mark.parametrize(
    ("backend", "characters"),
    [
        (None, (2, True, False)), ("tensorflow", (2, True, False)), ("theano", (2, False, True)),
        ("cntk", (2, False, False)),
    ],
)  # fmt: skip
def test_without_a_version_the_backend_tells_the_rest(backend: str | None, characters: tuple[Any, ...]) -> None:
    found = era(None, backend, {"units": 3})
    assert tuple(getattr(found, name) for name in CHARACTERS) == characters and found.version == ()
    assert not era(None, backend, {"batch_shape": [None, 3]}).tf


def test_an_era_has_a_name_and_a_number() -> None:
    assert str(era("2.9.0", "tensorflow", {})) == "tf.keras 2.9.0" and era("2.9.0", "tensorflow", {}).number == "2.9.0"
    assert str(era("2.2.4", "theano", {})) == "Keras 2.2.4"
    assert str(era(None, None, {"inner_activation": "tanh"})) == "Keras 1"
    assert era("2.9.0rc1", None, {}).version == (2, 9, 0) and era("12345.1", None, {}).version == ()


def test_an_object_is_stored_with_its_module_from_2_12_on() -> None:
    """As `keras.saving.serialize_keras_object` of TensorFlow 2.12 first does."""
    config = {"seed": 7}
    plainly = {"class_name": "GlorotUniform", "config": config}
    for version in ("1.2.2", "2.2.4", "2.11.0"):
        assert era(version, "tensorflow", {}).stored("GlorotUniform", config, "keras.initializers") == plainly
    for version in ("2.12", "2.15.0", "3.15.1"):
        stored = era(version, "tensorflow", {}).stored("GlorotUniform", config, "keras.initializers")
        assert stored == {"module": "keras.initializers", "registered_name": None, **plainly}
        assert stored["config"] is not config
    assert era("2.12.0", None, {}).stored("LSTM", {})["module"] == "keras.layers"


@pytest.mark.parametrize("name", ERAS)
def test_what_a_gate_takes_where_nothing_is_said(name: str) -> None:
    found = parsed("LSTM", name, **units(name))
    expected = FIFTH if name in BEFORE_SIGMOID else "sigmoid"
    gate = cell("LSTM", name, **units(name)).recurrent_activation
    assert gate == expected or gate.name == expected
    assert any("recurrent_activation is not written out" in line for line in found.resolved)
    written = "inner_activation" if name.startswith("Keras 1") else "recurrent_activation"
    assert cell("LSTM", name, **units(name), **{written: "tanh"}).recurrent_activation.name == "tanh"


@pytest.mark.parametrize(
    ("version", "backend", "before"),
    [
        ("2.2.9", "theano", True), ("2.3", "theano", False), ("2.2.3-tf", "tensorflow", True),
        ("2.2.4-tf", "tensorflow", False), (None, "theano", True), (None, "tensorflow", False),
    ],
)  # fmt: skip
def test_the_version_that_first_took_sigmoid(version: str | None, backend: str, before: bool) -> None:
    assert (cell("LSTM", (version, backend), units=3).recurrent_activation.name == "hard_sigmoid") == before


@pytest.mark.parametrize("name", ERAS)
def test_hard_sigmoid_has_the_slope_of_its_keras(name: str) -> None:
    key = "inner_activation" if name.startswith("Keras 1") else "recurrent_activation"
    found = parsed("GRU", name, **units(name), **{key: "hard_sigmoid"})
    layer = found.spec.layers["l"]
    assert isinstance(layer, Recurrent)
    assert layer.cells[0].recurrent_activation == (SIXTH if name.startswith("Keras 3") else FIFTH)
    assert any(f"slope 1/{6 if name.startswith('Keras 3') else 5}" in line for line in found.resolved)
    assert read("Activation", name, activation="hard_sigmoid").options["activation"] == (  # type: ignore[union-attr]
        SIXTH if name.startswith("Keras 3") else FIFTH
    )


@pytest.mark.parametrize(("name", "slope"), [("Keras 2.2", FIFTH), ("tf.keras 2.15", FIFTH), ("Keras 3.15", SIXTH)])
def test_so_it_has_as_the_cell_s_own_activation(name: str, slope: Any) -> None:
    found = cell("LSTM", name, units=3, activation="hard_sigmoid", recurrent_activation="sigmoid")
    assert found.activation == slope and found.recurrent_activation.name == "sigmoid"


def test_what_was_assumed_is_said_with_its_place() -> None:
    assert parsed("GRU", "Keras 2.2", units=3).resolved == (
        "l: recurrent_activation is not written out; Keras 2.2.4's default is hard_sigmoid",
        "l.recurrent_activation: hard_sigmoid has slope 1/5, as in Keras 2.2.4",
        "l: reset_after is not written out; Keras 2.2.4's default is False",
    )
    written = {"recurrent_activation": "hard_sigmoid", "activation": "hard_sigmoid"}
    assert parsed("LSTM", "Keras 3.15", units=3, **written).resolved == (
        "l.recurrent_activation: hard_sigmoid has slope 1/6, as in Keras 3.15.1",
        "l.activation: hard_sigmoid has slope 1/6, as in Keras 3.15.1",
    )


@pytest.mark.parametrize("name", ERAS)
def test_a_convolutional_cell_kept_hard_sigmoid_longer(name: str) -> None:
    sizes = {"nb_filter": 2, "nb_row": 2, "nb_col": 2, "border_mode": "same", "dim_ordering": "tf"}
    sizes = sizes if name.startswith("Keras 1") else {"filters": 2, "kernel_size": [2, 2]}
    found = cell("ConvLSTM2D", name, **sizes)
    gate = found.recurrent_activation
    assert (found.strides, found.dilation, found.bias) == ((1, 1), (1, 1), "single")
    assert found.padding == ("same" if name.startswith("Keras 1") else "valid")
    assert gate.name == "sigmoid" if name.startswith("Keras 3") else gate == FIFTH


@pytest.mark.parametrize("name", ERAS)
def test_where_a_gru_resets(name: str) -> None:
    found = parsed("GRU", name, **units(name))
    gru = cell("GRU", name, **units(name))
    assert gru.reset_after == (name in RESETS_AFTER) and gru.bias == ("split" if gru.reset_after else "single")
    assert any("reset_after is not written out" in line for line in found.resolved) == (not name.startswith("Keras 1"))
    for written in (True, False):
        gru = cell("GRU", name, **units(name), reset_after=written)
        assert (gru.reset_after, gru.bias) == (written, "split" if written else "single")
    assert cell("GRU", name, **units(name), reset_after=True, use_bias=False).bias == "none"


@pytest.mark.parametrize("name", ERAS)
def test_what_bidirectional_does_with_masked_steps(name: str) -> None:
    """Measured: TensorFlow 2.1 repeats the last output, 2.6 and Keras 3 write zeros, where sequences are returned."""
    for sequences in (True, False):
        inner = {"class_name": "LSTM", "config": {"name": "f", **units(name), "return_sequences": sequences}}
        layer = read("Bidirectional", name, layer=inner)
        assert isinstance(layer, Bidirectional)
        zeroes = sequences and name in ZEROES_MASKED
        assert layer.forward.zero_output_for_mask == layer.backward.zero_output_for_mask == zeroes
        assert layer.backward.go_backwards and not layer.forward.go_backwards


def test_the_version_that_first_wrote_zeros() -> None:
    inner = {"class_name": "LSTM", "config": {"name": "f", "units": 3, "return_sequences": True}}
    for version, zeroes in (("2.2.9-tf", False), ("2.3-tf", True)):
        layer = read("Bidirectional", (version, "tensorflow"), layer=inner)
        assert isinstance(layer, Bidirectional) and layer.backward.zero_output_for_mask == zeroes


@pytest.mark.parametrize("name", ERAS)
@pytest.mark.parametrize("word", [None, True, False])
def test_a_mask_s_zeros_are_as_written(name: str, word: bool | None) -> None:
    layer = read("SimpleRNN", name, **units(name), zero_output_for_mask=word)
    assert isinstance(layer, Recurrent) and layer.zero_output_for_mask == bool(word)


@pytest.mark.parametrize("name", ERAS)
def test_which_dropout_masks_gates_share(name: str) -> None:
    """Implementation 2 draws one for all gates: the default of Keras 2.3, TensorFlow 2 and Keras 3."""
    given = units(name)
    assert cell("LSTM", name, **given).dropout_per_gate == name.startswith("Keras 1")
    assert cell("LSTM", name, **given, recurrent_dropout=0.1).dropout_per_gate
    assert not cell("SimpleRNN", name, **given, recurrent_dropout=0.1).dropout_per_gate  # which has one gate
    if not name.startswith("Keras 1"):
        assert cell("LSTM", name, **given, implementation=1).dropout_per_gate
        assert cell("LSTM", name, **given, implementation=0).dropout_per_gate
        assert not cell("LSTM", name, **given, implementation=2).dropout_per_gate


def test_a_sequential_is_a_list_or_an_object() -> None:
    layers = [{"class_name": "LSTM", "config": {"name": "l", "units": 3}}]
    for model in (
        layers,
        {"class_name": "Sequential", "config": layers},
        {"class_name": "Sequential", "config": {"name": "m", "layers": layers}},
    ):
        assert list(parse(model, "2.2.4", "tensorflow").spec.layers) == ["l"]


@pytest.mark.parametrize(
    ("version", "key"), [("1.2.2", "batch_input_shape"), ("2.2.4", "batch_input_shape"), ("3.15.1", "batch_shape")]
)
def test_where_the_input_s_shape_stands(version: str, key: str) -> None:
    lstm = {"class_name": "LSTM", "config": {"name": "l", "output_dim" if version[0] == "1" else "units": 3}}
    first = {"class_name": "InputLayer", "config": {"name": "x", key: [None, 7, 4]}}
    on_layer = {**lstm, "config": {**lstm["config"], key: [None, 7, 4]}}  # type: ignore[dict-item]
    for layers in ([first, lstm], [on_layer]):
        spec = parse({"class_name": "Sequential", "config": layers}, version).spec
        assert [one.shape for one in spec.inputs] == [(None, 7, 4)] and list(spec.layers) == ["l"]
    assert parse({"class_name": "Sequential", "config": [lstm]}, version).spec.inputs[0].shape is None
