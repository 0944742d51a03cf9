"""How often the diagnosis is right, and how long it takes: `python -m harness.diagnosis.tally` prints the table.

Right is an answer that has the planted mistakes among those it names (one, or those that can't be told apart), or a
single mistake with the very outputs of the planted two. Wrong certainty is any other answer that claims to explain."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from harness.backends import Arrays
from harness.backends.oracle import OracleSubject
from harness.cases import cases, problem_of
from harness.diagnosis.answers import CANDIDATES, EXACT, diagnose_outputs, distance
from harness.mutants.pairs import both
from harness.mutants.table import MUTANTS, SEEN_IN_OUTPUTS
from harness.problems import Problem, Sizes, draw
from harness.verify import Known, plant

REGIMES = ("different", "square")
WIDE = Sizes(4, 20, 128, 256)
"""The layer whose diagnosis is timed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    planted: str
    said: str
    right: bool
    certain: bool
    ties: int
    seconds: float

    @property
    def wrong_certainty(self) -> bool:
        return self.certain and not self.right


def run(problem: Problem) -> Arrays:
    return OracleSubject(problem).outputs()


def diagnosed(problem: Problem, planted: Sequence[str], wrong: Arrays) -> Answer:
    """What the diagnosis makes of these outputs of a port with the planted mistakes."""
    started = time.perf_counter()
    findings = diagnose_outputs(problem, wrong)
    seconds = time.perf_counter() - started
    best = findings[0] if findings else None
    names = (best.name, *best.ties) if best and best.explains else ()
    right = any(set(name.split(", and ")) == set(planted) for name in names)
    return Answer(
        planted=", and ".join(planted), said=names[0] if names else "", certain=bool(names), ties=len(names),
        right=right or (len(planted) > 1 and _same(problem, names, wrong)), seconds=seconds,
    )  # fmt: skip


def _same(problem: Problem, names: Sequence[str], wrong: Arrays) -> bool:
    """Whether one mistake alone that is named has these very outputs."""
    single = [m for m in CANDIDATES if m.id in names]
    return any((y := m.outputs(problem, run)) is not None and distance(y, wrong).error <= EXACT for m in single)


def pairs(count: int, seed: int) -> Iterator[Answer]:
    """So many random pairs of mistakes, each planted where both can be made and each shows beside the other."""
    rng = np.random.default_rng(seed)
    rows = sorted({m.base for m in SEEN_IN_OUTPUTS})
    known = [(a, b) for a, b in combinations(SEEN_IN_OUTPUTS, 2) if a.act is None and b.act is None]
    while count:
        regime = REGIMES[count % 2]
        (case,) = cases([f"{rows[rng.integers(len(rows))]}@{regime}"])
        problem, (a, b) = problem_of(case), known[rng.integers(len(known))]
        wrong = both(a, b).outputs(problem, run)
        alone = [m.outputs(problem, run) for m in (a, b)]
        if wrong is None or {"float32 for float64", "NaN in a later output"} & {a.id, b.id}:
            continue  # these two are told by sight, whatever else there is
        if any(y is None or distance(y, wrong).error <= EXACT for y in (run(problem), *alone)):
            continue
        count -= 1
        yield diagnosed(problem, (a.id, b.id), wrong)


def wide() -> Iterator[Answer]:
    """One mistake, two, and one that no row knows, in a layer of 256 units."""
    (case,) = cases(["lstm/default@different"])
    problem = draw(case.row.layer, WIDE, np.random.default_rng(0))
    by_name = {m.id: m for m in MUTANTS}
    for names in (("gates i and f of lstm swapped",), ("recurrent kernel transposed", "direction"),
                  ("bias misplaced", "states h and c swapped")):  # fmt: skip
        mutant = both(*map(by_name.get, names)) if len(names) > 1 else by_name[names[0]]  # type: ignore[arg-type]
        wrong = mutant.outputs(problem, run)
        assert wrong is not None
        yield diagnosed(problem, names, wrong)
    strange = {name: y + np.random.default_rng(1).normal(0, 0.1, y.shape) for name, y in run(problem).items()}
    yield diagnosed(problem, (), strange)


def report(count: int, seed: int) -> tuple[list[str], bool]:
    """The table's lines, and whether the diagnosis is as good as it must be: right on 95 %, never wrongly certain."""
    expected: Known = {}
    fates = [plant(mutant, run, expected=expected) for mutant in MUTANTS]
    named = sum(fate.named for fate in fates)
    lines = [f"single mistakes named in every regime: {named} of {len(fates)}"]
    lines += [f"  not named: {fate.name}" for fate in fates if not fate.named]
    tried = list(pairs(count, seed))
    right, wrong = sum(a.right for a in tried), sum(a.wrong_certainty for a in tried)
    ties = sum(a.ties > 1 for a in tried)
    lines += [f"pairs of mistakes, seed {seed}: {right} of {count} right, {wrong} wrongly certain, {ties} as a tie"]
    lines += [f"  {a.planted}: said {a.said or 'nothing'}" for a in tried if not a.right]
    return lines, named >= 0.95 * len(fates) and right >= 0.95 * count and not wrong


def main(count: int = 60, seed: int = 0) -> int:
    lines, good = report(count, seed)
    print(*lines, sep="\n")
    for answer in wide():
        told = answer.said or "nothing explains it"
        print(f"{WIDE.units} units, {answer.planted or 'noise'}: {told}, {answer.seconds:.1f} s")
        good &= not answer.wrong_certainty
    return int(not good)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
