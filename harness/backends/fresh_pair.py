"""A recurrent layer twice, in Keras and in PyTorch, with the same random weights: something to test a test with."""

from __future__ import annotations

import importlib
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import weight_mapping.torch as wt
from harness.problems import Sizes, draw
from weight_mapping import keras as keras_side
from weight_mapping.activations import KERAS_SLOPES, activation, hard_sigmoid
from weight_mapping.errors import Unsupported
from weight_mapping.spec import Bidirectional, Cell, Recurrent

LIBRARIES = {"keras": KERAS_SLOPES[3], "tf_keras": KERAS_SLOPES[2]}
"""The Keras that a pair may be of, and what it means by hard_sigmoid."""
KINDS = ("lstm", "gru", "rnn")


class Pair(NamedTuple):
    """A Keras layer and its PyTorch module, an input (batch, time, input) and initial states, all random float32."""

    keras: Any
    torch: Any
    x: NDArray[np.float32]
    states: list[NDArray[np.float32]]


def pair(
    kind: str = "lstm", *, units: int = 4, input_size: int = 5, batch: int = 3, time: int = 12, seed: int = 0,
    library: str = "keras", activation: str = "tanh", recurrent_activation: str = "sigmoid", use_bias: bool = True,
    reset_after: bool = True, merge: str | None = None, **run: bool,
) -> Pair:  # fmt: skip
    """Both layers, equal to rounding. `merge`: Bidirectional, merged so; `run`: return_sequences, return_state,
    go_backwards. PyTorch's side takes (x, initial_state=[…]) and gives a list, as every ported layer does."""
    if kind not in KINDS or library not in LIBRARIES:
        raise Unsupported(
            "no such pair", found=(kind, library), expected=(f"one of {KINDS}", f"one of {tuple(LIBRARIES)}")
        )
    after = kind == "gru" and reset_after
    words = {name: _function(word, library) for name, word in _words(kind, activation, recurrent_activation).items()}
    cell = Cell(
        kind=kind,
        units=units,
        bias="none" if not use_bias else "split" if after else "single",
        reset_after=after,
        **words,
    )  # type: ignore[arg-type]
    layer: Recurrent | Bidirectional = Recurrent(cells=(cell,), **run)
    if merge is not None:
        backward = Recurrent(cells=(cell,), go_backwards=True, **run)
        layer = Bidirectional(forward=layer, backward=backward, merge=merge)  # type: ignore[arg-type]
    problem = draw(layer, Sizes(batch, time, input_size, units), np.random.default_rng(seed))
    return Pair(
        keras=keras_side.build_layer(problem.layer, problem.weights, keras=importlib.import_module(library)),
        torch=wt.build_layer(problem.layer, problem.weights),
        x=problem.x.astype(np.float32),
        states=[state.astype(np.float32) for state in problem.initial_state],
    )


def _words(kind: str, function: str, of_gates: str) -> dict[str, str]:
    return {"activation": function} if kind == "rnn" else {"activation": function, "recurrent_activation": of_gates}


def _function(word: str, library: str) -> Any:
    return hard_sigmoid(LIBRARIES[library]) if word == "hard_sigmoid" else activation(word)
