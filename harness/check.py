"""One case: drawn, put into every backend, and each answer held to its bound. What is expected is in `expected`."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

from harness import conventions
from harness.backends import Arrays, Backend, Subject
from harness.backends.oracle import OracleSubject
from harness.bounds import judged, limits, own_errors
from harness.cases import Case, problem_of
from harness.compare import agreement, failed, not_measured
from harness.drawn import Drawn, batch_of
from harness.expected import DTYPES, Expected, expect, granted
from harness.problems import Problem
from harness.results import FAILS, Agreement
from harness.results import Case as CaseResult
from harness.special import initial_biases, sampled, scalars
from harness.training import descent
from harness.training.optimizers import WALKS
from harness.training.walks import walked
from weight_mapping.errors import Unrepresentable
from weight_mapping.spec import Recurrent


def check(case: Case, backends: Sequence[Backend], *, seed: int = 0) -> CaseResult:
    """The case in every backend. A backend that can't state it is not measured; one that raises anything else fails."""
    started = time.perf_counter()
    problem = problem_of(case, seed)
    agreements: list[Agreement] = []
    if case.row.weights == "fresh":
        fresh, agreements = initial_biases(problem, backends)
        if fresh is None:
            return _result(case, problem, agreements, started, seed)
        problem = replace(problem, weights=fresh)
    if case.row.walk:
        drawn = Drawn()
        agreements += walked(problem, WALKS[case.row.walk], backends, drawn)
        return _result(case, problem, agreements, started, seed, drawn)
    # A training step is a gradient and a subtraction: where the gradients are compared in both regimes, one is enough.
    expected = cache(partial(expect, problem, training=case.regime != "square"))
    drawn = Drawn()

    def held(backend: Backend, times: int) -> list[Agreement]:
        bounded = expected(of_argument=own_errors(problem, backend), times=times)
        return [*_in_backend(case, problem, bounded, backend, drawn)]

    for backend in backends:
        agreements += judged(partial(held, backend))
    return _result(case, problem, agreements, started, seed, drawn)


def _in_backend(
    case: Case, problem: Problem, expected: Expected, backend: Backend, drawn: Drawn
) -> Iterator[Agreement]:
    """Every check of one backend, each dtype by itself: what can't be had in one may be had in the other."""
    for dtype in DTYPES:
        measure = partial(_measure, problem, expected, backend, dtype, drawn)
        yield from _guarded(backend, f"outputs {dtype}", measure)
    if case.row.scalar:
        bounds = granted(expected.output_limits, "float64", problem, backend)
        given = problem, expected.outputs, bounds, backend, case.row.weights
        yield from _guarded(backend, "n scalar LSTMs float64", lambda: [scalars(*given)])
    if problem.dropout and case.regime == "different":
        yield from _guarded(backend, "dropout statistics float32", lambda: [sampled(problem, backend)])


def _guarded(backend: Backend, name: str, measure: Callable[[], Iterable[Agreement]]) -> Iterator[Agreement]:
    """What is measured; where that ends early, why, under this name."""
    try:
        yield from measure()
    except Unrepresentable as refusal:
        yield not_measured(name, backend.name, str(refusal))
    except Exception as error:  # whatever a framework raises is this backend's failure, and the run goes on
        yield failed(name, backend.name, f"{type(error).__name__}: {error}")


def _measure(problem: Problem, expected: Expected, backend: Backend, dtype: str, drawn: Drawn) -> Iterator[Agreement]:
    kind = next(cell.kind for _, cell in problem.cells())
    subject = backend.build(problem, dtype)
    answer = subject.answer()
    bounds = granted(expected.output_limits, dtype, problem, backend)
    yield agreement("outputs", backend.name, expected.outputs, answer.outputs, bounds, dtype=dtype)
    yield from _gradients(problem, expected, backend, answer.gradients, dtype, kind)
    yield from _steps(problem, expected, backend, subject, dtype, drawn)
    if dtype == "float64" and expected.trained and not isinstance(answer.gradients, str):
        bounds = granted(expected.training_limits, dtype, problem, backend)
        walked = subject.train(descent.STEPS)
        drawn.training[backend.name] = tuple(float(loss) for loss in walked["losses"])
        yield agreement("training", backend.name, expected.trained, walked, bounds, dtype=dtype, kind=kind)
    if dtype == "float64":
        yield from _without_dropout(problem, backend)
    else:
        drawn.outputs(backend.name, problem, expected.outputs, answer.outputs)


def _gradients(
    problem: Problem, expected: Expected, backend: Backend, found: Arrays | str, dtype: str, kind: str
) -> Iterator[Agreement]:
    if isinstance(found, str):
        yield not_measured(f"gradients {dtype}", backend.name, found)
        return
    bounds = granted(expected.gradient_limits, dtype, problem, backend)
    for part, names in _parts(expected.gradients).items():
        reference = {n: expected.gradients[n] for n in names}
        own = {n: a for n, a in found.items() if _part(n) == part}
        yield agreement(f"gradient {part}", backend.name, reference, own, bounds, dtype=dtype, kind=kind)


def _parts(gradients: Mapping[str, Any]) -> dict[str, list[str]]:
    """The gradients' names by what they are of: x, initial state, kernel, recurrent, bias."""
    found: dict[str, list[str]] = {}
    for name in gradients:
        found.setdefault(_part(name), []).append(name)
    return found


def _part(name: str) -> str:
    word = name.removeprefix("gradient ").split(" of ")[0]
    return "initial state" if word in ("h", "c") else word


def _steps(
    problem: Problem, expected: Expected, backend: Backend, subject: Subject, dtype: str, drawn: Drawn
) -> Iterator[Agreement]:
    for path, (x, states, reference) in expected.steps.items():
        found = subject.step(path, x, states)
        cell = dict(problem.cells())[path]
        # PyTorch's own modules show no gates: there the states alone are held to the reference.
        shown = {n: a for n, a in reference.items() if n in found or n in cell.states}
        where = "" if len(expected.steps) == 1 else f" of {'/'.join(path)}"
        bounds = granted(expected.step_limits[path], dtype, problem, backend)
        yield agreement(f"one step{where}", backend.name, shown, found, bounds, dtype=dtype)
        if dtype == "float32" and not where:
            drawn.step(backend.name, reference, found, batch_of(problem))


def _without_dropout(problem: Problem, backend: Backend) -> Iterator[Agreement]:
    """A layer with dropout that is not in training is the layer without."""
    if problem.dropout:
        quiet = replace(problem, dropout={})
        reference = OracleSubject(quiet).answer().outputs
        exact = {dtype: limits(quiet, dict.fromkeys(reference, 1.0), dtype) for dtype in DTYPES}
        bounds = granted(exact, "float64", quiet, backend)
        found = backend.build(quiet, "float64").answer().outputs
        yield agreement("outputs without training", backend.name, reference, found, bounds, dtype="float64")


def lost(case: Case, seed: int, why: str) -> CaseResult:
    """The case that brought down the process in which it was measured: it fails, and says why."""
    return _result(case, problem_of(case, seed), [failed("outputs float64", "all", why)], time.perf_counter(), seed)


def _result(
    case: Case, problem: Problem, agreements: Sequence[Agreement], started: float, seed: int,
    drawn: Drawn | None = None,
) -> CaseResult:  # fmt: skip
    drawn = drawn or Drawn()
    if not agreements:
        agreements = [failed("outputs float64", "none", "no backend took part")]
    return CaseResult(
        id=case.id,
        title=case.row.title,
        group=case.group,
        spec=describe(case, problem),
        fingerprint=problem.fingerprint(),
        repeat=repeat(case.id, seed),
        agreements=tuple(agreements),
        seconds=time.perf_counter() - started,
        error_over_time=drawn.over_time,
        error_by_gate=drawn.by_gate,
        error_by_unit=drawn.by_unit,
        training=drawn.training,
        conventions=conventions.of(
            problem.layer, {*problem.arguments, *(("mask",) if case.row.mask != "none" else ())}
        ),
        notes=_notes(agreements),
    )


def repeat(case_id: str, seed: int) -> str:
    """The command that runs this case alone."""
    return f"lstm-parity verify --case {shlex.quote(case_id)} --seed {seed} --no-bench --no-mutants"


def describe(case: Case, problem: Problem) -> dict[str, Any]:
    """The configuration in words and numbers."""
    layer = problem.layer
    cells = {
        "/".join(path): f"{cell.kind} {cell.activation} {cell.recurrent_activation}" for path, cell in problem.cells()
    }
    runner = problem.runner
    flags = ("return_sequences", "return_state", "go_backwards", "stateful", "zero_output_for_mask", "time_major")
    return {
        "layer": type(layer).__name__ if not isinstance(layer, Recurrent) else "Recurrent",
        "cells": cells,
        "sizes": dict(case.sizes._asdict()),
        "mask": case.row.mask,
        "weights": case.row.weights,
        **{name: getattr(runner, name) for name in flags},
        "bias": {"/".join(path): cell.bias for path, cell in problem.cells()},
        "arguments": {name: str(value) for name, value in problem.arguments.items()},
    }


def _notes(agreements: Sequence[Agreement]) -> tuple[str, ...]:
    """Who is closer to the truth in float32."""
    errors = {a.backend: a.error for a in agreements if a.check == "outputs float32" and a.error is not None}
    notes = [f"float32 error of the outputs in {name}: {error:.2f} u" for name, error in errors.items()]
    ours = errors.get("torch module")
    for other in ("keras 3", "tf_keras"):
        if ours is not None and errors.get(other):
            notes.append(f"PyTorch's error over that of {other}: {ours / errors[other]:.2f}")
    return tuple(notes) if not any(a.verdict == FAILS for a in agreements) else ()
