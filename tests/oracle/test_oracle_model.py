"""Whole models: chains, graphs, steps as samples, models in models, states from batch to batch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drawn import error, weights

from weight_mapping import oracle
from weight_mapping.activations import activation
from weight_mapping.errors import PortingError, Unsupported
from weight_mapping.plain import plain
from weight_mapping.spec import (
    Bidirectional,
    Cell,
    Custom,
    Input,
    ModelSpec,
    Node,
    Operation,
    Recurrent,
    Ref,
    Slot,
    TimeDistributed,
    chain,
)
from weight_mapping.weights import LeafWeights, Portable

RNG = np.random.default_rng(0)
LSTM = Recurrent(cells=(Cell(kind="lstm", units=3),), return_sequences=True)
LAST = replace(LSTM, return_sequences=False)
TABLE, KERNEL, BIAS = RNG.normal(size=(6, 4)), RNG.normal(size=(3, 2)), RNG.normal(size=2)
EMBEDDING = plain("embedding", input_dim=6, output_dim=4, mask_zero=True)
DENSE = plain("dense", units=2, activation=activation("tanh"))
DENSE_WEIGHTS: LeafWeights = {"kernel": KERNEL.astype(np.float32), "bias": BIAS.astype(np.float32)}
IDS = np.array([[3, 0, 1, 5, 0], [2, 4, 4, 0, 0]])


def _inside(name: str, found: dict) -> dict:  # type: ignore[type-arg]
    return {(name, *path): cell for path, cell in found.items()}


def _dense(x: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    return np.tanh(x @ KERNEL.astype(np.float32).astype(np.float64) + BIAS.astype(np.float32).astype(np.float64))


def test_a_chain_with_a_mask_made_by_an_embedding() -> None:
    spec = chain(
        "m",
        Input(name="ids"),
        {"e": EMBEDDING, "l": LSTM, "drop": plain("dropout"), "td": TimeDistributed(layer=DENSE)},
    )
    cells = weights(LSTM, 4)
    portable = Portable(
        spec=spec, weights={("e",): {"embeddings": TABLE}, **_inside("l", cells), ("td", "layer"): DENSE_WEIGHTS}
    )
    expected = _dense(oracle.forward(LSTM, cells, TABLE[IDS], mask=IDS != 0).outputs[0])
    for ids in (IDS, IDS.astype(np.float32)):
        y = oracle.run(portable, ids)
        assert isinstance(y, np.ndarray)
        assert y.dtype == np.float64
        assert error(y, expected) <= 1e-15
    unmasked = _dense(oracle.forward(LSTM, cells, TABLE[IDS]).outputs[0])
    assert error(unmasked, expected) > 1e-2


def test_a_graph_with_a_computed_mask_states_and_two_outputs() -> None:
    """An encoder's states start a decoder; the mask is an operation's result."""
    encoder = replace(LAST, return_state=True)
    spec = ModelSpec(
        name="m", inputs=(Input(name="ids"), Input(name="x")),
        layers={
            "e": plain("embedding", input_dim=6, output_dim=4),
            "ne": Operation(name="not_equal", arguments=(Slot(0), 0)),
            "enc": encoder,
            "dec": LSTM,
            "rest": Operation(name="get_item", arguments=(Slot(0), (Ellipsis, slice(1, None)))),
        },
        nodes=(
            Node(name="e", layer="e", inputs=(Ref("ids"),)),
            Node(name="ne", layer="ne", inputs=(Ref("ids"),)),
            Node(name="enc", layer="enc", inputs=(Ref("e"),), mask=Ref("ne")),
            Node(name="dec", layer="dec", inputs=(Ref("x"),), initial_state=(Ref("enc", 1), Ref("enc", 2))),
            Node(name="rest", layer="rest", inputs=(Ref("dec"),)),
        ),
        outputs=(Ref("rest"), Ref("enc", 2)),
    )  # fmt: skip
    first, second, x = weights(encoder, 4), weights(LSTM, 2, seed=1), RNG.normal(size=(2, 4, 2))
    portable = Portable(
        spec=spec, weights={("e",): {"embeddings": TABLE}, **_inside("enc", first), **_inside("dec", second)}
    )
    y, c = oracle.run(portable, IDS, x)
    trace = oracle.forward(encoder, first, TABLE[IDS], mask=IDS != 0)
    assert np.array_equal(c, trace.states[1])
    assert np.array_equal(y, oracle.forward(LSTM, second, x, initial_state=trace.states).outputs[0][..., 1:])
    with pytest.raises(PortingError, match="takes 2 inputs"):
        oracle.run(portable, IDS)


def test_steps_as_samples_for_a_recurrent_layer_and_a_model() -> None:
    """A sentence encoder over the sentences of a document."""
    ids = np.stack([IDS, IDS[:, ::-1], IDS + (IDS > 0)], axis=1) % 6
    inner = chain("inner", Input(name="i"), {"e": EMBEDDING, "l": LAST})
    cells = weights(LAST, 4)
    spec = chain("m", Input(name="ids"), {"td": TimeDistributed(layer=inner)})
    inner_weights = {("e",): {"embeddings": TABLE}, **_inside("l", cells)}
    portable = Portable(spec=spec, weights={("td", "layer", *path): found for path, found in inner_weights.items()})
    y = oracle.run(portable, ids)
    for step in range(3):
        expected = oracle.forward(LAST, cells, TABLE[ids[:, step]], mask=ids[:, step] != 0).outputs[0]
        assert error(y[:, step], expected) <= 1e-15  # type: ignore[call-overload]
    direct = Portable(
        spec=chain("m", Input(name="ids"), {"e": EMBEDDING, "td": TimeDistributed(layer=LAST)}),
        weights={("e",): {"embeddings": TABLE}, **{("td", "layer", *p): w for p, w in cells.items()}},
    )
    assert error(oracle.run(direct, ids), y) <= 1e-15


def test_a_stateful_layer_goes_on_where_the_last_batch_ended() -> None:
    one = replace(LSTM, stateful=True)
    for layer in (one, Bidirectional(forward=one, backward=replace(one, go_backwards=True))):
        cells, x = weights(layer, 4), RNG.normal(size=(2, 6, 4))
        portable = Portable(spec=chain("m", Input(name="x"), {"l": layer}), weights=_inside("l", cells))
        first, states = oracle.run_with_states(portable, x[:, :3])
        second = oracle.run(portable, x[:, 3:], states=states)
        assert np.array_equal(first, oracle.forward(layer, cells, x[:, :3]).outputs[0])
        expected = oracle.forward(layer, cells, x[:, 3:], initial_state=states["l",]).outputs[0]
        assert np.array_equal(second, expected)
        assert error(oracle.run(portable, x[:, 3:]), second) > 1e-3
    cells = weights(one, 4)
    whole = oracle.forward(one, cells, x).outputs[0]
    portable = Portable(spec=chain("m", Input(name="x"), {"l": one}), weights=_inside("l", cells))
    _, states = oracle.run_with_states(portable, x[:, :3])
    assert error(oracle.run(portable, x[:, 3:], states=states), whole[:, 3:]) <= 1e-15


def test_inputs_and_weights_stay_as_they_are() -> None:
    cells, x = weights(LSTM, 4), RNG.normal(size=(2, 5, 4)).astype(np.float32)
    before = x.copy()
    portable = Portable(spec=chain("m", Input(name="x"), {"l": LSTM}), weights=_inside("l", cells))
    prints = portable.fingerprints()
    oracle.run(portable, x)
    assert np.array_equal(x, before)
    assert portable.fingerprints() == prints


def test_a_layer_of_its_authors_own_is_refused_by_name_and_place() -> None:
    spec = chain("m", Input(name="x"), {"mine": Custom(class_name="MyAttention")})
    with pytest.raises(Unsupported, match="mine: MyAttention is its author's own"):
        oracle.run(Portable(spec=spec, weights={}), np.zeros((2, 3)))
