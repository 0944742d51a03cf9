"""Activations in ONNX: inside its recurrent operators by name, elsewhere by their one formula."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from weight_mapping.activations import Activation, activation
from weight_mapping.onnx import functions as xp
from weight_mapping.onnx.tensor import Tensor


@dataclass(frozen=True, slots=True)
class Named:
    """An activation of the recurrent operators. `alpha` is a number, or the name of our parameter that it is."""

    name: str
    alpha: float | str | None = None
    beta: float | None = None


NAMED: Mapping[str, Named] = {
    "tanh": Named("Tanh"),
    "sigmoid": Named("Sigmoid"),
    "hard_sigmoid": Named("HardSigmoid", "slope", 0.5),
    "sparse_sigmoid": Named("HardSigmoid", 0.5, 0.5),
    "relu": Named("Relu"),
    "elu": Named("Elu", "alpha"),
    "leaky_relu": Named("LeakyRelu", "negative_slope"),
    "softsign": Named("Softsign"),
    "linear": Named("Affine", 1.0, 0.0),
}
"""Source: the operators LSTM-14, GRU-14, RNN-14. Their Softplus is left out: in ONNX Runtime 1.32 it is infinite from
89 on, where the formula is right."""

_RELU = activation("relu")


def named(of: Activation) -> tuple[str, list[float], list[float]] | None:
    """Its name in a recurrent operator with its alpha and beta, as far as it takes them; None where it has none."""
    row = NAMED.get(of.name)
    if row is None or (of.name == "relu" and of != _RELU):
        return None
    alpha = dict(of.parameters)[row.alpha] if isinstance(row.alpha, str) else row.alpha
    return row.name, [] if alpha is None else [float(alpha)], [] if row.beta is None else [row.beta]


def activated(of: Activation, x: Tensor) -> Tensor:
    """The activation of a tensor."""
    x = x.floating()
    found: Tensor = x.graph.op("Relu", x) if of == _RELU else of.function(x, xp)
    return found
