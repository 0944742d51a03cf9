"""Two mistakes in one port: every two of the known ones, tried on the first sample of a batch, where that is enough."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from harness.backends import Arrays
from harness.mutant import Mutant
from harness.problems import Problem


def both(a: Mutant, b: Mutant) -> Mutant:
    """One mistake on top of the other."""

    def change(problem: Problem) -> Problem | None:
        changed = a.change(problem)
        return None if changed is None else b.change(changed)

    return Mutant(
        id=f"{a.id}, and {b.id}",
        description=f"{a.description}; and {b.description}",
        fix=f"{a.fix}; and {b.fix}",
        change=change,
        look=lambda outputs: b.look(a.look(outputs)),
    )


def pairs(candidates: Sequence[Mutant], problem: Problem) -> Iterator[Mutant]:
    """Every two of those that can be made in the problem, in the order of the table."""
    possible = [m for m in candidates if m.act is None and m.change(problem) is not None]
    return (both(a, b) for a, b in combinations(possible, 2))


def first_sample(problem: Problem, found: Arrays) -> tuple[Problem, Arrays]:
    """The problem with a batch of one, and what was found for it. Samples don't see each other."""
    major = problem.runner.time_major
    one = (slice(None), slice(1)) if major else (slice(1),)
    alone = replace(
        problem,
        xs=tuple(x[one] for x in problem.xs),
        mask=None if problem.mask is None else problem.mask[one],
        initial_state=tuple(s[:1] for s in problem.initial_state),
    )
    return alone, {name: np.asarray(y)[one if y.ndim == 3 else slice(1)] for name, y in found.items()}
