"""The matrix of cases by checks: which comparison stands for a cell, and in what order a reader needs the cases."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from harness.results import CHAOTIC, FAILS, HOLDS, NOT_MEASURED, Agreement, Case, Results

_RANK = {FAILS: 0, CHAOTIC: 1, HOLDS: 2, NOT_MEASURED: 3}
_PRECISION = re.compile(r"^(.*?)[\s,(]*\b(float64|float32|float16|bfloat16)\b\)?$")
_COMMON = 0.1
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
    """The column of a check by its name alone: gradients share one, and so do the cells of a stack.

    >>> column("gradient kernel float64"), column("one step of forward/0 float32")
    (('gradients', 'float64'), ('one step', 'float32'))
    """
    match = _PRECISION.match(check)
    subject, precision = match.groups() if match else (check, "")
    subject = subject.partition(" of ")[0].strip() or check
    return ("gradients" if subject.startswith("gradient") else subject), precision


def layout(cases: Sequence[Case]) -> dict[str, Column]:
    """The column of each check. Checks that few cases have share the column 'special' of their precision."""
    checks = [{a.check for a in case.agreements} for case in cases]
    common = Counter(c for each in checks for c in {column(check) for check in each})
    return {
        check: c if common[c] >= len(cases) * _COMMON else ("special", c[1])
        for check in dict.fromkeys(a.check for case in cases for a in case.agreements)
        for c in (column(check),)
    }


def columns(placed: Mapping[str, Column]) -> list[Column]:
    """The columns of a layout: float64 first, and in it the order in which they first come, 'special' last."""
    rank = {"float64": 0, "float32": 1}
    return sorted(dict.fromkeys(placed.values()), key=lambda c: (rank.get(c[1], 2), c[0] == "special"))


def need(agreement: Agreement) -> tuple[int, float]:
    """Sorts agreements by how much they deserve a look: failures, chaos, then the least margin."""
    margin = agreement.margin
    if margin is None:
        return _RANK.get(agreement.verdict, 0), math.inf
    return _RANK.get(agreement.verdict, 0), -1.0 if math.isnan(margin) else margin


def judged(agreement: Agreement) -> bool:
    """Whether it was held to its bound: measured, and not so chaotic that there is none."""
    return agreement.verdict == FAILS or (agreement.margin is not None and agreement.verdict != CHAOTIC)


def cells(case: Case, placed: Mapping[str, Column]) -> list[Agreement | None]:
    """For each column the agreement that deserves a look most; None where the case has no such check."""
    by_column: dict[Column, list[Agreement]] = {}
    for agreement in case.agreements:
        by_column.setdefault(placed[agreement.check], []).append(agreement)
    return [min(by_column[c], key=need) if c in by_column else None for c in columns(placed)]


def by_check(case: Case) -> list[tuple[str, dict[str, list[Agreement]], Agreement]]:
    """The case's table: for each check its agreements by backend, and the one that deserves a look most."""
    found: dict[str, list[Agreement]] = {}
    for agreement in case.agreements:
        found.setdefault(agreement.check, []).append(agreement)
    return [
        (
            check,
            {b: [a for a in members if a.backend == b] for b in {a.backend: None for a in members}},
            min(members, key=need),
        )
        for check, members in found.items()
    ]


def distinct_bounds(members: Mapping[str, list[Agreement]]) -> list[Agreement]:
    """Of all that was measured of a check one agreement for each different bound, the least first."""
    found = {(a.bound, a.reason): a for each in members.values() for a in each if a.bound is not None}
    return sorted(found.values(), key=lambda a: a.bound or 0.0)


def worst(results: Results, number: int = 3) -> list[Worst]:
    """The comparisons nearest to their bounds: the `number` cases that deserve a look most, each by its nearest."""
    names = anchors(results.cases)
    measured = [
        Worst(case=case, anchor=names[id(case)], agreement=min(agreements, key=need))
        for case in results.cases
        if (agreements := [a for a in case.agreements if judged(a)])
    ]
    return sorted(measured, key=lambda w: need(w.agreement))[:number]


def by_need(cases: Sequence[Case]) -> list[Case]:
    """The cases, those that deserve a look most first."""
    first = {id(case): min(map(need, case.agreements), default=(0, 0.0)) for case in cases}
    return sorted(cases, key=lambda case: (_RANK.get(case.verdict, 0), first[id(case)]))


def groups(cases: Sequence[Case]) -> dict[str, list[Case]]:
    """The cases by the first part of their group, in the order in which these first come."""
    found: dict[str, list[Case]] = {}
    for case in cases:
        found.setdefault(case.group.partition("/")[0], []).append(case)
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


def reasons(case: Case) -> dict[str, tuple[str, str]]:
    """For each reason that the case's bounds have a letter and the reason's own words; what all of them end with is
    left to `shared_reason`."""
    distinct = list(dict.fromkeys(a.reason for a in case.agreements if a.reason))
    cut = len(shared_reason(case))
    return {reason: (_letter(n), reason[: len(reason) - cut]) for n, reason in enumerate(distinct)}


def shared_reason(case: Case) -> str:
    """The words with which every reason of the case ends, from a comma on; '' where there are none."""
    clauses = {tuple(reversed(a.reason.split(", "))) for a in case.agreements if a.reason}
    common = list(takewhile(lambda each: len(set(each)) == 1, zip(*clauses, strict=False))) if len(clauses) > 1 else []
    return "".join(f", {each[0]}" for each in reversed(common))


def curves(case: Case) -> dict[str, dict[str, Sequence[float]]]:
    """The float32 errors over the steps, for h and for each gate letter: the curve of each backend."""
    found: dict[str, dict[str, Sequence[float]]] = {"h": dict(case.error_over_time)} if case.error_over_time else {}
    for backend, by_gate in case.error_by_gate.items():
        for letter, values in by_gate.items():
            found.setdefault(f"gate {letter}", {})[backend] = values
    return found


def _letter(n: int) -> str:
    return chr(ord("a") + n) if n < 26 else _letter(n // 26 - 1) + _letter(n % 26)


_FEW = 8
DRAWN = 40
"""More rows than these are no drawing any more; the table has them all."""


def shares(cases: Sequence[Case]) -> list[tuple[Column, list[float]]]:
    """For each check its errors over their bounds, sorted; nothing where there are too few for a drawing."""
    placed = layout(cases)
    found: dict[Column, list[float]] = {c: [] for c in columns(placed)[:DRAWN]}
    for case in cases:
        for a in case.agreements:
            if judged(a) and a.margin and (c := placed[a.check]) in found:
                found[c].append(1 / a.margin)
    finite = [(c, sorted(v for v in values if v > 0 and math.isfinite(v))) for c, values in found.items()]
    kept = [(c, values) for c, values in finite if values]
    return kept if sum(len(values) for _, values in kept) >= _FEW else []
