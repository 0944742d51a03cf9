"""The answer in one sentence, and what it rests on."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, replace

from harness.results import CHAOTIC, FAILS, HOLDS, NOT_MEASURED, Agreement, Results
from reports.matrix import judged, need
from reports.text import count, shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`kind`: holds, fails, or open where nothing was judged. `question`: what the run was to find out; `sentence`: its
    answer, the headline; `because`: what that rests on."""

    kind: str
    sentence: str
    because: tuple[str, ...]
    question: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """One backend's comparisons: how many, how many failed, the least margin; and how far its outputs are from the
    oracle's, by dtype in u of it (2^-53, 2^-24): the middle of all cases, and the greatest that is not chaotic."""

    backend: str
    comparisons: int
    failed: int
    margin: float | None
    distances: Mapping[str, tuple[float | None, float | None]]

    @property
    def coarse(self) -> bool:
        """Whether it holds in float64 though it is as far off there as float32 is: a bound of float32 was granted."""
        greatest = self.distances["float64"][1]
        return not self.failed and greatest is not None and greatest > _COARSE


def verdict(results: Results) -> Verdict:
    """The headline of the page."""
    return replace(_answer(results), question=_QUESTIONS.get(results.kind, ""))


def _answer(results: Results) -> Verdict:
    wrong = _wrong(results)
    if wrong or results.verdict == FAILS:
        return Verdict(
            kind="fails",
            sentence=f"Does not hold: {wrong[0]}." if wrong else "Does not hold.",
            because=tuple(wrong[1:]),
        )
    return _SENTENCES.get(results.kind, _verify)(results)


def tallies(results: Results) -> list[Tally]:
    """The comparisons by backend, in the order in which they first come."""
    found: dict[str, list[Agreement]] = {}
    for case in results.cases:
        for agreement in case.agreements:
            if judged(agreement):
                found.setdefault(agreement.backend, []).append(agreement)
    return [
        Tally(
            backend=backend,
            comparisons=len(agreements),
            failed=sum(a.verdict == FAILS for a in agreements),
            margin=min(agreements, key=need).margin,
            distances={dtype: _distance(agreements, dtype, unit) for dtype, unit in _UNITS.items()},
        )
        for backend, agreements in found.items()
    ]


_COARSE = 2.0**24
"""u of float64: no rounding of that precision adds up to so many in a case that is not chaotic."""
_UNITS = {"float64": {"u": 1.0, "relative": 2.0**53}, "float32": {"u": 1.0, "relative": 2.0**24}}
"""By dtype, what turns an error of a comparison's unit into u."""


def _distance(agreements: list[Agreement], dtype: str, units: Mapping[str, float]) -> tuple[float | None, float | None]:
    errors = [
        a.error * units.get(a.unit, math.nan)
        for a in agreements
        if a.check == f"outputs {dtype}" and a.verdict != CHAOTIC and a.error is not None
    ]
    if not errors or any(map(math.isnan, errors)):
        return None, None
    return statistics.median(errors), max(errors)


def left_out(results: Results) -> list[tuple[str, str]]:
    """What was not measured, and why: what the run says, what single checks say, and cases that should be there."""
    untimed = {f"{t.implementation} on {t.device}": t.note for t in results.timings if not t.seconds}
    lines = list({**untimed, **results.not_measured}.items())
    reasons: dict[tuple[str, str], int] = {}
    for case in results.cases:
        for a in case.agreements:
            if a.verdict == NOT_MEASURED:
                key = (f"{a.check}, {a.backend}", a.reason)
                reasons[key] = reasons.get(key, 0) + 1
    lines += [(f"{what} ({count(n, 'case')})", why) for (what, why), n in reasons.items()]
    lines += [(case, "planned, and missing from the results") for case in results.missing]
    return lines


def _wrong(results: Results) -> list[str]:
    failing = sum(case.verdict == FAILS for case in results.cases)
    missed = sum(not m.caught for m in results.mutants)
    wrong_times = sum(t.agrees is False for t in results.timings)
    proof = results.port.get("proof")
    said = proof.get("verdict") if isinstance(proof, Mapping) else None
    against = sum(a.verdict == HOLDS and not _fits(a) for case in results.cases for a in case.agreements)
    lines = []
    if failing:
        lines.append(f"{failing:,} of {count(len(results.cases), 'case')} off by more than rounding explains")
    if against:
        lines.append(
            f"{count(against, 'comparison')} said to hold against {'its' if against == 1 else 'their'} own figures"
        )
    if results.missing:
        lines.append(
            f"{count(len(results.missing), 'planned case')} {'is' if len(results.missing) == 1 else 'are'} missing"
        )
    lines += _swept_wrong(results)
    if missed:
        lines.append(f"{count(missed, 'deliberately wrong port')} went unnoticed, so the checks prove too little")
    if wrong_times:
        lines.append(f"{count(wrong_times, 'timed implementation')} gave a wrong answer")
    if said == FAILS:
        lines.append("the ported module's outputs are not those of the file")
    return lines


def _swept_wrong(results: Results) -> list[str]:
    """What a sweep found wrong."""
    failures, counts = results.sweep.get("failures"), results.sweep.get("counts")
    lines = [f"{count(len(failures), 'random case')} failed"] if failures else []
    if results.sweep and sum(dict(counts or {}).values()) != results.sweep.get("asked"):
        lines.append("random cases are missing")
    return lines


def _fits(agreement: Agreement) -> bool:
    error, bound = agreement.error, agreement.bound
    return error is not None and bound is not None and math.isfinite(error) and error <= bound


def _verify(results: Results) -> Verdict:
    if results.sweep:
        told = ", ".join(f"{n:,} {name}" for name, n in results.sweep["counts"].items())
        return Verdict(kind="holds", sentence="It holds in every random case that can be judged.", because=(told,))
    if not results.cases:
        return Verdict(kind="open", sentence="Nothing was compared.", because=("These results hold no case.",))
    measured = sum(a.verdict != NOT_MEASURED for case in results.cases for a in case.agreements)
    chaotic = sum(case.verdict == CHAOTIC for case in results.cases)
    because = [
        f"{count(measured, 'comparison')} in {count(len(results.cases), 'case')}: "
        "each error lies within the bound that rounding explains."
    ]
    if chaotic:
        because.append(
            f"{count(chaotic, 'case')} so sensitive that two correct programs part ways: "
            "labelled chaotic, neither passed nor failed."
        )
    if results.mutants:
        because.append(
            f"All {count(len(results.mutants), 'deliberately wrong port')} were caught, so the checks can fail."
        )
    names = [t.backend for t in tallies(results)]
    who = (
        f"{', '.join(shown(n, 40) for n in names[:-1])} and {shown(names[-1], 40)} compute"
        if len(names) > 1
        else "Both sides compute"
    )
    return Verdict(kind="holds", sentence=f"It holds: {who} the same.", because=tuple(because))


def _port(results: Results) -> Verdict:
    proof = results.port.get("proof")
    proved = bool(results.cases) or (isinstance(proof, Mapping) and proof.get("verdict") == HOLDS)
    file = shown(results.port.get("file", "the file"), 120)
    if "fate" in results.port:
        told = (str(results.port[key]) for key in ("what", "way_out") if key in results.port)
        return Verdict(kind="open", sentence=f"Not ported: {shown(results.port['fate'], 40)}.", because=tuple(told))
    layers = results.port.get("layers")
    because = (
        [f"{count(len(layers), 'layer')} read from {file}."]
        if isinstance(layers, list | tuple)
        else [f"Read from {file}."]
    )
    if proved:
        return Verdict(
            kind="holds",
            sentence="It holds: the PyTorch module computes what the Keras file says.",
            because=tuple(because),
        )
    return Verdict(kind="open", sentence="The file was ported; its proof was not judged here.", because=tuple(because))


def _bench(results: Results) -> Verdict:
    timed = [t for t in results.timings if t.seconds]
    if not timed:
        return Verdict(kind="open", sentence="Nothing was timed.", because=())
    names = len({t.implementation for t in timed})
    shapes = len({tuple(t.shape) for t in timed})
    judged = all(t.agrees for t in timed)
    because = (
        ("Every answer agreed with the float64 oracle's, before and after timing.",)
        if judged
        else ("Not every answer was held against another's.",)
    )
    return Verdict(
        kind="holds" if judged else "open",
        sentence=f"{count(names, 'implementation')} timed at {count(shapes, 'shape')}.",
        because=because,
    )


def _explain(results: Results) -> Verdict:
    layers = results.explanation.get("layers")
    first = layers[0] if isinstance(layers, list | tuple) and layers and isinstance(layers[0], Mapping) else {}
    if first and len(layers or ()) == 1:
        sentence = f"What {shown(first.get('call', 'a recurrent layer'), 60)} configures"
    else:
        sentence = "What the recurrent layers of this file configure"
    return Verdict(kind="open", sentence=sentence, because=())


_SENTENCES = {"verify": _verify, "port": _port, "bench": _bench, "explain": _explain}
_QUESTIONS = {
    "verify": "The same recurrent layers in Keras and in PyTorch, weights mapped: do they compute the same?",
    "port": "A saved Keras model, ported: does the port compute what the file says?",
    "bench": "The same recurrent layers, the same weights: which implementation is how fast?",
    "explain": "What the numbers of a recurrent layer mean",
}
