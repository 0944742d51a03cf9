"""The main job: every case in every backend, then the wrong ports planted, each of which must turn red."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np

from harness import bench, conventions, environment
from harness.backends import Arrays, Backend
from harness.backends.oracle import OracleSubject
from harness.cases import Case, cases
from harness.check import check, expect_outputs, problem_of
from harness.compare import Limit, agreement
from harness.diagnose import diagnose_outputs
from harness.mutants import MUTANTS, Mutant
from harness.problems import Problem
from harness.results import FAILS, Results
from harness.results import Case as CaseResult
from harness.results import Mutant as MutantResult

Run = Callable[[Problem], Arrays]
Known = dict[str, tuple[Problem, Arrays, Mapping[str, Limit]]]


class Progress(Protocol):
    """What is told of a run while it goes on."""

    def case(self, result: CaseResult) -> None: ...

    def mutant(self, result: MutantResult) -> None: ...

    def timing(self, text: str) -> None: ...


def run(
    chosen: Sequence[Case], backends: Sequence[Backend], missing: Mapping[str, str], *, seed: int, mutants: bool,
    timings: bool, command: str, progress: Progress,
) -> Results:  # fmt: skip
    """Everything of one verification. `missing`: the backends that took no part, and why."""
    found = []
    for case in chosen:
        found.append(check(case, backends, seed=seed))
        progress.case(found[-1])
    fates = plant_all(backends, seed=seed, progress=progress) if mutants else []
    timed = bench.default(progress=progress.timing) if timings else ()
    left_out = dict(missing)
    left_out |= {f"{t.implementation}, {t.task}, {t.device}": t.note for t in timed if not t.seconds}
    left_out |= {} if mutants else {"wrong ports": "--no-mutants was given"}
    left_out |= {} if timings else {"speed": "--no-bench was given"}
    return Results(
        kind="verify",
        command=command,
        environment=environment.describe(),
        cases=tuple(found),
        planned=tuple(case.id for case in chosen),
        mutants=tuple(fates),
        timings=timed,
        not_measured=left_out,
        conventions=conventions.told(id for case in found for id in case.conventions),
    )


def plant_all(backends: Sequence[Backend], *, seed: int, progress: Progress | None = None) -> list[MutantResult]:
    """Every wrong port's fate: planted in PyTorch where that is at hand, else in the oracle."""
    ours = next((backend for backend in backends if backend.name == "torch module"), None)
    expected: Known = {}
    fates = []
    for mutant in MUTANTS:
        fates.append(plant(mutant, _runner(ours), seed=seed, expected=expected))
        if progress is not None:
            progress.mutant(fates[-1])
    return fates


def _runner(backend: Backend | None) -> Run:
    if backend is None:
        return lambda problem: OracleSubject(problem).outputs()
    return lambda problem: backend.build(problem, "float64").answer().outputs


def plant(mutant: Mutant, run: Run, *, seed: int = 0, expected: Known | None = None) -> MutantResult:
    """One wrong port in every regime it knows: caught only if each comparison fails, named only if each diagnosis puts
    it first. `expected` keeps what the oracle says of a case for the next mutant."""
    known = {} if expected is None else expected
    errors: list[float] = []
    named: list[bool] = []
    where = ""
    for regime in mutant.regimes:
        case = next(iter(cases([f"{mutant.base}@{regime}"])))
        if case.id not in known:
            problem = problem_of(case, seed)
            outputs, bounds = expect_outputs(problem)
            known[case.id] = problem, outputs, bounds["float64"]
        problem, right, limits = known[case.id]
        wrong = mutant.outputs(problem, run)
        if wrong is None:
            return _fate(mutant, [0.0], [False], f"the mistake can't be made in {case.id}")
        verdict = agreement("outputs", "mutant", right, wrong, limits, dtype="float64")
        errors.append(verdict.error if verdict.verdict == FAILS and verdict.error is not None else 0.0)
        where = where or f"{verdict.check}, {verdict.where}"
        findings = diagnose_outputs(problem, wrong)
        named.append(bool(findings) and findings[0].explains and findings[0].name == mutant.id)
    return _fate(mutant, errors, named, where)


def _fate(mutant: Mutant, errors: Sequence[float], named: Sequence[bool], where: str) -> MutantResult:
    caught = all(error > 0 for error in errors)
    return MutantResult(
        name=mutant.id,
        description=mutant.description,
        caught=caught,
        by=where if caught else "",
        error=float(np.min(errors)),
        named=all(named),
    )
