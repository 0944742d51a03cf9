"""How large an error rounding can explain: derived for each case from its sizes and its own amplification.

One step of a cell adds up n = input + units + 2 products and biases a gate. Rounding errors of n additions stay below
λ √n u with probability 1 - 2 exp(-λ²/2) each (Higham and Mary 2019, "A new approach to probabilistic rounding error
analysis"); λ = 8 makes that 1 - 3e-14. The activations add their own, 8 u (1 + |y|) each: `ACTIVATION` says where that
was measured. So a result is exact for weights, inputs and activations off by that much, and its error is at most
ε = (8 √n + 24) u times its amplification: how much the oracle's own result moves when all weights, inputs and states
move by a relative δ and all activations by their share of it, over δ. The 24 are for the operations around: a step has
up to four activations in a chain, each with its products and sums, three roundings or 6 ulp at most.

A gradient goes the way twice and adds up over batch and time: n becomes 2 n + B T.

What is smaller than the smallest normal number may be lost whole (TensorFlow flushes it to zero): there the same count
of errors is one of absolute size, that number in the place of u, and so is the amplification.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.backends import Backend
from harness.compare import UNIT, Limit, Named
from harness.problems import Float, Layer, Problem, cells
from harness.results import FAILS, Agreement
from weight_mapping.activations import NUMPY, Activation
from weight_mapping.oracle import Trace
from weight_mapping.packing import with_bias
from weight_mapping.spec import with_leaves
from weight_mapping.weights import CellWeights

LAMBDA = 8.0
ACTIVATIONS = 24.0
ACTIVATION = 8.0
"""The error of one activation in u of 1 + |y|. Measured over 600,000 arguments from 1e-38 to 300, float32 and float64,
every row: at most 2.4 in PyTorch and 7.4 in TensorFlow (tanh in float64); 11 of max(1, |y|) for the gelu by tanh. Near
a zero the relative error is as large as 1: TensorFlow computes elu as exp(x) - 1, tanh_shrink is a difference."""
_OF_ARGUMENT = {"squareplus"}
"""Activations with a difference of terms as large as the argument: there the error is one of the argument, too. What a
backend computes so beyond these, it says itself (`of_argument`), and its own bounds alone are wider for it."""
_LINE = 4096
_FEW = 64
"""A result of so few numbers is moved three times as often: among more, some number shows the greatest move."""
DELTA = 2.0**-30
DRAWS = 3
DELTAS = (*(DELTA,) * DRAWS, 2.0**-19)
"""The moves; the last as large as a float32 step's own error, so that a kink within its reach is seen."""
MORE = 16
"""The greatest of few moves is rather too small: where only one in twenty meets a kink, a few most often miss it. What
exceeds a bound from few is held to one from so many times as many before it fails."""
SMALLEST = {dtype: float(np.finfo(dtype).tiny) for dtype in UNIT}


def judged(held: Callable[[int], Sequence[Agreement]]) -> Sequence[Agreement]:
    """What `held(times)` finds, within the bounds from `times` as many moves as usual: from few, and from many where
    something fails by a number."""
    found = held(1)
    return held(MORE) if any(a.verdict == FAILS and np.isfinite(a.error or 0.0) for a in found) else found


def amplification(
    problem: Problem, run: Callable[[Problem], Named], reference: Named, of_argument: Collection[str] = (),
    times: int = 1,
) -> dict[str, float]:  # fmt: skip
    """By name: how much the result moves, relative to its own scale, over the relative move of all that goes in; the
    greatest of some random moves (`times`: as many as usual), at least 1. `of_argument`: the activations whose error is
    one of their argument."""
    rng = np.random.default_rng(0)
    found = dict.fromkeys(reference, 1.0)
    few = max(array.size for array in reference.values()) <= _FEW
    for delta in DELTAS * (3 if few else 1) * times:
        for name, moved in _moves(reference, run(perturbed(problem, rng, delta, of_argument))).items():
            scale = float(np.abs(reference[name]).max()) or 1.0
            found[name] = max(found[name], moved / scale / delta)
    return found


def _moves(reference: Named, moved: Named) -> dict[str, float]:
    """By name the greatest move; infinite where it is no number."""
    with np.errstate(all="ignore"):
        distances = {name: float(np.abs(moved[name] - array).max()) for name, array in reference.items()}
    return {name: distance if np.isfinite(distance) else np.inf for name, distance in distances.items()}


def perturbed(problem: Problem, rng: np.random.Generator, delta: float, of_argument: Collection[str] = ()) -> Problem:
    """The problem with every weight, input and state off by a relative δ, up or down, and every activation's result by
    its share of that."""

    def moved(array: NDArray[Any]) -> Float:
        return array * (1 + delta * rng.choice([-1.0, 1.0], array.shape))

    def moved_cell(weights: CellWeights) -> CellWeights:
        arrays: dict[str, Any] = {name: moved(array) for name, array in weights.arrays()}
        return replace(weights, **arrays)

    share = delta * ACTIVATION / _roundings(problem)
    return replace(
        problem,
        layer=_inexact(problem.layer, share, rng, {*_OF_ARGUMENT, *of_argument}),
        weights={path: moved_cell(weights) for path, weights in problem.weights.items()},
        xs=tuple(moved(x) for x in problem.xs),
        initial_state=tuple(moved(s) for s in problem.initial_state),
    )


def _inexact(layer: Layer, share: float, rng: np.random.Generator, of_argument: Collection[str]) -> Layer:
    """The layer with activations whose results are off by `share` of 1 + |y|, or of 1 + |y| + |x|."""

    def inexact(exact: Activation) -> Any:
        return Inexact(exact, share, rng, exact.name in of_argument)

    new = {
        path: replace(
            cell,
            activation=inexact(cell.activation),
            recurrent_activation=inexact(cell.recurrent_activation),
        )
        for path, cell in cells(layer)
    }
    result: Layer = with_leaves(layer, new)
    return result


@dataclass(slots=True)
class Inexact:
    """An activation as floating point computes it: off by a share of 1 + |y|, with `of_argument` of 1 + |y| + |x|, up
    or down anew at each call (an error that is the same in every step is one that some cells never amplify). Stands in
    for `Activation`."""

    exact: Activation
    share: float
    rng: np.random.Generator
    of_argument: bool
    _signs: Float | None = None

    @property
    def name(self) -> str:
        return self.exact.name

    def function(self, x: Any, xp: Any = NUMPY) -> Any:
        y = self.exact.function(x, xp)
        size = 1 + np.abs(y)
        return y + self._errors(x.shape) * (size + np.abs(x) if self.of_argument else size)

    def _errors(self, shape: tuple[int, ...]) -> Float:
        """A stretch, from anywhere, of one long line of signs: drawing each anew would cost more than the cell."""
        size = math.prod(shape)
        if self._signs is None or len(self._signs) < _LINE + size:
            sizes = self.rng.uniform(0.5, 1.0, _LINE + size)  # two errors of one size would cancel half of the time
            self._signs = self.share * sizes * self.rng.choice([-1.0, 1.0], _LINE + size)
        start = self.rng.integers(_LINE)
        return self._signs[start : start + size].reshape(shape)

    def derivative(self, x: Any, xp: Any = NUMPY) -> Any:
        return self.exact.derivative(x, xp)


def _roundings(problem: Problem, *, backward: bool = False) -> float:
    """The errors of one step, in u: 8 √n + 24."""
    return LAMBDA * terms(problem, backward=backward) ** 0.5 + ACTIVATIONS


def own_errors(problem: Problem, backend: Backend) -> frozenset[str]:
    """The activations of this problem with an error of their argument in this backend alone."""
    names = {a.name for _, cell in problem.cells() for a in (cell.activation, cell.recurrent_activation)}
    return frozenset(names & backend.of_argument)


def terms(problem: Problem, *, backward: bool = False) -> int:
    """So many products and biases one sum adds up; with `backward` those of a gradient."""
    largest = max(cell.units + problem.weights[path].input_size + 2 for path, cell in problem.cells())
    batch, time = problem.x.shape[:2]
    return 2 * largest + batch * time if backward else largest


def underflow(problem: Problem, run: Callable[[Problem], Named], reference: Named, dtype: str) -> dict[str, float]:
    """By name, the error that lost small numbers explain, relative to the result's scale; 0 where it can't be seen. How
    far the result moves when all biases and states move by the smallest normal number times the roundings of a step; at
    least by that in every step, since states add up."""
    scales = {name: float(np.abs(array).max()) for name, array in reference.items()}
    small = {name for name, scale in scales.items() if scale < SMALLEST[dtype] / UNIT[dtype] ** 2}
    if not small:
        return dict.fromkeys(reference, 0.0)
    size = _roundings(problem) * SMALLEST[dtype]
    least = size * max(problem.x.shape[:2])
    found = dict.fromkeys(reference, least)
    rng = np.random.default_rng(0)
    for _ in range(DRAWS):
        for name, moved in _moves(reference, run(_shifted(problem, rng, size))).items():
            found[name] = max(found[name], moved)
    return {name: found[name] / (scales[name] or 1.0) if name in small else 0.0 for name in reference}


def _shifted(problem: Problem, rng: np.random.Generator, size: float) -> Problem:
    """The problem with every bias and state off by an absolute amount. A cell without bias gets one."""

    def shifted(array: NDArray[Any]) -> Float:
        return array + size * rng.choice([-1.0, 1.0], array.shape)

    weights = {path: _biased(cell) for path, cell in problem.weights.items()}
    new = {path: replace(cell, bias=weights[path].bias_form) for path, cell in problem.cells()}
    return replace(
        problem,
        layer=with_leaves(problem.layer, new),
        weights={path: replace(cell, bias=shifted(cell.bias)) for path, cell in weights.items()},
        initial_state=tuple(shifted(s) for s in problem.initial_state),
    )


def _biased(weights: CellWeights) -> CellWeights:
    if weights.bias is not None:
        return weights
    return with_bias(weights, "split" if weights.reset_after else "single")


def limits(
    problem: Problem, amplified: Mapping[str, float], dtype: str, *, backward: bool = False,
    lost: Mapping[str, float] | None = None,
) -> dict[str, Limit]:  # fmt: skip
    """The bound of every array of a result. `lost`: what `underflow` says."""
    n = terms(problem, backward=backward)
    unit = UNIT[dtype]
    local = _roundings(problem, backward=backward) * unit
    symbol = "2^-24" if dtype == "float32" else "2^-53"
    found: dict[str, Limit] = {}
    for name, factor in amplified.items():
        chaotic = factor > unit**-0.5
        reason = f"({LAMBDA:.0f} √{n} + {ACTIVATIONS:.0f}) {symbol}, {n} roundings, times {factor:.3g}, "
        reason += "the amplification measured with the oracle"
        if chaotic:
            reason += ": above 1/√u, so two correct computations part ways"
        under = (lost or {}).get(name, 0.0)
        if under:
            reason += f"; {under:.3g} for numbers too small to be held"
        found[name] = Limit(local * factor + under, reason, chaotic)
    return found


def greatest(trace: Trace) -> float:
    """The greatest magnitude of any sum, gate or state of a run; infinite where one is no number."""
    arrays = [a for cell in trace.cells.values() for step in cell.steps for a in (step.sums, step.gates, *step.states)]
    largest = float(np.max([np.abs(array).max() for array in arrays]))  # Python's max would step over a later NaN
    return largest if np.isfinite(largest) else np.inf


_JUMPS = {"hard_shrink": (-1, 1), "threshold": (1,), "relu": (1,)}
"""Activations with a jump, by the sign of the place: one at ± their threshold."""


def at_a_jump(trace: Trace, reach: float) -> bool:
    """Whether some argument of an activation lies so near a jump, relative to 1 + |s|, that rounding may cross it: two
    correct computations then differ by the jump."""
    for run in trace.cells.values():
        for activation in (run.cell.activation, run.cell.recurrent_activation):
            place = dict(activation.parameters).get("threshold", 0.0)
            for sign in _JUMPS.get(activation.name, ()) if place else ():
                sums = [step.sums for step in run.steps] + list(run.states)
                if any((np.abs(s - sign * place) <= reach * (1 + np.abs(s))).any() for s in sums):
                    return True
    return False
