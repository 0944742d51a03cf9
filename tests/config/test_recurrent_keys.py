"""What becomes of every key of a recurrent layer: read, riding along, or refused by its name."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any

import pytest
from configs import cell, parsed, read

from weight_mapping.activations import activation
from weight_mapping.errors import DamagedFile, PortingError, Unsupported
from weight_mapping.keras_config import keys, values
from weight_mapping.spec import Bidirectional, Recurrent, TimeDistributed

TODAY = ("Keras 2.2", "tf.keras 2.15", "Keras 3.15")
RUNS = ("return_sequences", "return_state", "go_backwards", "stateful", "time_major", "zero_output_for_mask")


@pytest.mark.parametrize("key", RUNS)
@pytest.mark.parametrize("era", TODAY)
def test_how_it_runs(era: str, key: str) -> None:
    for value in (True, False, None, 1, 0):
        layer = read("LSTM", era, units=3, **{key: value})
        assert isinstance(layer, Recurrent)
        assert [name for name in RUNS if getattr(layer, name)] == ([key] if value else [])


@pytest.mark.parametrize("era", TODAY)
def test_what_the_cell_computes(era: str) -> None:
    found = cell(
        "LSTM", era, units=7, activation="relu", recurrent_activation="softsign", use_bias=False, dropout=0.25,
        recurrent_dropout=0.5,
    )  # fmt: skip
    assert (found.units, found.bias, found.dropout, found.recurrent_dropout) == (7, "none", 0.25, 0.5)
    assert found.activation == activation("relu") and found.recurrent_activation == activation("softsign")
    assert cell("LSTM", era, units=3, activation=None).activation == activation("linear")
    assert cell("SimpleRNN", era, units=3, recurrent_activation="relu").recurrent_activation == activation("sigmoid")


RIDING: dict[str, Any] = {
    "unit_forget_bias": False, "trainable": False, "implementation": 1, "unroll": True, "dtype": "float32",
    "kernel_initializer": {"class_name": "Zeros", "config": {}}, "recurrent_initializer": "orthogonal",
    "bias_initializer": "ones", "kernel_regularizer": {"class_name": "L2", "config": {"l2": 0.1}},
    "recurrent_regularizer": "l1", "bias_regularizer": None, "activity_regularizer": "l2",
    "kernel_constraint": {"class_name": "MaxNorm", "config": {"max_value": 2}}, "recurrent_constraint": "non_neg",
    "bias_constraint": None, "seed": 3, "input_shape": [7, 4], "build_config": {"input_shape": [None, 7, 4]},
}  # fmt: skip


@pytest.mark.parametrize("era", TODAY)
def test_what_changes_no_output_rides(era: str) -> None:
    plain_cell = cell("LSTM", era, units=3)
    for key, value in RIDING.items():
        found = cell("LSTM", era, units=3, **{key: value})
        assert (found.activation, found.bias, found.units) == (plain_cell.activation, plain_cell.bias, 3), key
    frozen = parsed("LSTM", era, units=3, trainable=False)
    assert frozen.frozen(("l", "0")) and not parsed("LSTM", era, units=3).frozen(("l", "0"))


KERAS_1 = {
    "output_dim": 6, "init": "glorot_uniform", "inner_init": "orthogonal", "forget_bias_init": "one",
    "activation": "relu", "inner_activation": "sigmoid", "W_regularizer": {"name": "WeightRegularizer", "l2": 0.1},
    "U_regularizer": None, "b_regularizer": None, "dropout_W": 0.25, "dropout_U": 0.5, "consume_less": "gpu",
    "input_dim": 4, "input_length": 7, "return_sequences": True, "go_backwards": True, "stateful": False,
    "unroll": False, "trainable": True,
}  # fmt: skip


def test_keras_1_s_names_of_the_same() -> None:
    found = parsed("LSTM", "Keras 1.2", **KERAS_1)
    layer = found.spec.layers["l"]
    assert isinstance(layer, Recurrent) and layer.return_sequences and layer.go_backwards and not layer.stateful
    (one,) = layer.cells
    assert (one.units, one.dropout, one.recurrent_dropout, one.bias) == (6, 0.25, 0.5, "single")
    assert (one.activation, one.recurrent_activation) == (activation("relu"), activation("sigmoid"))
    assert found.stored.layouts[("l", "0")] == "keras1_gpu"
    for form in ("cpu", "mem"):
        again = parsed("LSTM", "Keras 1.2", **{**KERAS_1, "consume_less": form})
        assert again.stored.layouts[("l", "0")] == "keras1" and again.spec.layers["l"] == layer


def test_a_convolutional_cell_of_keras_1() -> None:
    found = parsed(
        "ConvLSTM2D", "Keras 1.2", nb_filter=5, nb_row=2, nb_col=3, border_mode="same", subsample=[1, 2],
        dim_ordering="th",
    )  # fmt: skip
    layer = found.spec.layers["l"]
    assert isinstance(layer, Recurrent)
    one: Any = layer.cells[0]
    assert (one.units, one.kernel_size, one.strides, one.padding) == (5, (2, 3), (1, 2), "same")
    assert one.channels_first and found.stored.layouts[("l", "0")] == "keras1_th"


@pytest.mark.parametrize("class_name", ["CuDNNLSTM", "CuDNNGRU"])
def test_cudnn_layers_are_fixed(class_name: str) -> None:
    found = parsed(class_name, "Keras 2.2", units=3, return_sequences=True)
    layer = found.spec.layers["l"]
    assert isinstance(layer, Recurrent)
    (one,) = layer.cells
    assert (one.activation.name, one.recurrent_activation.name) == ("tanh", "sigmoid")
    assert one.reset_after == (class_name == "CuDNNGRU") and found.stored.layouts[("l", "0")] == "cudnn"


def test_an_rnn_of_cells() -> None:
    cells = [
        {"class_name": "LSTMCell", "config": {"units": 4}},
        {"class_name": "keras.layers>GRUCell", "config": {"units": 3, "reset_after": True}},
        {"class_name": "SimpleRNNCell", "config": {"units": 2, "use_bias": False}},
    ]
    stacked = {"class_name": "StackedRNNCells", "config": {"cells": cells}}
    layer = read("RNN", "tf.keras 2.6", cell=stacked, return_sequences=True)
    assert isinstance(layer, Recurrent) and layer == read("RNN", "tf.keras 2.6", cell=cells, return_sequences=True)
    assert [(c.kind, c.units, c.bias) for c in layer.cells] == [
        ("lstm", 4, "single"), ("gru", 3, "split"), ("rnn", 2, "none"),
    ]  # fmt: skip
    single = read("RNN", "tf.keras 2.6", cell=cells[0], return_state=True)
    assert isinstance(single, Recurrent) and len(single.cells) == 1 and single.return_state


def test_wrappers() -> None:
    inner = {"class_name": "GRU", "config": {"name": "g", "units": 3, "return_sequences": True}}
    for word, meant in (("concat", "concat"), ("sum", "sum"), ("mul", "mul"), ("ave", "ave"), (None, "none")):
        both = read("Bidirectional", "Keras 3.15", layer=inner, merge_mode=word)
        assert isinstance(both, Bidirectional) and both.merge == meant
    both = read("Bidirectional", "Keras 3.15", layer=inner)
    assert isinstance(both, Bidirectional) and both.merge == "concat"
    other = {"class_name": "LSTM", "config": {"name": "b", "units": 5, "go_backwards": True, "return_sequences": True}}
    both = read("Bidirectional", "Keras 3.15", layer=inner, backward_layer=other)
    assert isinstance(both, Bidirectional) and both.backward.cells[0].kind == "lstm" and both.backward.go_backwards
    old = {"class_name": "LSTM", "config": {"name": "g", "output_dim": 3, "inner_activation": "tanh"}}
    both = read("Bidirectional", "Keras 1.2", layer=old)
    assert isinstance(both, Bidirectional) and both.forward.cells[0].recurrent_activation.name == "tanh"
    each = read("TimeDistributed", "Keras 1.2", layer={"class_name": "Dense", "config": {"name": "d", "output_dim": 3}})
    assert isinstance(each, TimeDistributed) and each.layer.options["units"] == 3  # type: ignore[union-attr]


def test_what_a_bidirectional_repeats_of_its_layers_rides() -> None:
    inner = {"class_name": "LSTM", "config": {"units": 3}}
    for key in ("return_sequences", "return_state", "go_backwards", "stateful"):
        repeated = read("Bidirectional", "tf.keras 2.15", layer=inner, **{key: True})
        assert repeated == read("Bidirectional", "tf.keras 2.15", layer=inner)


def test_more_cells_than_any_layer_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "MOST", 2)
    cells = [{"class_name": "LSTMCell", "config": {"units": 3}}] * 3
    with pytest.raises(Unsupported, match="larger than any") as refused:
        read("RNN", "Keras 3.15", cell=cells)
    assert (refused.value.where, refused.value.found) == ("l", "3 cells")


@pytest.mark.parametrize(
    "class_name", ["LSTM", "GRU", "SimpleRNN", "ConvLSTM2D", "Bidirectional", "TimeDistributed", "RNN"]
)
@pytest.mark.parametrize("package", ["keras", "tf_keras"])
def test_every_argument_of_today_s_classes_is_understood(package: str, class_name: str) -> None:
    """Whatever a class's own constructor takes is read or rides: nothing that Keras writes is a stranger."""
    keras = pytest.importorskip(package)
    if class_name in ("Bidirectional", "TimeDistributed"):
        made = getattr(keras.layers, class_name)(keras.layers.LSTM(3, return_sequences=True))
    elif class_name == "RNN":
        made = keras.layers.RNN([keras.layers.LSTMCell(3), keras.layers.GRUCell(2)])
    else:
        made = getattr(keras.layers, class_name)(*((2, (2, 2)) if class_name == "ConvLSTM2D" else (3,)))
    stored = keras.saving.serialize_keras_object(made)
    layer = parsed(
        class_name, "Keras 3.15" if package == "keras" else "tf.keras 2.15", **{**stored["config"], "name": "l"}
    )
    assert layer.spec.layers["l"]
    arguments = set(inspect.signature(type(made).__init__).parameters) - {"self", "kwargs", "layer", "cell", "units"}
    assert arguments <= set(stored["config"]) | {"time_major", "seed", "backward_layer", "use_cudnn", "weights"}


REFUSED = {
    "an unknown key": ("LSTM", {"units": 3, "peephole": True}, Unsupported, "unknown option peephole of LSTM"),
    "states in reverse": (
        "RNN",
        {"cell": {"class_name": "StackedRNNCells", "config": {"cells": [], "reverse_state_order": True}}},
        Unsupported, "reverse_state_order",
    ),
    "an unknown activation": ("GRU", {"units": 3, "activation": "os.system"}, Unsupported, "activation 'os.system'"),
    "an activation of its author's": (
        "GRU", {"units": 3, "activation": {"class_name": "Mine>act", "config": {}}}, Unsupported, "Mine>act",
    ),
    "units of text": ("LSTM", {"units": "3"}, DamagedFile, r"l\.units: expected a positive whole number"),
    "no units": ("LSTM", {}, DamagedFile, r"l\.units"),
    "units below one": ("LSTM", {"units": 0}, DamagedFile, r"l\.units"),
    "units true": ("LSTM", {"units": True}, DamagedFile, r"l\.units"),
    "a rate of text": ("LSTM", {"units": 3, "dropout": "a"}, DamagedFile, r"l\.dropout: expected a number"),
    "a rate above one": ("LSTM", {"units": 3, "recurrent_dropout": 2}, DamagedFile, r"from 0 to 1"),
    "a flag of text": ("LSTM", {"units": 3, "stateful": "no"}, DamagedFile, r"l\.stateful: expected true or false"),
    "a bias of text": ("LSTM", {"units": 3, "use_bias": "no"}, DamagedFile, r"l\.use_bias"),
    "no cell": ("RNN", {}, DamagedFile, "an RNN without a cell"),
    "no inner layer": ("Bidirectional", {}, DamagedFile, "Bidirectional without a layer"),
    "a Dense both ways": (
        "Bidirectional", {"layer": {"class_name": "Dense", "config": {"units": 3}}}, Unsupported, "around 'Dense'",
    ),
    "another merge": (
        "Bidirectional",
        {"layer": {"class_name": "LSTM", "config": {"units": 3}}, "merge_mode": "max"}, Unsupported, "merge_mode max",
    ),
    "padding causal": (
        "ConvLSTM2D", {"filters": 2, "kernel_size": [2, 2], "padding": "causal"}, Unsupported, "'causal' as padding",
    ),
    "three sizes for two axes": (
        "ConvLSTM2D", {"filters": 2, "kernel_size": [2, 2, 2]}, DamagedFile, "expected 2 whole",
    ),
    "quantized": (
        "LSTM", {"units": 3, "dtype": {"class_name": "QuantizedDTypePolicy", "config": {"name": "int8_from_float32"}}},
        Unsupported, "LSTM with quantized weights",
    ),
    "quantized, as Keras 3.15 writes it": (
        "LSTM",
        {
            "units": 3,
            "dtype": {"class_name": "QuantizedDTypePolicy", "config": {"mode": "int8", "source_name": "float32"}},
        },
        Unsupported, "LSTM with quantized weights.*int8_from_float32",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_understood_is_refused_by_name(name: str) -> None:
    class_name, config, kind, said = REFUSED[name]
    for era in ("tf.keras 2.15", "Keras 3.15"):
        with pytest.raises(kind, match=said):
            parsed(class_name, era, **config)


def around(cell: dict[str, Any], name: str | None = "c") -> dict[str, Any]:
    return {"class_name": "LSTMCell", "config": {**({"name": name} if name else {}), **cell}}


def within(layer: dict[str, Any], class_name: str = "LSTM") -> dict[str, Any]:
    return {"class_name": class_name, "config": {"name": "i", **layer}}


SOUND = within({"units": 2})
PLACES: Mapping[str, tuple[str, Any, str]] = {
    "itself": ("LSTM", lambda config: config, "l"),
    "a cell": ("RNN", lambda config: {"cell": around(config)}, "l.c"),
    "a cell without a name": ("RNN", lambda config: {"cell": around(config, None)}, "l.LSTMCell"),
    "the second cell": ("RNN", lambda config: {"cell": [around({"units": 2}), around(config, "d")]}, "l.d"),
    "a stacked cell": (
        "RNN", lambda config: {"cell": {"class_name": "StackedRNNCells", "config": {"cells": [around(config)]}}}, "l.c",
    ),
    "one way": ("Bidirectional", lambda config: {"layer": within(config)}, "l.i"),
    "a layer without a name": (
        "Bidirectional", lambda config: {"layer": {"class_name": "LSTM", "config": config}}, "l.LSTM",
    ),
    "the other way": ("Bidirectional", lambda config: {"layer": SOUND, "backward_layer": within(config)}, "l.i"),
}  # fmt: skip
WRONG_VALUES: Mapping[str, Any] = {
    "units": 0, "activation": "nonsense", "recurrent_activation": "nonsense", "dropout": 2, "recurrent_dropout": 2,
    "use_bias": "no",
}  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("key", WRONG_VALUES)
def test_a_refusal_names_the_place_and_the_key(place: str, key: str) -> None:
    class_name, config, where = PLACES[place]
    with pytest.raises(PortingError) as refused:
        read(class_name, "tf.keras 2.15", **config({"units": 3, key: WRONG_VALUES[key]}))
    assert refused.value.where == f"{where}.{key}"


@pytest.mark.parametrize("place", PLACES)
def test_an_unknown_option_is_refused_with_its_class_and_place(place: str) -> None:
    class_name, config, where = PLACES[place]
    known = "LSTMCell" if class_name == "RNN" else "LSTM"
    with pytest.raises(Unsupported, match=f"unknown option peephole of {known}") as refused:
        read(class_name, "tf.keras 2.15", **config({"units": 3, "peephole": True}))
    # Which cell of several has it, its class tells.
    assert refused.value.where == ("l" if class_name == "RNN" else where)
    with pytest.raises(Unsupported, match=f"unknown option mystery of {class_name}") as refused:
        read(class_name, "tf.keras 2.15", **config({"units": 3}), mystery=True)
    assert refused.value.where == "l"


@pytest.mark.parametrize(
    ("class_name", "config", "where"),
    [
        ("GRU", {"units": 3, "reset_after": "no"}, "l.reset_after"),
        ("LSTM", {"units": 3, "return_state": "no"}, "l.return_state"),
        ("ConvLSTM2D", {"filters": 0, "kernel_size": 2}, "l.filters"),
        ("ConvLSTM2D", {"filters": 2, "kernel_size": [2]}, "l.kernel_size"),
        ("ConvLSTM2D", {"filters": 2, "kernel_size": 2, "strides": [1]}, "l.strides"),
        ("ConvLSTM2D", {"filters": 2, "kernel_size": 2, "padding": "causal"}, "l.padding"),
        ("ConvLSTM2D", {"filters": 2, "kernel_size": 2, "dilation_rate": [1]}, "l.dilation_rate"),
        ("RNN", {}, "l"), ("RNN", {"cell": [around({"units": 3}), None]}, "l"),
        ("RNN", {"cell": {"class_name": "StackedRNNCells", "config": {"cells": None}}}, "l"),
        ("RNN", {"cell": {"class_name": "StackedRNNCells", "config": {"reverse_state_order": True}}}, "l"),
        ("Bidirectional", {}, "l"), ("Bidirectional", {"layer": SOUND, "backward_layer": 1}, "l"),
        ("Bidirectional", {"layer": within({"units": 3}, "Dense")}, "l"),
        ("Bidirectional", {"layer": SOUND, "merge_mode": "max"}, "l"),
    ],
)  # fmt: skip
def test_every_other_refusal_names_the_layer(class_name: str, config: dict[str, Any], where: str) -> None:
    with pytest.raises(PortingError) as refused:
        read(class_name, "tf.keras 2.15", **config)
    assert refused.value.where == where
    blamed = {"merge_mode": "Bidirectional", "Dense": "Dense", "reverse": "StackedRNNCells"}
    for word in blamed.keys() & set(re.findall(r"merge_mode|Dense|reverse", str(config))):
        assert isinstance(refused.value, Unsupported) and refused.value.class_name == blamed[word]


def test_keras_1_s_names_mean_nothing_later() -> None:
    old = within({"output_dim": 3, "inner_activation": "relu"})
    assert isinstance(read("Bidirectional", "Keras 1.2", layer=old), Bidirectional)
    for later in ("Keras 2.2", "Keras 3.15"):
        with pytest.raises(DamagedFile, match=r"l\.i\.units"):
            read("Bidirectional", later, layer=old)


def test_without_the_check_an_unknown_key_is_lost_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unsupported):
        parsed("LSTM", "Keras 2.2", units=3, peephole=True)
    monkeypatch.setattr("weight_mapping.keras_config.recurrent.refuse_unknown", lambda *_: None)
    assert parsed("LSTM", "Keras 2.2", units=3, peephole=True).spec.layers["l"] == read("LSTM", "Keras 2.2", units=3)


def test_an_unknown_key_that_is_off_says_nothing() -> None:
    assert read("LSTM", "Keras 2.2", units=3, peephole=False) == read("LSTM", "Keras 2.2", units=3)


@pytest.mark.parametrize(
    "policy", ["float16", "mixed_bfloat16", {"class_name": "DTypePolicy", "config": {"name": "mixed_float16"}}], ids=str
)
def test_half_precision_is_said(policy: Any) -> None:
    told = parsed("LSTM", "Keras 3.15", units=3, dtype=policy).resolved
    assert any("16, the port in its weights' type" in line for line in told)
    for whole in ("float32", "float64", {"class_name": "DTypePolicy", "config": {"name": "float32"}}, None):
        assert not any("16" in line for line in parsed("LSTM", "Keras 3.15", units=3, dtype=whole).resolved)


WRONG = (
    None,
    True,
    -1,
    0,
    1e300,
    10**30,
    "x",
    "",
    [],
    [[]],
    [None],
    {},
    {"class_name": "x"},
    {"type": "ndarray"},
    ["a"],
    [1, 2],
)


@pytest.mark.parametrize("class_name", ["LSTM", "GRU", "RNN", "ConvLSTM2D", "Bidirectional", "TimeDistributed"])
def test_whatever_stands_under_a_key_is_read_or_refused(class_name: str) -> None:
    """No other exception comes out of a configuration: each key of each class with each kind of nonsense."""
    inner = {"class_name": "LSTM", "config": {"name": "i", "units": 2}}
    sound: dict[str, Any] = {
        "units": 3,
        "filters": 2,
        "kernel_size": [2, 2],
        "layer": inner,
        "cell": {**inner, "class_name": "LSTMCell"},
    }
    refused = 0
    for era in ("Keras 1.2", "Keras 2.2", "Keras 3.15"):
        for key in sorted({*KERAS_1, *RIDING, *RUNS, *sound, *keys.RENAMED, *keys.RENAMED.values(), "merge_mode"}):
            for value in WRONG:
                try:
                    parsed(class_name, era, **{**sound, key: value})
                except PortingError as error:
                    assert "contradicts itself" not in str(error), (era, key, value, str(error))
                    refused += 1
    assert refused
