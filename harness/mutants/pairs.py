"""Two mistakes in one port: every two of the known ones, tried on the first sample of a batch, and on its first steps
before the others, where those tell as much."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.backends import Arrays
from harness.mutants.mutant import Mutant, Run
from harness.problems import Float, Problem
from weight_mapping.errors import PortingError
from weight_mapping.oracle import Dropout
from weight_mapping.spec import Recurrent

_STEPS = 2
"""So many steps rule most pairs out."""


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
        look=lambda outputs: b.seen(a.seen(outputs)),
    )


def fitting(candidates: Sequence[Mutant], problem: Problem, found: Arrays, run: Run, reach: float) -> Iterator[Mutant]:
    """Every two of those that can be made in the problem, in the order of the table, whose outputs for the first sample
    come within `reach` of those found: an absolute distance by their greatest number."""
    shown = first_of(found, problem)
    possible = [_Tried(m, after) for m in candidates if m.act is None and (after := applied(m, problem))]
    for n, first in enumerate(possible):
        alone = _outputs(first_sample(first.changed), run)
        for second in possible[n + 1 :]:
            if second.changed is problem:  # it changes what is shown alone, and nothing is to be run again
                wrong = _looked(second.mutant, _looked(first.mutant, alone))
            else:
                wrong = _after(first, second, shown, run, reach)
            if near(wrong, shown, reach):
                yield both(first.mutant, second.mutant)


@dataclass(frozen=True, slots=True)
class _Tried:
    mutant: Mutant
    changed: Problem


def _after(first: _Tried, second: _Tried, shown: Arrays, run: Run, reach: float) -> Arrays | None:
    """The outputs of the second mistake on top of the first; None where it can't be made, or the first steps differ."""
    whole = applied(second.mutant, first.changed)
    if whole is None:
        return None
    changed = first_sample(whole)
    if first.mutant.look is None and second.mutant.look is None and (begun := _begun(changed, shown)):
        problem, steps = begun
        outputs = _outputs(problem, run)
        if outputs is None or not near({"y": outputs["y"]}, steps, reach):
            return None
    return _looked(second.mutant, _looked(first.mutant, _outputs(changed, run)))


def _begun(problem: Problem, found: Arrays) -> tuple[Problem, Arrays] | None:
    """The first steps as the layer takes them, and what was found for them; None where no output shows them alone."""
    layer = problem.layer
    if not isinstance(layer, Recurrent) or not layer.return_sequences or layer.stateful or layer.time_major:
        return None
    steps = slice(-_STEPS, None) if layer.go_backwards else slice(_STEPS)
    mask = None if problem.mask is None else problem.mask[:, steps]
    return replace(problem, xs=(problem.x[:, steps],), mask=mask), {"y": found["y"][:, :_STEPS]}


def near(wrong: Arrays | None, found: Arrays, reach: float) -> bool:
    """Whether every array comes within `reach` of the found one, by the greatest number of its own."""
    if wrong is None or wrong.keys() != found.keys():
        return False
    for name, y in found.items():
        if wrong[name].shape != y.shape:
            return False
        apart = float(np.abs(wrong[name] - y).max(initial=0.0))
        if not apart <= reach * (float(np.abs(wrong[name]).max(initial=0.0)) or 1.0):
            return False
    return True


def applied(mutant: Mutant, problem: Problem) -> Problem | None:
    """The problem with the mistake in it; None where it can't be made there."""
    try:
        return mutant.change(problem)
    except PortingError:
        return None


def _outputs(problem: Problem, run: Run) -> Arrays | None:
    try:
        return run(problem)
    except PortingError:
        return None


def _looked(mutant: Mutant, outputs: Arrays | None) -> Arrays | None:
    try:
        return None if outputs is None else mutant.seen(outputs)
    except PortingError:
        return None


def first_sample(problem: Problem) -> Problem:
    """The problem with a batch of one. Samples don't see each other."""
    one = _one(problem)
    return replace(
        problem,
        xs=tuple(x[one] for x in problem.xs),
        mask=None if problem.mask is None else problem.mask[one],
        initial_state=tuple(s[:1] for s in problem.initial_state),
        dropout={
            path: Dropout(input=_of_one(d.input), recurrent=_of_one(d.recurrent)) for path, d in problem.dropout.items()
        },
    )


def first_of(found: Arrays, problem: Problem) -> Arrays:
    """What was found for the first sample."""
    one = _one(problem)
    return {name: np.asarray(y)[one if y.ndim == 3 else slice(1)] for name, y in found.items()}


def _one(problem: Problem) -> tuple[slice, ...]:
    return (slice(None), slice(1)) if problem.runner.time_major else (slice(1),)


def _of_one(mask: Float | None) -> Float | None:
    """A dropout mask (B, i), or with the gates before them (g, B, i)."""
    return mask if mask is None else mask[..., :1, :]
