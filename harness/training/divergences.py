"""What becomes of training where a convention is not mapped: fifty steps along Keras' path, and beside it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np

from harness.backends import Arrays, Backend
from harness.backends.oracle import OracleSubject
from harness.cases import Case, cases, problem_of
from harness.compare import difference
from harness.mutants.of_training import ROWS, TWO_BIASES, two_biases
from harness.problems import Problem
from harness.results import Divergence
from harness.training.descent import LONG
from harness.training.optimizers import WALKS, Walk

NAME = "torch module"
"""The port that walks along."""


def measured(chosen: Collection[Case], backends: Sequence[Backend], seed: int) -> Iterator[Divergence]:
    """One for each wrong port of training whose right one is among the chosen cases."""
    ours = next((backend for backend in backends if backend.name == NAME), None)
    ids = {case.row.id for case in chosen}
    for row in ROWS if ours else ():
        if row.check == "training" and row.base in ids:
            (case,) = cases([f"{row.base}@{row.regimes[0]}"])
            problem, walk = problem_of(case, seed), WALKS[case.row.walk]
            right, mapped = OracleSubject(problem).train(LONG, walk), _walked(ours, problem, walk)
            wrong = row.outputs(problem, lambda p: OracleSubject(p).outputs())
            assert wrong is not None
            yield Divergence(
                convention=row.id,
                walk=case.row.walk,
                cause=row.description,
                fix=row.fix,
                mapped=_apart(right, mapped),
                unmapped=_apart(right, wrong),
                weights=(_of_weights(right, mapped), _of_weights(right, wrong)),
                note=_twice(problem, walk, right, wrong) if row.id == TWO_BIASES else "",
            )


def _walked(backend: Backend | None, problem: Problem, walk: Walk) -> Arrays:
    assert backend is not None
    return backend.build(problem, "float64").train(LONG, walk)


def _apart(right: Arrays, found: Arrays) -> tuple[float, ...]:
    """The loss's distance at each step, over the greatest loss."""
    scale = float(np.abs(right["losses"]).max())
    return tuple(float(d) for d in np.abs(found["losses"] - right["losses"]) / scale)


def _of_weights(right: Arrays, found: Arrays) -> float:
    return max(difference(name, array, found.get(name)).error for name, array in right.items() if name != "losses")


def _twice(problem: Problem, walk: Walk, right: Arrays, wrong: Arrays) -> str:
    """How far the two biases' sum has gone, over how far the one has."""
    start = next(iter(problem.weights.values())).bias
    begun = OracleSubject(problem).train(1, walk), two_biases(problem, walk, 1)
    first, last = (_ratio(start, one["bias"], other["bias"]) for one, other in (begun, (right, wrong)))
    return f"the bias has gone {first:.2f} times as far after one step, {last:.2f} times after {LONG}"


def _ratio(start: object, one: object, other: object) -> float:
    return float(np.linalg.norm(np.subtract(other, start)) / np.linalg.norm(np.subtract(one, start)))  # type: ignore[arg-type]
