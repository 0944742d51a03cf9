"""One recurrent layer as a model, and what the proof says of a model in ONNX Runtime."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from portables import layer_weights
from whole_models import at

from harness.backends.ported_onnx import outputs
from harness.porting.proving import prove
from harness.problems import Sizes, sized
from harness.results import Agreement
from weight_mapping.spec import Bidirectional, Input, Recurrent, chain
from weight_mapping.weights import CellWeights, Portable

BATCH, STEPS, WIDTH, UNITS = SIZES = Sizes(3, 10, 4, 5)


def agreement(portable: Portable, dtype: str = "float32") -> Agreement:
    return prove(portable, outputs, dtypes=(dtype,)).agreements[0]


def alone(layer: Recurrent | Bidirectional, size: float = 1.0) -> Portable:
    """The layer as a model; `size` scales its weights, so that an unbounded activation stays where float32 is."""
    layer = sized(layer, SIZES)
    weights = {path: _scaled(w, size) for path, w in layer_weights(layer, WIDTH).items()}
    spec = chain("model", Input(name="x", shape=(None, None, WIDTH)), {"layer": layer})
    return Portable(spec=spec, weights=at(("layer",), weights))


def _scaled(weights: CellWeights, size: float) -> CellWeights:
    scaled: dict[str, Any] = {name: array * size for name, array in weights.arrays()}
    return replace(weights, **scaled)
