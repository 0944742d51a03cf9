"""Whose class a stored object is: its name alone does not tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from configs import read

from weight_mapping.errors import Unsupported
from weight_mapping.keras_config import parse
from weight_mapping.spec import Custom, Recurrent


def stored(class_name: str, **told: str | None) -> dict[str, Any]:
    return {"class_name": class_name, "config": {"name": "c", "units": 3}, **told}


KERAS_OWN: Mapping[str, dict[str, str | None]] = {
    "Keras 2": {}, "Keras 3": {"module": "keras.layers", "registered_name": None},
    "its own module": {"module": "tf_keras.src.layers.rnn", "registered_name": "LSTM"},
}  # fmt: skip
AUTHOR_S: Mapping[str, tuple[str, dict[str, str | None]]] = {
    "registered in Keras 2": ("Mine>{}", {}), "registered in no package": ("Custom>{}", {}),
    "registered in Keras 3": ("{}", {"module": "mine.layers", "registered_name": "Mine>{}"}),
    "registered in Keras 3, in the script": ("{}", {"module": None, "registered_name": "Mine>{}"}),
    "out of a module": ("{}", {"module": "mine.layers", "registered_name": "{}"}),
    "out of the script": ("{}", {"module": None, "registered_name": "{}"}),
    "out of a module named like Keras": ("{}", {"module": "keras_mine.layers", "registered_name": None}),
}  # fmt: skip


@pytest.mark.parametrize("form", AUTHOR_S)
def test_a_class_of_its_author_s_is_not_taken_for_keras_own_of_that_name(form: str) -> None:
    """`class LSTM(keras.layers.LSTM)` may compute anything. The forms are those that Keras 2.15 and 3.15 store."""

    def of(class_name: str) -> dict[str, Any]:
        name, told = AUTHOR_S[form]
        return stored(name.format(class_name), **{k: v and v.format(class_name) for k, v in told.items()})

    after = {"class_name": "LSTM", "config": {"name": "after", "units": 3}}
    for layer in (
        of("LSTM"), of("Dense"), of("Sequential"), stored("RNN") | {"config": {"cell": of("LSTMCell")}},
        stored("RNN") | {"config": {"cell": [stored("GRUCell"), of("LSTMCell")]}},
        stored("Bidirectional") | {"config": {"layer": of("LSTM")}},
        stored("Bidirectional") | {"config": {"layer": stored("LSTM"), "backward_layer": of("LSTM")}},
    ):  # fmt: skip
        model = {"class_name": "Sequential", "config": {"name": "m", "layers": [layer, after]}}
        found = list(parse(model, "3.15.1").spec.layers.values())
        assert isinstance(found[0], Custom) and isinstance(found[1], Recurrent)
        assert ("Mine" in found[0].class_name) == ("Mine>" in str(AUTHOR_S[form]))
    with pytest.raises(Unsupported, match="a model of the class"):
        parse({**of("Sequential"), "config": {"name": "m", "layers": [stored("LSTM")]}}, "3.15.1")


@pytest.mark.parametrize("form", KERAS_OWN)
def test_keras_own_classes_are_known_by_every_form_of_theirs(form: str) -> None:
    model = {"class_name": "Sequential", "config": {"name": "m", "layers": [stored("LSTM", **KERAS_OWN[form])]}}
    assert isinstance(parse(model, "3.15.1").spec.layers["c"], Recurrent)


@pytest.mark.parametrize("cell", ["PeepholeLSTMCell", "Mine>Cell", "Dense", "LSTM"])
def test_around_a_cell_of_its_author_s_a_layer_is_its_author_s(cell: str) -> None:
    layer = read("RNN", "tf.keras 2.15", cell={"class_name": cell, "config": {"units": 3}})
    assert isinstance(layer, Custom) and layer.class_name == cell
