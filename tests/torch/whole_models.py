"""Whole models with random weights, for the tests of building and of the way back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from portables import CELLS, layer_weights, plain_weights

from weight_mapping.activations import activation
from weight_mapping.plain import plain
from weight_mapping.spec import (
    Bidirectional,
    Input,
    ModelSpec,
    Node,
    Operation,
    Path,
    Recurrent,
    Ref,
    Slot,
    TimeDistributed,
    chain,
)
from weight_mapping.weights import LeafWeights, Portable

IDS = np.random.default_rng(0).integers(0, 7, (3, 10))
LSTM = Recurrent(cells=(CELLS["lstm"],), return_sequences=True, zero_output_for_mask=True)


def at(prefix: Path, weights: dict[Path, Any]) -> dict[Path, LeafWeights]:
    return {(*prefix, *path): w for path, w in weights.items()}


def tagger() -> Portable:
    """Embedding with a mask, Bidirectional LSTM, dropout, Dense on every step, under names that PyTorch refuses."""
    both = Bidirectional(forward=LSTM, backward=replace(LSTM, go_backwards=True))
    dense = plain("dense", units=3, activation=activation("softmax"))
    embedding = plain("embedding", input_dim=7, output_dim=4, mask_zero=True)
    layers = {
        "": embedding, "a.b": both, "keys": plain("dropout"), "%25 é/x": TimeDistributed(layer=dense),
    }  # fmt: skip
    weights: dict[Path, LeafWeights] = {
        ("",): plain_weights(embedding, {}), **at(("a.b",), layer_weights(both, 4)),
        ("%25 é/x", "layer"): plain_weights(dense, {"i": 10}),
    }  # fmt: skip
    return Portable(spec=chain("tagger", Input(name="ids", shape=(None, None)), layers), weights=weights)


def encoder_decoder() -> Portable:
    """Two inputs, a nested model, a shared layer, initial states, an operation and two outputs."""
    encoder_lstm = Recurrent(cells=(CELLS["lstm hard_sigmoid 1/5"],), return_state=True)
    encoder = chain("encoder", Input(name="x"), {"lstm": encoder_lstm})
    dense = plain("dense", units=5)
    halving = Operation(name="multiply", arguments=(Slot(0), 0.5))
    states = (Ref("encoder", 1), Ref("encoder", 2))
    spec = ModelSpec(
        name="seq2seq", inputs=(Input(name="source"), Input(name="target")),
        layers={"encoder": encoder, "lstm": LSTM, "shared": dense, "scale": halving},
        nodes=(
            Node(name="encoder", layer="encoder", inputs=(Ref("source"),)),
            Node(name="lstm", layer="lstm", inputs=(Ref("target"),), initial_state=states),
            Node(name="first", layer="shared", inputs=(Ref("lstm"),)),
            Node(name="second", layer="shared", inputs=(Ref("encoder"),)),
            Node(name="scale", layer="scale", inputs=(Ref("second"),)),
        ),
        outputs=(Ref("first"), Ref("scale")),
    )  # fmt: skip
    weights = {
        **at(("encoder", "lstm"), layer_weights(encoder_lstm, 4)), **at(("lstm",), layer_weights(LSTM, 6, seed=1)),
        ("shared",): plain_weights(dense, {"i": 5}),
    }  # fmt: skip
    return Portable(spec=spec, weights=weights)


def alone(layer: Any, weights: dict[Path, Any]) -> Portable:
    return Portable(spec=chain("model", Input(name="x"), {"layer": layer}), weights=at(("layer",), weights))
