"""The sweep's work: samples of one layer, each in every backend and held to its bound.

A layer is built once in every backend and takes one sample's numbers after the other.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import numpy as np

from harness.backends import Arrays, Backend, Subject
from harness.backends.oracle import OracleSubject
from harness.bounds import greatest, judged, own_errors
from harness.compare import agreement
from harness.expected import expect_outputs, granted
from harness.problems import Problem
from harness.results import CHAOTIC, FAILS, HOLDS, NOT_MEASURED, Agreement
from harness.sweep.samples import Sample, problem
from weight_mapping.errors import Unrepresentable

CRASHED = "crashed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one sample. By backend: `shares` (the error over its bound), `errors` (in u of the dtype), or why
    it was not measured (`refusals`). `failures`: a sentence each."""

    case: str
    title: str
    verdict: str
    """holds | fails | chaotic | not measured | crashed."""
    seconds: float
    shares: Mapping[str, float] = field(default_factory=dict)
    errors: Mapping[str, float] = field(default_factory=dict)
    refusals: Mapping[str, str] = field(default_factory=dict)
    failures: tuple[str, ...] = ()


def measure(samples: Sequence[Sample], backends: Sequence[Backend]) -> Iterator[Outcome]:
    """The outcomes of samples of one layer, one by one."""
    subjects: dict[str, Subject | str] = {}
    for sample in samples:
        started = time.perf_counter()
        given = problem(sample)
        with np.errstate(all="ignore"):
            found = _measured(sample, given, backends, subjects)
        yield Outcome(case=sample.id, title=sample.title, seconds=time.perf_counter() - started, **found)


def _measured(
    sample: Sample, given: Problem, backends: Sequence[Backend], subjects: dict[str, Subject | str]
) -> dict[str, object]:
    if not max(map(greatest, OracleSubject(given).traces())) <= float(np.finfo(sample.dtype).max) ** (1 / 3):
        why = f"the oracle's sums or states leave the range within which {sample.dtype} holds a third power"
        return {"verdict": NOT_MEASURED, "refusals": {backend.name: why for backend in backends}}
    expected = cache(partial(expect_outputs, given, sample.dtype))

    def held(backend: Backend, outputs: Arrays, times: int) -> list[Agreement]:
        reference, limits = expected(of_argument=own_errors(given, backend), times=times)
        bounds = granted(limits, sample.dtype, given, backend)
        return [agreement("outputs", backend.name, reference, outputs, bounds, dtype=sample.dtype)]

    shares: dict[str, float] = {}
    errors: dict[str, float] = {}
    refusals: dict[str, str] = {}
    failures: list[str] = []
    verdicts = set()
    for backend in backends:
        try:
            subject = _subject(backend, given, sample.dtype, subjects)
            if isinstance(subject, str):
                refusals[backend.name] = subject
                continue
            outputs = subject.outputs()
        except Exception as error:  # whatever a framework raises is this backend's failure, and the run goes on
            subjects.pop(backend.name, None)
            failures.append(f"{backend.name}: {type(error).__name__}: {error}"[:1000])
            continue
        (result,) = judged(partial(held, backend, outputs))
        assert result.error is not None and result.bound is not None
        verdicts.add(result.verdict)
        shares[backend.name] = result.error / result.bound
        errors[backend.name] = result.error * (1.0 if sample.dtype == "float32" else 2.0**53)
        if result.verdict == FAILS:
            failures.append(f"{backend.name}: {result.error:.3g} of {result.bound:.3g} {result.unit}, {result.where}")
    if failures:
        verdicts.add(FAILS)
    return {
        "verdict": next((v for v in (FAILS, CHAOTIC, HOLDS) if v in verdicts), NOT_MEASURED),
        "shares": shares, "errors": errors, "refusals": refusals, "failures": tuple(failures),
    }  # fmt: skip


def _subject(backend: Backend, given: Problem, dtype: str, subjects: dict[str, Subject | str]) -> Subject | str:
    """The backend's layer with this sample's numbers, or why it has none."""
    known = subjects.get(backend.name)
    if known is None:
        try:
            known = backend.build(given, dtype)
        except Unrepresentable as refusal:
            known = str(refusal)
    elif not isinstance(known, str):
        known = known.renumbered(given)
    subjects[backend.name] = known
    return known


def repeat(case: str) -> str:
    """The command that runs this sample alone."""
    return f"lstm-parity verify --sweep-case {case}"


def summary(outcomes: Iterable[Outcome]) -> dict[str, Any]:
    """The counts by verdict; by backend how many were measured, how near the bound the nearest came, the greatest
    error, and how often it refused for which reason; and every failure with its repeat command."""
    every = list(outcomes)
    names = sorted({name for outcome in every for name in (*outcome.shares, *outcome.refusals)})
    return {
        "counts": dict(Counter(outcome.verdict for outcome in every)),
        "backends": {name: _of_backend(name, every) for name in names},
        "failures": [
            {"title": o.title, "failures": list(o.failures), "repeat": repeat(o.case)}
            for o in every
            if o.verdict in (FAILS, CRASHED)
        ],
    }


def _of_backend(name: str, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    judged = [o for o in outcomes if name in o.shares and o.verdict == HOLDS]
    return {
        "measured": sum(name in o.shares for o in outcomes),
        "nearest": max((o.shares[name] for o in judged), default=0.0),
        "error": max((o.errors[name] for o in judged), default=0.0),
        "refusals": dict(Counter(o.refusals[name] for o in outcomes if name in o.refusals).most_common(20)),
    }
