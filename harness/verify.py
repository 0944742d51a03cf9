"""The main job: every case in every backend, then the wrong ports planted, each of which must turn red."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import product
from typing import Protocol

import numpy as np

from harness import conventions, environment, workers
from harness.backends import Arrays, Backend
from harness.backends.oracle import OracleSubject
from harness.bench import plan
from harness.bench.speed import Timing
from harness.cases import Case, cases, problem_of
from harness.check import check, lost
from harness.compare import Limit, agreement
from harness.diagnosis.answers import Finding, diagnose_outputs, diagnose_training
from harness.expected import expect, expect_outputs
from harness.mutants.table import MUTANTS, Mutant
from harness.problems import Problem
from harness.results import FAILS, INTERRUPTED, Divergence, Results
from harness.results import Case as CaseResult
from harness.results import Mutant as MutantResult
from harness.training import divergences
from harness.training.descent import LONG
from harness.training.optimizers import WALKS
from harness.training.walks import long_limits

Run = Callable[[Problem], Arrays]
Item = tuple[Case, int, Collection[str]]
"""A case, the seed, and the backends that take part in core cases alone."""
Known = dict[str, tuple[Problem, Arrays, Mapping[str, Limit]]]


class Progress(Protocol):
    """What is told of a run while it goes on."""

    def case(self, result: CaseResult) -> None: ...

    def mutant(self, result: MutantResult) -> None: ...

    def timing(self, text: str) -> None: ...


def run(
    chosen: Sequence[Case], backends: Sequence[Backend], missing: Mapping[str, str], *, seed: int, mutants: bool,
    timings: bool, command: str, progress: Progress, sampled: Collection[str] = (), jobs: int = 1,
) -> Results:  # fmt: skip
    """Everything of one verification. `missing`: the backends that took no part, and why; `sampled`: those that take
    part in the core cases alone; `jobs`: so many processes share the cases, one: this one.

    Ctrl-C ends it: what is done by then is in the results, which say that they are not all."""
    found: list[CaseResult] = []
    fates: list[MutantResult] = []
    parted: list[Divergence] = []
    timed: tuple[Timing, ...] = ()
    left_out, planned = dict(missing), tuple(case.id for case in chosen)
    try:
        for result in _measured(chosen, backends, seed, sampled, jobs):
            found.append(result)
            progress.case(result)
        for fate in plant_all(backends, seed=seed) if mutants else ():
            fates.append(fate)
            progress.mutant(fate)
        parted += divergences.measured(chosen, backends, seed) if mutants else ()
        timed = plan.default(progress=progress.timing) if timings else ()
    except KeyboardInterrupt:
        left_out["what was left to do"] = INTERRUPTED
    left_out |= {f"{t.implementation}, {t.task}, {t.device}": t.note for t in timed if not t.seconds}
    left_out |= {
        f"{b.name}, all but the core cases": f"it takes seconds a case: --backend '{b.name}' measures it everywhere"
        for b in backends
        if b.name in sampled
    }
    left_out |= {} if mutants else {"wrong ports": "--no-mutants was given"}
    left_out |= {} if timings else {"speed": "--no-bench was given"}
    return Results(
        kind="verify",
        command=command,
        environment=environment.describe(),
        cases=tuple(sorted(found, key=lambda result: planned.index(result.id))),
        planned=planned,
        mutants=tuple(fates),
        divergences=tuple(parted),
        timings=timed,
        not_measured=left_out,
        conventions=conventions.told(id for case in found for id in case.conventions),
    )


def _measured(
    chosen: Sequence[Case], backends: Sequence[Backend], seed: int, sampled: Collection[str], jobs: int
) -> Iterator[CaseResult]:
    if jobs == 1:
        yield from (measured((case, seed, sampled), backends) for case in chosen)
        return
    task = workers.Task(work=measured, parts=lambda item: [item], died=_died)
    items = ((case, seed, sampled) for case in chosen)
    yield from (result for _, result in workers.results(items, task, [b.name for b in backends], jobs))


def measured(item: Item, backends: Sequence[Backend]) -> CaseResult:
    case, seed, sampled = item
    return check(case, [b for b in backends if case.core or b.name not in sampled], seed=seed)


def _died(item: Item) -> CaseResult:
    return lost(item[0], item[1], "the process died")


def plant_all(backends: Sequence[Backend], *, seed: int) -> Iterator[MutantResult]:
    """Every wrong port's fate: planted in PyTorch where that is at hand, else in the oracle."""
    ours = next((backend for backend in backends if backend.name == "torch module"), None)
    expected: Known = {}
    for mutant in MUTANTS:
        yield plant(mutant, _runner(ours), seed=seed, expected=expected)


def _runner(backend: Backend | None) -> Run:
    if backend is None:
        return lambda problem: OracleSubject(problem).outputs()
    return lambda problem: backend.build(problem, "float64").outputs()


def plant(mutant: Mutant, run: Run, *, seed: int = 0, expected: Known | None = None) -> MutantResult:
    """One wrong port in every regime it knows: caught only if each comparison fails, named only if each diagnosis puts
    it first. `expected` keeps what the oracle says of a case for the next mutant."""
    known = {} if expected is None else expected
    if mutant.check != "outputs":
        return _planted_in_training(mutant, seed, known)
    errors: list[float] = []
    named: list[bool] = []
    where = ""
    for base, regime in product((mutant.base, *mutant.also), mutant.regimes):
        case = next(iter(cases([f"{base}@{regime}"])))
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
        named.append(mutant.id in _named(findings))
    return _fate(mutant, errors, named, where)


def _named(findings: Sequence[Finding]) -> tuple[str, ...]:
    """What the diagnosis says it is: one mistake, or those that can't be told apart."""
    return (findings[0].name, *findings[0].ties) if findings and findings[0].explains else ()


def _planted_in_training(mutant: Mutant, seed: int, known: Known) -> MutantResult:
    """One that outputs can't show: caught if the check of its own fails, named if no other mistake explains it."""
    errors, named, where = list[float](), list[bool](), ""
    for regime in mutant.regimes:
        case = next(iter(cases([f"{mutant.base}@{regime}"])))
        key = f"{case.id} {mutant.check}"
        if key not in known:
            known[key] = _expected_in_training(case, mutant.check, seed)
        problem, right, limits = known[key]
        wrong = mutant.outputs(problem, lambda p: OracleSubject(p).outputs())
        assert wrong is not None
        verdict = agreement(mutant.check, "mutant", right, wrong, limits, dtype="float64", kind="lstm")
        errors.append(verdict.error if verdict.verdict == FAILS and verdict.error is not None else 0.0)
        where = where or f"{verdict.check}, {verdict.where}"
        findings = diagnose_training(problem, right, wrong, mutant.check, case.row.id)
        named.append(mutant.id in _named(findings))
    return _fate(mutant, errors, named, where)


def _expected_in_training(case: Case, check: str, seed: int) -> tuple[Problem, Arrays, Mapping[str, Limit]]:
    problem = problem_of(case, seed)
    if check == "gradients":
        expected = expect(problem, training=False)
        return problem, expected.gradients, expected.gradient_limits["float64"]
    walk = WALKS[case.row.walk]
    reference = OracleSubject(problem).train(LONG, walk)
    return problem, reference, long_limits(problem, walk, reference)["float64"]


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
