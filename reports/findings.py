"""Everything that a run judged, one line each, the worst first: what JUnit XML and the Markdown summary say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.results import CHAOTIC, FAILS, HOLDS, NOT_MEASURED, Agreement, Case, Results
from reports.matrix import by_need, need
from reports.text import PROSE, figure, margin, measured, shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing judged. `verdict`: holds, fails or chaotic. `check`, `error`, `bound`, `margin`: of the comparison that
    deserves a look most, as the page writes them. `why`: what a reader should know; `repeat`: the command."""

    part: str
    name: str
    verdict: str
    check: str = ""
    error: str = ""
    bound: str = ""
    margin: str = ""
    why: tuple[str, ...] = ()
    repeat: str = ""
    seconds: float = 0.0


def findings(results: Results) -> list[Finding]:
    """Failures first, then what is chaotic, then the least margin. Names are clean lines; markup is not escaped."""
    rest = [*_missing(results), *_mutants(results), *_timings(results), *_sweep(results)]
    cases = [_case(case) for case in by_need(results.cases)]
    rank = {FAILS: 0, CHAOTIC: 1}
    return sorted([*cases, *rest], key=lambda finding: rank.get(finding.verdict, 2))


def _case(case: Case) -> Finding:
    judged = [a for a in case.agreements if a.verdict != NOT_MEASURED]
    worst = min(judged, key=need, default=None)
    bad = [a for a in judged if a.verdict == FAILS or a.contradicts]
    return Finding(
        part=shown(case.group),
        name=f"{shown(case.title)} ({shown(case.id)})",
        verdict=case.verdict,
        check=f"{shown(worst.check)}, {shown(worst.backend)}" if worst else "nothing was measured",
        error=measured(worst.error, worst.unit) if worst else "",
        bound=measured(worst.bound, worst.unit) if worst else "",
        margin=margin(worst.margin) if worst else "",
        why=tuple(_words(a) for a in bad),
        repeat=shown(case.repeat, PROSE),
        seconds=case.seconds,
    )


def _words(a: Agreement) -> str:
    return (
        f"{shown(a.check)}, {shown(a.backend)}: error {measured(a.error, a.unit)}, bound {measured(a.bound, a.unit)}, "
        f"at {shown(a.where)}: {shown(a.reason, PROSE)}"
    )


def _missing(results: Results) -> Iterator[Finding]:
    for case in results.missing:
        yield Finding(part="missing", name=shown(case), verdict=FAILS, why=("planned, and not in the results",))


def _mutants(results: Results) -> Iterator[Finding]:
    for m in results.mutants:
        yield Finding(
            part="wrong ports", name=shown(m.name), verdict=HOLDS if m.caught else FAILS, check=shown(m.by),
            error=figure(m.error), why=() if m.caught else (f"went unnoticed: {shown(m.description, PROSE)}",),
        )  # fmt: skip


def _timings(results: Results) -> Iterator[Finding]:
    for t in results.timings:
        if t.agrees is False:
            name = f"{shown(t.implementation)}, {shown(t.task)} on {shown(t.device)}, {' × '.join(map(str, t.shape))}"
            yield Finding(part="speed", name=name, verdict=FAILS, why=("its answer was wrong",))


def _sweep(results: Results) -> Iterator[Finding]:
    for failure in results.sweep.get("failures", ()):
        yield Finding(
            part="random cases", name=shown(failure["title"]), verdict=FAILS,
            why=tuple(shown(why, PROSE) for why in failure["failures"]), repeat=shown(failure["repeat"], PROSE),
        )  # fmt: skip
