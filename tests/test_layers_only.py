"""The recurrent layers of a model side by side: each with its own input, its weights, all its outputs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from weight_mapping import oracle
from weight_mapping.errors import PortingError
from weight_mapping.layers_only import layers_only
from weight_mapping.plain import plain
from weight_mapping.spec import Bidirectional, Cell, Custom, Input, Recurrent, Ref, TimeDistributed, chain
from weight_mapping.weights import CellWeights, Portable, Source

RNG = np.random.default_rng(0)
LSTM = Recurrent(cells=(Cell(kind="lstm", units=3, input_size=5),), return_state=True)
RNN = Recurrent(cells=(Cell(kind="rnn", units=2, input_size=4),), return_sequences=True)
BOTH = Bidirectional(forward=RNN, backward=replace(RNN, go_backwards=True))


def _cell(gates: int, units: int, inputs: int) -> CellWeights:
    return CellWeights(
        kind={4: "lstm", 1: "rnn"}[gates], kernel=RNG.normal(size=(gates, units, inputs)),
        recurrent=RNG.normal(size=(gates, units, units)), bias=RNG.normal(size=(1, gates, units)),
    )  # fmt: skip


INNER = chain("inner", Input(name="i"), {"both": BOTH, "d": plain("dense", units=2)})
SPEC = chain(
    "m", Input(name="x"),
    {"first": LSTM, "own": Custom(class_name="Theirs"), "inner": INNER, "each": TimeDistributed(layer=LSTM)},
)  # fmt: skip
WEIGHTS = {
    ("first", "0"): _cell(4, 3, 5), ("inner", "both", "forward", "0"): _cell(1, 2, 4),
    ("inner", "both", "backward", "0"): _cell(1, 2, 4), ("inner", "d"): {"kernel": np.ones((4, 2))},
    ("each", "layer", "0"): _cell(4, 3, 5),
}  # fmt: skip


def test_every_recurrent_layer_stands_alone() -> None:
    model = Portable(spec=SPEC, weights=WEIGHTS, source=Source(path="there.h5"))
    alone = layers_only(model)
    names = ["first", "inner/both", "each/layer"]
    assert alone.spec.name == "m_layers"
    assert dict(alone.spec.layers) == dict(zip(names, (LSTM, BOTH, LSTM), strict=True))
    assert [(i.name, i.shape) for i in alone.spec.inputs] == [
        ("first/input", (None, None, 5)), ("inner/both/input", (None, None, 4)), ("each/layer/input", (None, None, 5)),
    ]  # fmt: skip
    assert [(n.name, n.layer, n.inputs) for n in alone.spec.nodes] == [(n, n, (Ref(f"{n}/input"),)) for n in names]
    assert alone.spec.outputs == (
        *(Ref("first", k) for k in range(3)), Ref("inner/both"), *(Ref("each/layer", k) for k in range(3)),
    )  # fmt: skip
    assert dict(alone.weights) == {
        ("first", "0"): WEIGHTS["first", "0"],
        ("inner/both", "forward", "0"): WEIGHTS["inner", "both", "forward", "0"],
        ("inner/both", "backward", "0"): WEIGHTS["inner", "both", "backward", "0"],
        ("each/layer", "0"): WEIGHTS["each", "layer", "0"],
    }
    assert alone.source == model.source
    x = [RNG.normal(size=(2, 10, n)) for n in (5, 4, 5)]
    found = oracle.run(alone, *x)
    expected = oracle.forward(BOTH, {k[2:]: w for k, w in WEIGHTS.items() if k[:2] == ("inner", "both")}, x[1])  # type: ignore[misc]
    assert np.array_equal(found[3], expected.outputs[0])


def test_a_model_without_any_is_refused() -> None:
    spec = chain("m", Input(name="x"), {"d": plain("dense")})
    with pytest.raises(PortingError, match=r"^there\.h5: no recurrent layer in this file"):
        layers_only(Portable(spec=spec, weights={}, source=Source(path="there.h5")))
