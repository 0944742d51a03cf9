"""What a recurrent layer is in a Keras' own words, and what one of them has no word for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import pytest

from weight_mapping.activations import hard_sigmoid
from weight_mapping.errors import Unrepresentable
from weight_mapping.keras_config.era import Era
from weight_mapping.keras_config.writing_recurrent import write_bidirectional, write_recurrent
from weight_mapping.spec import Bidirectional, Cell, ConvCell, Recurrent

CELL = Cell(kind="lstm", units=3)
IMAGE = ConvCell(
    rank=1, units=3, kernel_size=(2,), strides=(1,), padding="same", dilation=(1,), pad_start=True
)  # fmt: skip
NO_WORD: Mapping[str, tuple[Recurrent, str, str]] = {
    "time_major": (Recurrent(cells=(CELL,), time_major=True), "Keras 3 has no time_major", "l"),
    "odd cells": (Recurrent(cells=(IMAGE,)), "padding that starts with the odd cell (Theano's) has no word", "l"),
    "an activation": (
        Recurrent(cells=(replace(CELL, activation=hard_sigmoid(0.3)),)), "hard_sigmoid", "l.activation",
    ),
    "a gate's": (
        Recurrent(cells=(CELL, replace(CELL, recurrent_activation=hard_sigmoid(0.3)))), "hard_sigmoid",
        "l.1.recurrent_activation",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NO_WORD)
def test_what_a_keras_has_no_word_for_is_refused_with_its_place(name: str) -> None:
    layer, said, where = NO_WORD[name]
    keras_3, both = Era(generation=3, version=(3, 15)), Bidirectional(forward=layer, backward=Recurrent(cells=(CELL,)))
    with pytest.raises(Unrepresentable, match=re.escape(said)) as refused:
        write_recurrent(layer, keras_3, "l")
    assert refused.value.where == where and (name != "time_major" or "Keras 2" in str(refused.value.way_out))
    for key, value in (("layer", both), ("backward_layer", replace(both, forward=both.backward, backward=layer))):
        with pytest.raises(Unrepresentable) as refused:
            write_bidirectional(value, keras_3, "l")
        assert refused.value.where == where.replace("l", f"l.{key}", 1)


@pytest.mark.parametrize("first", [True, False])
def test_a_convolutional_cell_is_written_in_keras_words(first: bool) -> None:
    layer = Recurrent(cells=(replace(IMAGE, pad_start=False, channels_first=first, dilation=(2,)),))
    class_name, config = write_recurrent(layer, Era(generation=3, version=(3, 15)), "l")
    told = {"filters": 3, "kernel_size": [2], "strides": [1], "padding": "same", "dilation_rate": [2]}
    ordering = {"data_format": "channels_first" if first else "channels_last"}
    assert class_name == "ConvLSTM1D" and (told | ordering).items() <= config.items()


@pytest.mark.parametrize(("per_gate", "implementation"), [(True, 1), (False, 2)])
def test_which_dropout_masks_gates_share_is_written_for_keras_2(per_gate: bool, implementation: int) -> None:
    layer = Recurrent(cells=(replace(CELL, dropout_per_gate=per_gate),))
    assert (
        write_recurrent(layer, Era(generation=2, version=(2, 15), tf=True), "l")[1]["implementation"] == implementation
    )
    assert "implementation" not in write_recurrent(layer, Era(generation=3, version=(3, 15)), "l")[1]
