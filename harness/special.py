"""Checks that only some cases have: what initialisers draw, dropout by its statistics, and the claim about scalars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from harness.backends import Arrays, Backend
from harness.backends.oracle import OracleSubject
from harness.compare import Limit, agreement, not_measured
from harness.problems import Float, Problem
from harness.results import FAILS, HOLDS, Agreement
from weight_mapping.oracle import Dropout
from weight_mapping.spec import Path, Recurrent
from weight_mapping.weights import CellWeights

ROWS = 2048
STANDARD_ERRORS = 6.0
EXPLAINABLE = 1e-3


def initial_biases(
    problem: Problem, backends: Sequence[Backend]
) -> tuple[dict[Path, CellWeights] | None, list[Agreement]]:
    """The weights that the first Keras among the backends draws, and each Keras' initial bias against the rule."""
    fresh: dict[Path, CellWeights] | None = None
    found: list[Agreement] = []
    for backend in backends:
        drawn = backend.fresh(problem)
        if drawn is None:
            continue
        fresh = fresh or {path: _double(weights) for path, weights in drawn.items()}
        if "bias_initializer" in problem.arguments:
            found.append(_initial_bias(problem, backend, drawn[("0",)]))
    if fresh is None:
        found.append(not_measured("outputs float64", "keras", "no Keras here to draw the initial weights"))
    return fresh, found


def _double(weights: CellWeights) -> CellWeights:
    arrays: dict[str, Any] = {name: array.astype(np.float64) for name, array in weights.arrays()}
    return replace(weights, **arrays)


_VALUES = {"Zeros": 0.0, "Ones": 1.0}


def _initial_bias(problem: Problem, backend: Backend, weights: CellWeights) -> Agreement:
    """unit_forget_bias puts 1 into the forget gate; the initialiser fills the rest. A random initialiser's own numbers
    are not predicted: there it must have drawn something, and the forget gate be 1 only where it is told to."""
    initialiser = problem.arguments["bias_initializer"]
    forget = bool(problem.arguments["unit_forget_bias"])
    assert weights.bias is not None
    found = weights.bias[0]
    value = _VALUES.get(initialiser["class_name"], initialiser["config"].get("value"))
    expected = found.copy() if value is None else np.full_like(found, value)
    if forget:
        expected[1] = 1.0
    limit = {"bias": Limit(2.0**-24, "no arithmetic: the numbers must be these")}
    answers = {"bias": expected[None]}, {"bias": found[None]}
    result = agreement("initial bias", backend.name, *answers, limit, dtype="float64", kind="lstm")
    drew = value is not None or (len(np.unique(found[[0, 2, 3]])) > 1 and (forget or bool((found[1] != 1).all())))
    return result if drew else replace(result, verdict=FAILS, where="bias: the initialiser drew nothing")


def scalars(
    problem: Problem, reference: Arrays, limits: Mapping[str, Limit], backend: Backend, weights: str
) -> Agreement:
    """LSTM(n) against n LSTM(1), each with its own unit's weights: equal where no unit sees another's h (a diagonal
    recurrent kernel); where the kernel is full the difference must be seen, and the claim falls."""
    outputs = [backend.build(_unit(problem, n), "float64").answer().outputs for n in range(_units(problem))]
    found = {name: np.concatenate([one[name] for one in outputs], axis=-1) for name in reference}
    result = agreement("n scalar LSTMs", backend.name, reference, found, limits, dtype="float64")
    if weights == "diagonal":
        return result
    assert result.error is not None and result.bound is not None
    seen = np.isfinite(result.error) and result.error > 0
    share = result.bound / result.error if seen else np.inf
    return replace(
        result,
        error=share,
        bound=EXPLAINABLE,
        unit="of the difference",
        verdict=HOLDS if share <= EXPLAINABLE else FAILS,
        where=f"the difference is {result.error:.3g} of {result.where}",
        reason="a full recurrent kernel mixes the units, so the claim is false and the difference must be seen: "
        "rounding may explain a thousandth of it at most",
    )


def _units(problem: Problem) -> int:
    return next(cell.units for _, cell in problem.cells())


def _unit(problem: Problem, n: int) -> Problem:
    """The n-th unit alone."""
    ((path, cell),) = problem.cells()
    one, weights = slice(n, n + 1), problem.weights[path]
    assert isinstance(problem.layer, Recurrent) and weights.bias is not None
    alone = CellWeights(
        kind=cell.kind,
        kernel=weights.kernel[:, one],
        recurrent=weights.recurrent[:, one, one],
        bias=weights.bias[..., one],
    )
    return replace(
        problem,
        layer=replace(problem.layer, cells=(replace(cell, units=1),)),
        weights={path: alone},
        initial_state=tuple(s[:, one] for s in problem.initial_state),
        cotangents=tuple(d[..., one] for d in problem.cotangents),
        target=None if problem.target is None else problem.target[..., one],
    )


def sampled(problem: Problem, backend: Backend) -> Agreement:
    """Dropout with masks of the backend's own: over many equal rows, mean and mean square of the output must be those
    of the oracle with masks drawn by the rule, within six standard errors."""
    many = replace(
        problem,
        xs=(np.repeat(problem.x[:1], ROWS, 0),),
        initial_state=tuple(np.repeat(s[:1], ROWS, 0) for s in problem.initial_state),
        dropout={},
    )
    subject = backend.build(many, "float32")
    time = problem.x.shape[1] if subject.dropout_over_time else None
    rng, cells = np.random.default_rng(0), dict(problem.cells())
    masks = {path: _masks(rng, cells[path], like, time) for path, like in problem.dropout.items()}
    reference = OracleSubject(replace(many, dropout=masks)).sample()
    found = subject.sample().astype(np.float64)
    apart = max(_distance(found, reference), _distance(found**2, reference**2))
    quiet = OracleSubject(many).sample()
    return Agreement(
        check="dropout statistics float32",
        backend=backend.name,
        reference="oracle",
        error=apart,
        bound=STANDARD_ERRORS,
        unit="standard errors",
        reason=("masks that change over time; " if subject.dropout_over_time else "")
        + f"two samples of {ROWS} draws: means and mean squares of the same law differ by more than "
        f"{STANDARD_ERRORS:.0f} standard errors once in 5e8; without dropout {_distance(quiet, reference):.0f}",
        verdict=HOLDS if apart <= STANDARD_ERRORS else FAILS,
        where="mean and mean square of y over the batch, at any step and unit",
    )


def _masks(rng: np.random.Generator, cell: Any, like: Dropout, time: int | None) -> Dropout:
    def drawn(mask: Float | None, rate: float, time: int | None = None) -> Float | None:
        if mask is None:
            return None
        shape = (*mask.shape[:-2], ROWS, mask.shape[-1])
        if time is not None:
            shape = (*(mask.shape[:-2] or (1,)), ROWS, time, mask.shape[-1])
        return (rng.random(shape) >= rate) / (1 - rate)

    return Dropout(input=drawn(like.input, cell.dropout, time), recurrent=drawn(like.recurrent, cell.recurrent_dropout))


def _distance(found: Float, reference: Float) -> float:
    """The greatest difference of the means over the batch, in standard errors."""
    errors = np.sqrt((found.var(0) + reference.var(0)) / ROWS) + 1e-12
    return float(np.max(np.abs(found.mean(0) - reference.mean(0)) / errors))
