"""What a verification came to, in lines for the terminal: what failed, how to repeat it, and the verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from harness.results import FAILS, HOLDS, NOT_MEASURED, Results


def failures(results: Results) -> Iterator[str]:
    """One line for each thing that failed, with the command that repeats it."""
    for case in results.cases:
        if case.verdict == FAILS:
            bad = [a for a in case.agreements if a.verdict == FAILS]
            worst = (
                f"{bad[0].check}, {bad[0].backend}: {bad[0].where or bad[0].reason}" if bad else "nothing was measured"
            )
            yield f"fails: {case.id}: {worst}. Repeat: {case.repeat}"
    for mutant in results.mutants:
        if not mutant.caught:
            yield f"not caught: {mutant.name}: {mutant.description}"
        elif not mutant.named:
            yield f"caught and not named: {mutant.name}: {mutant.description}"
    for failure in results.sweep.get("failures", ()):
        yield f"fails: {failure['title']}: {'; '.join(failure['failures'])}. Repeat: {failure['repeat']}"
    yield from () if results.interrupted else (f"missing: {case}" for case in results.missing)


def verdict(results: Results) -> str:
    """The verdict in one line; a run that was ended before anything failed has none."""
    word = "unfinished" if results.interrupted and not any(failures(results)) else results.verdict
    if results.sweep:
        told = ", ".join(f"{n:,} {name}" for name, n in results.sweep["counts"].items())
        return f"{word}: {told} of {results.sweep['asked']:,} cases of the sweep"
    counts = Counter(case.verdict for case in results.cases)
    checks = [a for case in results.cases for a in case.agreements]
    measured = sum(a.verdict != NOT_MEASURED for a in checks)
    caught = sum(m.caught for m in results.mutants)
    words = f"{counts[HOLDS]} of {len(results.planned)} cases hold"
    others = {name: n for name, n in counts.items() if name != HOLDS}
    words += "".join(f", {n} {'fail' if name == FAILS else name}" for name, n in others.items())
    words += f"; {measured} comparisons"
    if results.mutants:
        words += f"; {caught} of {len(results.mutants)} wrong ports caught"
    return f"{word}: {words}"
