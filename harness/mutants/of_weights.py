"""Wrong ports by what becomes of the numbers: biases and kernels in wrong places, functions exchanged."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.mutants import mistakes
from harness.mutants.mutant import Mutant
from harness.problems import Problem
from weight_mapping.spec import Cell
from weight_mapping.weights import CellWeights

_GRU = "gru reset_after/default"


def _bias_in_onnx_order(bias: NDArray[Any]) -> NDArray[Any]:
    return bias[:, ["iofc".index(g) for g in "ifco"]]


def _more_input(bias: NDArray[Any]) -> NDArray[Any]:
    more = np.array(bias)
    more[0, 0] += 1
    return more


def _kernels_exchanged(weights: CellWeights) -> CellWeights | None:
    if weights.kernel.shape != weights.recurrent.shape:
        return None
    return replace(weights, kernel=weights.recurrent, recurrent=weights.kernel)


def _without_recurrent_bias(weights: CellWeights) -> CellWeights | None:
    if weights.bias is None or weights.bias_form != "split":
        return None
    return replace(weights, bias=np.stack([weights.bias[0], np.zeros_like(weights.bias[1])]))


def _other_update(weights: CellWeights) -> CellWeights | None:
    """σ(-a) = 1 - σ(a)."""
    if weights.kind != "gru":
        return None
    sign = np.array([-1.0, 1.0, 1.0])[:, None]
    bias = None if weights.bias is None else weights.bias * sign
    return replace(weights, kernel=weights.kernel * sign[..., None], recurrent=weights.recurrent * sign[..., None],
                   bias=bias)  # fmt: skip


def _functions_exchanged(cell: Cell, weights: CellWeights) -> tuple[Cell, CellWeights] | None:
    if cell.kind == "rnn" or cell.activation == cell.recurrent_activation:
        return None
    exchanged = replace(cell, activation=cell.recurrent_activation, recurrent_activation=cell.activation)
    return exchanged, weights


def _half(weights: CellWeights) -> CellWeights:
    arrays: dict[str, Any] = {name: a.astype(np.float16).astype(np.float64) for name, a in weights.arrays()}
    return replace(weights, **arrays)


def _sorted_by_name(problem: Problem) -> Problem | None:
    """Two cells of one shape: the second one's weights are the first's."""
    paths = list(problem.weights)
    if len(paths) != 2 or {p[:-1] for p in paths} != {()}:
        return None
    one, two = (problem.weights[p] for p in paths)
    if one.kind != two.kind or one.kernel.shape != two.kernel.shape:
        return None
    return replace(problem, weights={paths[0]: two, paths[1]: one})


ROWS = (
    Mutant(
        id="bias misplaced", description="each gate has the bias of the gate before it",
        fix="split the bias at the same places as the kernels",
        change=mistakes.of_weights(mistakes.of_bias(lambda bias: np.roll(bias, 1, axis=1), "lstm")),
    ),
    Mutant(
        id="bias alone in ONNX's order", description="the kernels are in the right order, the bias is read as i o f c",
        fix="bring the bias into the order of the kernels",
        change=mistakes.of_weights(mistakes.of_bias(_bias_in_onnx_order, "lstm")),
    ),
    Mutant(
        id="forget bias in the input gate", description="1 is added to the bias of the gate i",
        fix="copy the stored bias as it is",
        change=mistakes.of_weights(mistakes.of_bias(_more_input, "lstm")),
    ),
    Mutant(
        id="kernels exchanged", description="kernel and recurrent kernel are taken for each other",
        fix="weight_ih is the kernel, weight_hh the recurrent one",
        change=mistakes.of_weights(_kernels_exchanged), regimes=("square",),
    ),
    Mutant(
        id="GRU recurrent bias dropped", description="the recurrent part of the bias is left at zero",
        fix="row 1 of Keras' bias is bias_hh",
        change=mistakes.of_weights(_without_recurrent_bias), base=_GRU,
    ),
    Mutant(
        id="update gate inverted", description="the new state is (1 - z) h + z n, as in Haiku and in Cho's paper",
        fix="negate the update gate's rows of kernels and bias",
        change=mistakes.of_weights(_other_update), base=_GRU,
    ),
    Mutant(
        id="activations exchanged", description="activation and recurrent_activation are taken for each other",
        fix="the gates go through recurrent_activation",
        change=mistakes.of_cells(_functions_exchanged),
    ),
    Mutant(
        id="float16 weights", description="the weights were cut to float16 on the way",
        fix="keep the weights in the dtype of the file",
        change=mistakes.of_weights(_half),
    ),
    Mutant(
        id="layer order by name sort", description="layers go by the order of their names, lstm_10 before lstm_2",
        fix="take the order from layer_names, or match by name",
        change=_sorted_by_name, base="lstm/stack/two cells", regimes=("square",),
    ),
)  # fmt: skip
