"""What a new run says that an old one did not."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from harness.bench.intervals import in_words
from harness.bench.speed import differences, moves
from harness.results import Agreement, Results
from reports.text import duration, flat, measured, shown

_FACTOR = 4.0
"""An error is said to have moved when it is this many times greater or smaller: less is the luck of the rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference: of which kind, what it is about, before and after. `worse`: a reader should look."""

    part: str
    what: str
    before: str
    after: str
    worse: bool = False


def changes(old: Results, new: Results) -> list[Change]:
    """Every difference that matters, the worse ones first: verdicts, cases, errors, wrong ports, times, environment."""
    found = [*_verdicts(old, new), *_cases(old, new), *_mutants(old, new), *_times(old, new), *_environment(old, new)]
    return sorted(found, key=lambda change: not change.worse)


def _verdicts(old: Results, new: Results) -> Iterable[Change]:
    if old.verdict != new.verdict:
        yield Change(
            part="verdict", what="the whole run", before=old.verdict, after=new.verdict, worse=new.verdict == "fails"
        )


def _cases(old: Results, new: Results) -> Iterable[Change]:
    before, after = ({case.id: case for case in results.cases} for results in (old, new))
    for name in dict.fromkeys([*before, *after]):
        if name not in after:
            yield Change(part="cases", what=name, before=before[name].verdict, after="gone", worse=True)
        elif name not in before:
            verdict = after[name].verdict
            yield Change(part="cases", what=name, before="not there", after=verdict, worse=verdict == "fails")
        else:
            one, two = before[name], after[name]
            if one.fingerprint != two.fingerprint:
                yield Change(part="inputs", what=name, before=one.fingerprint[:12], after=two.fingerprint[:12])
            yield from _agreements(name, one.agreements, two.agreements)


def _agreements(case: str, old: Iterable[Agreement], new: Iterable[Agreement]) -> Iterable[Change]:
    before = {(a.check, a.backend): a for a in old}
    after = {(a.check, a.backend): a for a in new}
    for key, one in before.items():
        what = f"{case}: {key[0]}, {key[1]}"
        two = after.get(key)
        if two is None:
            yield Change(part="checks", what=what, before=one.verdict, after="gone", worse=True)
        elif one.verdict != two.verdict or _moved(one.error, two.error):
            texts = [f"{a.verdict}, {measured(a.error, a.unit)}" for a in (one, two)]
            worse = two.verdict != one.verdict and two.verdict != "holds"
            yield Change(part="checks", what=what, before=texts[0], after=texts[1], worse=worse)
    for key in (k for k in after if k not in before):
        verdict = after[key].verdict
        yield Change(
            part="checks",
            what=f"{case}: {key[0]}, {key[1]}",
            before="not there",
            after=verdict,
            worse=verdict == "fails",
        )


def _moved(old: float | None, new: float | None) -> bool:
    if old is None or new is None:
        return old is not new
    if not (math.isfinite(old) and math.isfinite(new)):
        return repr(old) != repr(new)
    low, high = sorted((abs(old), abs(new)))
    return high > low * _FACTOR and low > 0


def _mutants(old: Results, new: Results) -> Iterable[Change]:
    before = {m.name: m for m in old.mutants}
    for m in new.mutants:
        one = before.get(m.name)
        if one and (one.caught, one.named) != (m.caught, m.named):
            texts = [f"caught {_yes(x.caught)}, named {_yes(x.named)}" for x in (one, m)]
            worse = (one.caught and not m.caught) or (one.named and not m.named)
            yield Change(part="wrong ports", what=m.name, before=texts[0], after=texts[1], worse=worse)
    for name in sorted(before.keys() - {m.name for m in new.mutants}):
        yield Change(part="wrong ports", what=name, before="tried", after="not tried", worse=True)


def _times(old: Results, new: Results) -> Iterable[Change]:
    """None where the environments differ: that is said, and nothing about the times."""
    before = {(t.implementation, t.group): t for t in old.timings}
    for move in () if differences(new.environment, old.environment) else moves(new.timings, old.timings):
        if move.kind != "even":
            t = move.timing
            was = before[t.implementation, t.group].time
            yield Change(
                part="times",
                what=f"{t.implementation}, {t.cell} {t.task}, {t.device}, {' × '.join(map(str, t.shape))}",
                before=duration(was and was.median),
                after=f"{duration(t.time and t.time.median)}: {in_words(move.ratio, move.confidence)}",
                worse=move.kind == "slower",
            )


def _environment(old: Results, new: Results) -> Iterable[Change]:
    before, after = dict(flat(old.environment)), dict(flat(new.environment))
    for name in sorted(before.keys() | after.keys()):
        one, two = before.get(name, "–"), after.get(name, "–")
        if one != two:
            yield Change(part="environment", what=name, before=shown(one), after=shown(two))


def _yes(value: bool) -> str:
    return "yes" if value else "no"
