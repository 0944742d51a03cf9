"""How large an error rounding can explain: derived for each case from its sizes and its own amplification.

One step of a cell adds up n = input + units + 2 products and biases a gate. Rounding errors of n additions stay below
λ √n u with probability 1 - 2 exp(-λ²/2) each (Higham and Mary 2019, "A new approach to probabilistic rounding error
analysis"); λ = 8 makes that 1 - 3e-14. The activations add their own: TensorFlow's float32 tanh and sigmoid are off by
up to 6 ulp (measured), and a step goes through up to four of them in a chain. So a step is exact for weights and inputs
off by ε = (8 √n + 24) u, and the error of a result is at most ε times its amplification: how much the oracle's own
result moves when all weights, inputs and states move by a relative δ, over δ. A gradient goes the way twice and adds up
over batch and time: n becomes 2 n + B T.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.compare import UNIT, Limit, Named
from harness.problems import Float, Problem
from weight_mapping.weights import CellWeights

LAMBDA = 8.0
ACTIVATIONS = 24.0
DELTA = 2.0**-30
DRAWS = 3


def amplification(problem: Problem, run: Callable[[Problem], Named], reference: Named) -> dict[str, float]:
    """By name: how much the result moves, relative to its own scale, over the relative move of all that goes in; the
    greatest of some random moves, at least 1."""
    rng = np.random.default_rng(0)
    found = dict.fromkeys(reference, 1.0)
    for _ in range(DRAWS):
        moved = run(perturbed(problem, rng))
        for name, array in reference.items():
            scale = float(np.abs(array).max()) or 1.0
            with np.errstate(all="ignore"):
                distance = float(np.abs(moved[name] - array).max()) / scale / DELTA
            found[name] = max(found[name], distance) if np.isfinite(distance) else np.inf
    return found


def perturbed(problem: Problem, rng: np.random.Generator) -> Problem:
    """The problem with every weight, input and state off by a relative δ, up or down."""

    def moved(array: NDArray[Any]) -> Float:
        return array * (1 + DELTA * rng.choice([-1.0, 1.0], array.shape))

    def moved_cell(weights: CellWeights) -> CellWeights:
        arrays: dict[str, Any] = {name: moved(array) for name, array in weights.arrays()}
        return replace(weights, **arrays)

    return replace(
        problem,
        weights={path: moved_cell(weights) for path, weights in problem.weights.items()},
        xs=tuple(moved(x) for x in problem.xs),
        initial_state=tuple(moved(s) for s in problem.initial_state),
    )


def limits(problem: Problem, amplified: Mapping[str, float], dtype: str, *, backward: bool = False) -> dict[str, Limit]:
    """The bound of every array of a result."""
    terms = max(cell.units + (weights_in or 1) + 2 for cell, weights_in in _widths(problem))
    batch, time = problem.x.shape[:2]
    roundings = 2 * terms + batch * time if backward else terms
    unit = UNIT[dtype]
    local = (LAMBDA * roundings**0.5 + ACTIVATIONS) * unit
    symbol = "2^-24" if dtype == "float32" else "2^-53"
    found: dict[str, Limit] = {}
    for name, factor in amplified.items():
        chaotic = factor > unit**-0.5
        reason = (
            f"({LAMBDA:.0f} √{roundings} + {ACTIVATIONS:.0f}) {symbol}, {roundings} roundings, times {factor:.3g}, "
        )
        reason += "the amplification measured with the oracle"
        if chaotic:
            reason += ": above 1/√u, so two correct computations part ways"
        found[name] = Limit(local * factor, reason, chaotic)
    return found


def _widths(problem: Problem) -> list[tuple[Any, int | None]]:
    return [(cell, problem.weights[path].input_size) for path, cell in problem.cells()]
