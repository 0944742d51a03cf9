"""Where a Keras model and a PyTorch module of the user's own part: their recurrent cells side by side, in their order,
and of each the weight that is furthest off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.compare import UNIT, difference
from weight_mapping import keras as keras_side
from weight_mapping.errors import PortingError
from weight_mapping.weights import CellWeights, Portable

SAME = 4 * UNIT["float32"]
"""Within so much, relative to the array's greatest magnitude, weights are the same, cast or added up as may be."""
SHOWN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One recurrent cell: what its user calls it, and its weights."""

    name: str
    weights: CellWeights


def of_keras(model: Any) -> list[Place]:
    """The cells of a live Keras model or layer, in the order of its layers; what is no recurrent layer is passed by."""
    try:
        found = keras_side.weights_of(model)
    except PortingError:
        inner = getattr(model, "layers", None) or [layer for layer in [getattr(model, "layer", None)] if layer]
        return [place for layer in inner for place in of_keras(layer)]
    return [Place(name=_name(model.name, path, len(found)), weights=w) for path, w in found.items()]


def of_portable(portable: Portable) -> list[Place]:
    return [
        Place(name="/".join(path), weights=weights)
        for path, _, weights in portable.leaves()
        if isinstance(weights, CellWeights)
    ]


def apart(expected: Sequence[Place], actual: Sequence[Place]) -> tuple[str, ...]:
    """A sentence for each cell whose weights differ; one where none does, or where the cells can't be paired."""
    if not expected or not actual:
        return ()
    if len(expected) != len(actual):
        return (f"{len(expected)} recurrent cells in Keras, {len(actual)} in PyTorch",)
    told = [line for pair in zip(expected, actual, strict=True) for line in _pair(*pair)]
    if told:
        return tuple(told[:SHOWN])
    return ("the weights of all recurrent cells are the same: what differs is how they are run, or what is around",)


def _pair(expected: Place, actual: Place) -> Iterator[str]:
    where = f"{expected.name} (PyTorch's {actual.name})"
    ours, theirs = _arrays(expected.weights, actual.weights), _arrays(actual.weights, expected.weights)
    if expected.weights.kind != actual.weights.kind:
        yield f"{where}: a cell of kind {actual.weights.kind}, expected {expected.weights.kind}"
        return
    for name, array in ours.items():
        found = difference(name, array, theirs.get(name), kind=expected.weights.kind)
        if found.error > SAME:
            yield f"{where}: {found.where}: {_numbers(array, theirs.get(name))}"
            return


def _arrays(weights: CellWeights, other: CellWeights) -> Mapping[str, NDArray[Any]]:
    """By name; a bias in two parts as their sum where the other side has one, which a GRU's reset gate forbids."""
    arrays = {name: np.asarray(array, np.float64) for name, array in weights.arrays()}
    if (
        weights.bias is not None
        and weights.kind != "gru"
        and {weights.bias_form, other.bias_form} == {"single", "split"}
    ):
        arrays["bias"] = arrays["bias"].sum(0, keepdims=True)
    return arrays


def _numbers(expected: NDArray[Any], actual: NDArray[Any] | None) -> str:
    if actual is None or actual.shape != expected.shape:
        return "not there" if actual is None else f"shape {actual.shape}"
    distance = np.abs(actual - expected)
    at = np.unravel_index(int(np.where(np.isfinite(distance), distance, np.inf).argmax()), distance.shape)
    return f"{actual[at]:.6g}, expected {expected[at]:.6g}"


def _name(layer: str, path: Sequence[str], cells: int) -> str:
    return layer if cells == 1 else "/".join((layer, *path))
