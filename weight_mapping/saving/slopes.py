"""One hard_sigmoid is the other after scaling: clip(x/5 + 1/2) = clip((6/5 x)/6 + 1/2).

A way out where the target can't state the slope: exact in the reals, one rounding of each weight in floating point."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from weight_mapping.activations import Activation, hard_sigmoid
from weight_mapping.spec import Cell, ConvCell, Leaf, Path, Plain, leaves, with_leaves
from weight_mapping.weights import CellWeights, LeafWeights, Portable

_GATES = {"lstm": "ifo", "conv_lstm": "ifo", "gru": "zr", "rnn": ""}
"""The gates that go through recurrent_activation."""


def with_slope(portable: Portable, slope: float) -> Portable:
    """The same function with every hard_sigmoid's slope as asked, where scaling weights can bring it about; layers
    where it can't (an Activation layer, a cell's own activation) stay as they are."""
    changed: dict[Path, Leaf] = {}
    weights: dict[Path, LeafWeights] = dict(portable.weights)
    for path, leaf in leaves(portable.spec):
        if isinstance(leaf, Cell | ConvCell) and _other(leaf.recurrent_activation, slope):
            factor = _slope(leaf.recurrent_activation) / slope
            changed[path] = replace(leaf, recurrent_activation=hard_sigmoid(slope))
            weights[path] = _scaled(weights[path], _GATES[leaf.kind], leaf.gates, factor)  # type: ignore[arg-type]
        elif isinstance(leaf, Plain) and leaf.kind in ("dense", "conv") and _other(leaf.options["activation"], slope):
            factor = _slope(leaf.options["activation"]) / slope
            changed[path] = Plain(kind=leaf.kind, options={**leaf.options, "activation": hard_sigmoid(slope)})
            weights[path] = {name: _times(array, factor) for name, array in weights[path].items()}  # type: ignore[union-attr]
    if not changed:
        return portable
    said = tuple(
        f"{'/'.join(p)}: weights scaled so that hard_sigmoid's slope is {slope:.3g}; equal to rounding" for p in changed
    )
    source = replace(portable.source, resolved=(*portable.source.resolved, *said))
    return replace(portable, spec=with_leaves(portable.spec, changed), weights=weights, source=source)


def _slope(activation: Activation) -> float:
    return float(dict(activation.parameters)["slope"])


def _other(activation: Activation, slope: float) -> bool:
    return activation.name == "hard_sigmoid" and _slope(activation) != slope


def _times(array: Any, factor: float) -> Any:
    return (np.asarray(array, np.float64) * factor).astype(array.dtype)


def _scaled(weights: CellWeights, gates: str, order: str, factor: float) -> CellWeights:
    factors = np.array([factor if g in gates else 1.0 for g in order])

    def scaled(array: Any, axis: int) -> Any:
        shape = [1] * array.ndim
        shape[axis] = len(order)
        return _times(array, factors.reshape(shape))  # type: ignore[arg-type]

    bias = None if weights.bias is None else scaled(weights.bias, 1)
    return replace(weights, kernel=scaled(weights.kernel, 0), recurrent=scaled(weights.recurrent, 0), bias=bias)


def slopes(portable: Portable) -> set[float]:
    """Every hard_sigmoid slope that the model holds."""
    return {_slope(a) for _, leaf in leaves(portable.spec) for a in _activations(leaf) if a.name == "hard_sigmoid"}


def _activations(leaf: Leaf) -> list[Activation]:
    if isinstance(leaf, Cell | ConvCell):
        return [leaf.activation, *([leaf.recurrent_activation] if leaf.kind != "rnn" else [])]
    return [v for v in leaf.options.values() if isinstance(v, Activation)] if isinstance(leaf, Plain) else []
