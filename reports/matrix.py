"""The matrix of cases by checks: which comparison stands for a cell, and in what order a reader needs the cases."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.results import CHAOTIC, FAILS, HOLDS, NOT_MEASURED, Agreement, Case, Results

_RANK = {FAILS: 0, CHAOTIC: 1, HOLDS: 2, NOT_MEASURED: 3}
_PRECISION = re.compile(r"^(.*?)[\s,(]*\b(float64|float32|float16|bfloat16)\b\)?$")
Column = tuple[str, str]
"""What is compared (outputs, one step, gradients …) and the precision, '' where the check names none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worst:
    """One of the comparisons that come nearest to their bounds, and the case it belongs to."""

    case: Case
    anchor: str
    agreement: Agreement


def anchors(cases: Sequence[Case]) -> dict[int, str]:
    """A name for each case's place on the page, by its number: names of the data never become addresses."""
    return {id(case): f"case-{n}" for n, case in enumerate(cases, 1)}


def column(check: str) -> Column:
    """The column of a check: every gradient shares one, and so does every check that differs by the weight's name only.

    >>> column("gradient kernel float64")
    ('gradients', 'float64')
    """
    match = _PRECISION.match(check)
    subject, precision = match.groups() if match else (check, "")
    return ("gradients" if subject.startswith("gradient") else subject.strip() or check), precision


def columns(cases: Iterable[Case]) -> list[Column]:
    """Every column, float64 first, in the order in which the checks first come."""
    found = dict.fromkeys(column(a.check) for case in cases for a in case.agreements)
    rank = {"float64": 0, "float32": 1}
    return sorted(found, key=lambda c: rank.get(c[1], 2))


def need(agreement: Agreement) -> tuple[int, float]:
    """Sorts agreements by how much they deserve a look: failures, chaos, then the least margin."""
    margin = agreement.margin
    if margin is None:
        return _RANK.get(agreement.verdict, 0), math.inf
    return _RANK.get(agreement.verdict, 0), -1.0 if math.isnan(margin) else margin


def cells(case: Case, layout: Sequence[Column]) -> list[Agreement | None]:
    """For each column the agreement that deserves a look most; None where the case has no such check."""
    by_column: dict[Column, list[Agreement]] = {}
    for agreement in case.agreements:
        by_column.setdefault(column(agreement.check), []).append(agreement)
    return [min(by_column[c], key=need) if c in by_column else None for c in layout]


def worst(results: Results, number: int = 3) -> list[Worst]:
    """The comparisons nearest to their bounds: the `number` cases that deserve a look most, each by its nearest."""
    names = anchors(results.cases)
    measured = [
        Worst(case=case, anchor=names[id(case)], agreement=min(agreements, key=need))
        for case in results.cases
        if (agreements := [a for a in case.agreements if a.margin is not None or a.verdict == FAILS])
    ]
    return sorted(measured, key=lambda w: need(w.agreement))[:number]


def by_need(cases: Sequence[Case]) -> list[Case]:
    """The cases, those that deserve a look most first."""
    first = {id(case): min(map(need, case.agreements), default=(0, 0.0)) for case in cases}
    return sorted(cases, key=lambda case: (_RANK.get(case.verdict, 0), first[id(case)]))


def groups(cases: Sequence[Case]) -> dict[str, list[Case]]:
    """The cases by their group, in the order in which the groups first come."""
    found: dict[str, list[Case]] = {}
    for case in cases:
        found.setdefault(case.group, []).append(case)
    return found


def backends(results: Results) -> list[str]:
    """Every backend that was compared, in the order in which they first come: their colours on the page."""
    compared = [a.backend for case in results.cases for a in case.agreements]
    drawn = [b for case in results.cases for b in (*case.error_over_time, *case.error_by_gate, *case.training)]
    return list(dict.fromkeys([*compared, *drawn]))


def nearness(margin: float | None) -> str:
    """How near to its bound an error is, as a class of the page: over, near (within 2), fair (within 10), far."""
    if margin is None:
        return "none"
    if not margin >= 1:
        return "over"
    return "near" if margin < 2 else "fair" if margin < 10 else "far"


def reasons(case: Case) -> dict[str, str]:
    """A letter for each reason that the case's bounds have: a table's cell shows the letter, a line below the reason."""
    distinct = dict.fromkeys(a.reason for a in case.agreements if a.reason)
    return {reason: _letter(n) for n, reason in enumerate(distinct)}


def _letter(n: int) -> str:
    return chr(ord("a") + n) if n < 26 else _letter(n // 26 - 1) + _letter(n % 26)


def gates(case: Case) -> dict[str, dict[str, Sequence[float]]]:
    """The errors by gate the other way round: for each gate letter the curve of each backend."""
    found: dict[str, dict[str, Sequence[float]]] = {}
    for backend, by_gate in case.error_by_gate.items():
        for letter, values in by_gate.items():
            found.setdefault(letter, {})[backend] = values
    return found
