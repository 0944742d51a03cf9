"""Which mistaken convention may explain that a user's own pair disagrees: `diagnose`, where one recurrent layer is all
there is to a model."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.backends import output_names
from harness.diagnosis.answers import Finding, diagnose_outputs, explaining
from harness.problems import Layer, Problem
from weight_mapping import keras as keras_side
from weight_mapping.errors import PortingError
from weight_mapping.keras_config import parse
from weight_mapping.spec import Bidirectional, ModelSpec, Path, Recurrent
from weight_mapping.weights import CellWeights, Portable

Arrays = Sequence[NDArray[Any]]
Known = tuple[Layer, Mapping[Path, CellWeights]]
SHOWN = 3


def of_portable(portable: Portable) -> Known | None:
    """The only layer of a model and its weights by their paths within it, if it is a recurrent one."""
    found = _only(portable.spec)
    if found is None:
        return None
    weights = {path[1:]: w for path, w in portable.weights.items() if isinstance(w, CellWeights)}
    return found, weights


def of_keras(model: Any, package: str) -> Known | None:
    """The same of a live Keras layer; None where it is something else, or has a word that no file could hold."""
    try:
        weights = keras_side.weights_of(model)
        described = {"class_name": type(model).__name__, "config": model.get_config()}
        config = {"class_name": "Sequential", "config": {"name": "alone", "layers": [described]}}
        found = _only(parse(config, sys.modules[package].__version__).spec)
    except PortingError:
        return None
    return None if found is None else (found, weights)


def likely(known: Known, inputs: Arrays, states: Arrays, outputs: Arrays) -> tuple[str, ...]:
    """The mistakes that turn the right answer into these outputs, each with its way out; empty where none does."""
    findings = islice(explaining(diagnosed(known, inputs, states, outputs)), SHOWN)
    return tuple(f"{one.name}: {one.explanation}; {one.fix}" for one in findings)


def diagnosed(known: Known, inputs: Arrays, states: Arrays, outputs: Arrays) -> tuple[Finding, ...]:
    """What `diagnose_outputs` says of these outputs of a port of the layer."""
    layer, weights = known
    problem = Problem(
        layer=layer, weights={path: _wide(w) for path, w in weights.items()}, xs=(inputs[0].astype(np.float64),),
        initial_state=tuple(state.astype(np.float64) for state in states),
    )  # fmt: skip
    found = dict(zip(output_names(layer), (np.asarray(y, np.float64) for y in outputs), strict=False))
    return diagnose_outputs(problem, found)


def _wide(weights: CellWeights) -> CellWeights:
    arrays: dict[str, Any] = {name: array.astype(np.float64) for name, array in weights.arrays()}
    return replace(weights, **arrays)


def _only(spec: ModelSpec) -> Layer | None:
    layers = list(spec.layers.values())
    return layers[0] if len(layers) == 1 and isinstance(layers[0], Recurrent | Bidirectional) else None
