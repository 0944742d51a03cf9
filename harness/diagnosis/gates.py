"""In which gate a recorded layer parts from its weights, where no known mistake explains it.

The recording shows h at every step, so every sum of a step is known but for what is wrong. If that is one gate, its
value at each step can be solved for from h, and its sum from the value; the sum less what it should be is then linear
in the step's inputs, by what the gate's own numbers are off. Least squares finds them, and the layer with them in it
must answer what was recorded at every step: more numbers than there are unknowns, or nothing is said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from harness.backends import Arrays
from harness.backends.oracle import OracleSubject
from harness.mutants.pairs import near
from harness.problems import Float, Problem
from weight_mapping.activations import Activation
from weight_mapping.oracle.recurrent import products
from weight_mapping.oracle.trace import Dropout
from weight_mapping.spec import GATES, Cell, Recurrent
from weight_mapping.weights import CellWeights

_PATH = ("0",)
_SPARE = 8
"""So many more steps than unknowns a gate's numbers are found from."""
_LOOSE = 10.0
"""A fit is given up where it misses by more than so many times what the answer may: where activations bend, a straight
line misses by more than the layer with its numbers."""
_SHOWN = 4
"""So many units are listed; of more, how many they are."""

_INVERSE: Mapping[str, Callable[..., Float]] = {
    "linear": lambda y: y,
    "tanh": np.arctanh,
    "sigmoid": lambda y: np.log(y / (1 - y)),
    "softsign": lambda y: y / (1 - np.abs(y)),
    "hard_sigmoid": lambda y, slope: np.where((y > 0) & (y < 1), (y - 0.5) / slope, np.nan),
}
"""The activations whose result tells the argument: no finite number where it can't."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Solved:
    """What one gate must have been: by how much its sums are off (B, T, u), how far h moves with each of them
    (B, T, u), and what its numbers multiply, by part: (B, T, 1, n), or (B, T, u, n) where each unit has its own."""

    off: Float
    weight: Float
    factors: Mapping[str, Float]


def parted_in(problem: Problem, found: Arrays, reach: float) -> str:
    """A clause on which gate's numbers alone, in a layer of one cell, account for the outputs found within `reach` of
    their greatest; '' where none do, or the outputs can't tell."""
    layer = problem.layer
    if not isinstance(layer, Recurrent) or len(layer.cells) > 1 or not layer.return_sequences:
        return ""
    cell = layer.cells[0]
    if layer.stateful or layer.time_major or problem.mask is not None or not isinstance(cell, Cell) or not _tells(cell):
        return ""
    with np.errstate(all="ignore"):
        tried = [(letter, _account(problem, cell, found, letter, reach)) for letter in GATES[cell.kind]]
    told = " or the ".join(f"{account} of gate {letter}" for letter, account in tried if account)
    return f"with others in the {told} alone all of it would agree" if told else ""


def _tells(cell: Cell) -> bool:
    used = [cell.activation, *([] if cell.kind == "rnn" else [cell.recurrent_activation])]
    return all(activation.name in _INVERSE for activation in used)


def _account(problem: Problem, cell: Cell, found: Arrays, letter: str, reach: float) -> str:
    """The fewest of the gate's numbers that account for what was found; '' where none do, or the steps are too few."""
    weights = problem.weights[_PATH]
    y = np.asarray(found["y"], np.float64)
    solved = _SOLVE[cell.kind](cell, weights, problem, y, letter)
    within = _LOOSE * reach * float(np.abs(y).max())
    every = list(solved.factors)
    for names in (*([name] for name in every), every):
        numbers = _least_squares(solved, [solved.factors[name] for name in names], within)
        if numbers is not None:
            changed = dict(zip(names, numbers, strict=True))
            other = replace(problem, weights={_PATH: _with(weights, GATES[cell.kind].index(letter), changed)})
            if near(OracleSubject(other).outputs(), found, reach):
                return ("numbers" if len(names) > 1 else names[0]) + _units(numbers)
    return ""


def _least_squares(solved: Solved, factors: list[Float], reach: float) -> list[Float] | None:
    """By part what the gate's numbers are off by, (u, n); None where the steps are too few, or where for some unit no
    numbers bring h within `reach`: mostly the first one."""
    units = solved.off.shape[-1]
    rows = np.concatenate([np.broadcast_to(f, (*f.shape[:2], units, f.shape[-1])) for f in factors], axis=-1)
    rows, off, weight = (a.reshape(-1, *a.shape[2:]) for a in (rows, solved.off, solved.weight))
    known = np.isfinite(off) & np.isfinite(weight) & (weight != 0)
    off, weight = np.where(known, off, 0.0), np.where(known, weight, 0.0)
    if known.sum(0).min() < rows.shape[-1] + _SPARE or not np.isfinite(rows).all():
        return None
    numbers = np.empty((units, rows.shape[-1]))
    for k in range(units):
        weighted, wanted = rows[:, k] * weight[:, k, None], off[:, k] * weight[:, k]
        numbers[k] = np.linalg.lstsq(weighted, wanted, rcond=None)[0]
        if not np.abs(weighted @ numbers[k] - wanted).max() <= reach:
            return None
    return np.split(numbers, np.cumsum([f.shape[-1] for f in factors])[:-1], axis=-1)


def _with(weights: CellWeights, gate: int, changed: Mapping[str, Float]) -> CellWeights:
    arrays = {name: np.array(array, np.float64) for name, array in weights.arrays()}
    for name, off in changed.items():
        if name.endswith("bias"):
            arrays["bias"][int(name != "bias"), gate] += off[:, 0]
        else:
            arrays[name.split()[0]][gate] += off
    return replace(weights, **arrays)  # type: ignore[arg-type]


def _units(numbers: list[Float]) -> str:
    """Which units' numbers are off, where not all are."""
    size = np.concatenate([np.abs(n) for n in numbers], axis=-1).max(-1)
    own = np.flatnonzero(size > 1e-3 * size.max())
    if len(own) == len(size):
        return ""
    if len(own) > _SHOWN:
        return f" of {len(own)} units"
    return f" of unit{'s' if len(own) > 1 else ''} {', '.join(map(str, own))}"


def _inverse(of: Activation, y: Float) -> Float:
    return _INVERSE[of.name](y, **dict(of.parameters))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Steps:
    """The recorded steps in the order in which the layer takes them: its inputs, the h before each (B, T, …), and the
    sums that its weights make of both (g, B, T, u)."""

    x: Float
    before: Float
    of_inputs: Float
    of_state: Float

    @property
    def sums(self) -> Float:
        return self.of_inputs + self.of_state


def _steps(cell: Cell, weights: CellWeights, problem: Problem, y: Float) -> _Steps:
    x = problem.x[:, ::-1] if problem.runner.go_backwards else problem.x
    first = problem.initial_state[0] if problem.initial_state else np.zeros_like(y[:, 0])
    before = np.concatenate([first[:, None], y[:, :-1]], axis=1)
    w, u = products(cell, weights, Dropout())
    return _Steps(x=x, before=before, of_inputs=w(x), of_state=u(before))


def _factors(weights: CellWeights, x: Float, before: Float) -> dict[str, Float]:
    ones = {} if weights.bias is None else {"bias": np.ones((*x.shape[:2], 1, 1))}
    return {**ones, "kernel": x[:, :, None], "recurrent kernel": before if before.ndim > 3 else before[:, :, None]}


def _of_rnn(cell: Cell, weights: CellWeights, problem: Problem, y: Float, _letter: str) -> Solved:
    steps = _steps(cell, weights, problem, y)
    sums = _inverse(cell.activation, y)
    return Solved(
        off=sums - steps.sums[0], weight=cell.activation.derivative(sums),
        factors=_factors(weights, steps.x, steps.before),
    )  # fmt: skip


def _of_lstm(cell: Cell, weights: CellWeights, problem: Problem, y: Float, letter: str) -> Solved:
    """From h = o φ(c): of gate o by the c that the others make, of the others by the c that o leaves."""
    steps = _steps(cell, weights, problem, y)
    φ, σ = cell.activation, cell.recurrent_activation
    i, f, g, o = (a.function(s) for a, s in zip((σ, σ, φ, σ), steps.sums, strict=True))
    c = np.zeros_like(y)
    before = np.zeros_like(y)
    before[:, 0] = problem.initial_state[1] if problem.initial_state else 0.0
    for t in range(y.shape[1]):
        made = f[:, t] * before[:, t] + i[:, t] * g[:, t]
        c[:, t] = made if letter == "o" else _inverse(φ, y[:, t] / o[:, t])
        if t + 1 < y.shape[1]:
            before[:, t + 1] = c[:, t]
    moves = o * φ.derivative(c)
    value, weight = {
        "i": lambda: ((c - f * before) / g, moves * g),
        "f": lambda: ((c - i * g) / before, moves * before),
        "c": lambda: ((c - f * before) / i, moves * i),
        "o": lambda: (y / φ.function(c), φ.function(c)),
    }[letter]()
    own = φ if letter == "c" else σ
    sums = _inverse(own, value)
    return Solved(
        off=sums - steps.sums[GATES["lstm"].index(letter)], weight=weight * own.derivative(sums),
        factors=_factors(weights, steps.x, steps.before),
    )  # fmt: skip


def _of_gru(cell: Cell, weights: CellWeights, problem: Problem, y: Float, letter: str) -> Solved:
    """From h' = z h + (1 - z) n. Before the product, r is found from all units of n at once."""
    steps = _steps(cell, weights, problem, y)
    φ, σ = cell.activation, cell.recurrent_activation
    before = steps.before
    z, r = (σ.function(s) for s in steps.sums[:2])
    inner = steps.of_state[2]
    matrix = np.asarray(weights.recurrent[2], np.float64).T
    through = r * inner if cell.reset_after else (r * before) @ matrix
    n = φ.function(steps.of_inputs[2] + through)
    s_n = _inverse(φ, (y - z * before) / (1 - z))
    moves = (1 - z) * φ.derivative(s_n)
    if letter == "z":
        sums = _inverse(σ, (y - n) / (before - n))
        off, weight = sums - steps.sums[0], (before - n) * σ.derivative(sums)
        return Solved(off=off, weight=weight, factors=_factors(weights, steps.x, before))
    if letter == "r":
        left = s_n - steps.of_inputs[2]
        reset = left / inner if cell.reset_after else left @ np.linalg.pinv(matrix) / before
        sums = _inverse(σ, reset)
        weight = moves * (inner if cell.reset_after else before) * σ.derivative(sums)
        return Solved(off=sums - steps.sums[1], weight=weight, factors=_factors(weights, steps.x, before))
    state = r[..., None] * before[:, :, None] if cell.reset_after else r * before
    factors = _factors(weights, steps.x, state)
    if weights.bias_form == "split":
        factors["recurrent bias"] = r[..., None]
    return Solved(off=s_n - (steps.of_inputs[2] + through), weight=moves, factors=factors)


_SOLVE = {"rnn": _of_rnn, "lstm": _of_lstm, "gru": _of_gru}
