"""Two answers that disagree: which mistaken convention explains it, where, and how to mend it.

Every row of `mutants` is tried on the reference, then every two; the one whose outputs (or weights) are the suspect's
is named. Where several are, it is a tie, and each names the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from types import MappingProxyType
from typing import Any

import numpy as np

from harness.backends import Arrays
from harness.backends.oracle import OracleSubject
from harness.compare import UNIT, Difference, difference
from harness.diagnosis.gates import parted_in
from harness.mutants.mutant import Run
from harness.mutants.pairs import applied, both, first_of, first_sample, fitting, near
from harness.mutants.table import MUTANTS, SEEN_IN_OUTPUTS, Mutant, orders
from harness.problems import Problem
from weight_mapping.spec import Path
from weight_mapping.weights import CellWeights

EXACT = 1e-12
"""The relative distance within which two float64 answers are the same."""
ROUNDED = 1000 * UNIT["float32"]
"""The same where one of them was computed in float32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One explanation: the mutant's name, what it says, how to mend it, and the distance that it leaves (relative to
    the answer's magnitude). `explains`: that distance is no more than rounding."""

    name: str
    explanation: str
    fix: str
    distance: float
    where: str = ""
    explains: bool = True
    ties: tuple[str, ...] = ()
    """Other mistakes that explain it as well: which of them it is can't be told from these numbers."""


CANDIDATES: tuple[Mutant, ...] = (*SEEN_IN_OUTPUTS, *orders())


def diagnose_outputs(problem: Problem, found: Arrays, *, run: Run | None = None) -> tuple[Finding, ...]:
    """What explains the outputs `found` of a port of this problem, best first; empty where they are right.

    `run` computes a problem's outputs (by default the oracle)."""
    run = run or (lambda p: OracleSubject(p).outputs())
    reference = run(problem)
    apart = distance(reference, found)
    if apart.error <= EXACT:
        return ()
    immediate = _by_sight(found, apart)
    if immediate:
        return (immediate,)
    best = _ranked(_of_singles(problem, reference, found, apart, run))
    if best and best[0].explains:
        return best
    return _ranked([*_of_pairs(problem, found, apart, run), *_parted(problem, reference, found, best)])


def _of_singles(problem: Problem, reference: Arrays, found: Arrays, apart: Difference, run: Run) -> list[Finding]:
    """Every mistake with the distance that it leaves: over the whole batch where the first sample fits, else there."""
    right, shown, findings = first_of(reference, problem), first_of(found, problem), []
    for mutant in CANDIDATES:
        wrong = mutant.outputs(problem, lambda p: run(first_sample(p))) if mutant.act is None else None
        if wrong is not None and distance(right, wrong).error > EXACT and not near(wrong, shown, ROUNDED):
            findings.append(_finding(mutant, distance(wrong, shown), apart))
            continue
        whole = mutant.outputs(problem, run)
        if whole is not None and distance(reference, whole).error > EXACT:
            findings.append(_finding(mutant, distance(whole, found), apart))
    return findings


def _of_pairs(problem: Problem, found: Arrays, apart: Difference, run: Run) -> list[Finding]:
    """The pairs of mistakes that explain it: those that do so for the first sample, held to the whole batch."""
    right, findings = run(problem), []
    for pair in fitting(SEEN_IN_OUTPUTS, problem, found, run, ROUNDED):
        whole = pair.outputs(problem, run)
        if whole is not None and distance(right, whole).error > EXACT:
            findings.append(_finding(pair, distance(whole, found), apart))
    return [finding for finding in findings if finding.explains]


def _ranked(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Best first; those that explain it know of each other."""
    best = sorted(findings, key=lambda f: f.distance)
    names = [f.name for f in best if f.explains]
    return tuple(
        replace(f, ties=tuple(name for name in names if name != f.name)) if f.explains and len(names) > 1 else f
        for f in best
    )


def diagnose_training(
    problem: Problem, right: Arrays, found: Arrays, check: str, base: str
) -> tuple[Finding, ...]:  # fmt: skip
    """What explains gradients, or a training path, of a port whose outputs are right, best first."""
    apart = distance(right, found)
    if apart.error <= EXACT:
        return ()
    rows = [m for m in MUTANTS if m.check == check and m.base == base]
    answers = [(m, m.outputs(problem, lambda p: OracleSubject(p).outputs())) for m in rows]
    return _ranked([_finding(m, distance(wrong, found), apart) for m, wrong in answers if wrong is not None])


def _parted(problem: Problem, reference: Arrays, found: Arrays, best: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings, none of which explains it, with the place where the outputs part first, and in which gate."""
    y, other = (arrays.get("y") for arrays in (reference, found))
    if y is None or other is None or y.shape != other.shape or y.ndim != 3:
        return tuple(best)
    apart = np.abs(y - other) > ROUNDED * float(np.abs(y).max())
    if not apart.any():
        return tuple(best)
    step = int(apart.any((0, 2)).argmax())
    batch, unit = (int(n) for n in np.argwhere(apart[:, step])[0])
    where = f"they part first at step {step}, batch {batch}, unit {unit}"
    gate = parted_in(problem, found, ROUNDED)
    where += f"; {gate}" if gate else ""
    return tuple(replace(finding, where=where) for finding in best)


def diagnose_weights(problem: Problem, suspect: Mapping[Path, CellWeights]) -> tuple[Finding, ...]:
    """What explains the weights of a suspect port of this problem's layer, best first; empty where they are right."""
    apart = _distance_of_weights(problem.weights, suspect)
    if apart.error == 0:
        return ()
    if apart.error <= UNIT["float32"]:
        return (_rounding(apart),)
    made = [(m, after) for m in CANDIDATES if (after := _other_weights(m, problem)) is not None]
    findings = [_finding(m, _distance_of_weights(after.weights, suspect), apart) for m, after in made]
    if not any(finding.explains for finding in findings):
        findings += [
            _finding(both(first, second), _distance_of_weights(whole.weights, suspect), apart)
            for (first, after), (second, _) in combinations(made, 2)
            if (whole := _other_weights(second, after)) is not None
        ]
    return _ranked(findings)


def _other_weights(mutant: Mutant, problem: Problem) -> Problem | None:
    """The problem with the mistake in its weights; None where it is made elsewhere, or can't be made."""
    after = applied(mutant, problem)
    return None if after is None or after.weights is problem.weights else after


def distance(reference: Arrays, found: Arrays, kinds: Mapping[str, str] = MappingProxyType({})) -> Difference:
    """The greatest relative difference of several arrays; infinite where a name is missing or a shape differs. `kinds`
    of the cells that names end with tell their gates by letter."""
    extra = sorted(found.keys() - reference.keys())
    if extra or not reference:
        return Difference(np.inf, f"unexpected {', '.join(extra)}")
    each = (difference(n, a, found.get(n), kind=kinds.get(n.split(" of ")[-1], "")) for n, a in reference.items())
    return max(each, key=lambda d: d.error)


def _distance_of_weights(a: Mapping[Path, CellWeights], b: Mapping[Path, CellWeights]) -> Difference:
    return distance(_flat(a), _flat(b), {"/".join(path): cell.kind for path, cell in a.items()})


def _flat(weights: Mapping[Path, CellWeights]) -> dict[str, Any]:
    return {f"{name} of {'/'.join(path)}": array for path, cell in weights.items() for name, array in cell.arrays()}


def _by_sight(found: Arrays, apart: Difference) -> Finding | None:
    """What needs no trial: numbers that are not finite, and float32 rounding."""
    if any(not np.isfinite(array).all() for array in found.values()):
        return _of(_named("NaN in a later output"), apart)
    return _rounding(apart) if apart.error <= 16 * UNIT["float32"] else None


def _rounding(apart: Difference) -> Finding:
    return _of(_named("float32 for float64"), apart)


def _of(mutant: Mutant, apart: Difference) -> Finding:
    return Finding(
        name=mutant.id, explanation=mutant.description, fix=mutant.fix, distance=apart.error, where=apart.where
    )


def _named(name: str) -> Mutant:
    return next(mutant for mutant in MUTANTS if mutant.id == name)


def _finding(mutant: Mutant, left: Difference, before: Difference) -> Finding:
    """It explains if what is left is rounding, and far less than what was there."""
    explains = left.error <= ROUNDED and left.error < 0.01 * before.error
    return Finding(
        name=mutant.id, explanation=mutant.description, fix=mutant.fix, distance=left.error, where=before.where,
        explains=explains,
    )  # fmt: skip


def explaining(findings: tuple[Finding, ...]) -> Iterator[Finding]:
    """Those that leave no more than rounding."""
    return (finding for finding in findings if finding.explains)
