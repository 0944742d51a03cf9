"""The results of one run: immutable records and the JSON that they are kept in.

Schema history
1  first: verdict, environment, cases with checks, benchmarks, explanations, not_measured. Later, and empty where it is
   absent: sweep; divergences, starts, scaling, roof, figures, and of a timing its cell, layers, processes and measure.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from harness.bench.speed import Figure, Roof, Start, Timing
from weight_mapping.declared import check
from weight_mapping.errors import DamagedFile, shown
from weight_mapping.files.guard import reading, source
from weight_mapping.files.strict_json import check_values, text_of

SCHEMA = 1
_MOST_VALUES = 1 << 23
"""In a stranger's file: a case has some hundreds."""
HOLDS, FAILS, NOT_MEASURED, CHAOTIC = "holds", "fails", "not measured", "chaotic"
INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """One comparison of one backend with the reference: the greatest error, where, and the bound it is held to."""

    check: str
    """What was compared and how: 'outputs float64', 'one step float32', 'gradient kernel float64' …"""
    backend: str
    reference: str
    error: float | None
    """Greatest absolute difference divided by the scale, in `unit`; None where not measured."""
    bound: float | None
    unit: str
    """'relative' or 'u' (2^-24 of the scale)."""
    reason: str
    """Why the bound is what it is; for a check that was not measured, why not."""
    verdict: str
    """holds | fails | not measured | chaotic."""
    where: str = ""
    """The place of the greatest difference in words: 'batch 1, step 9, unit 3'."""

    @property
    def contradicts(self) -> bool:
        """Whether it says that it holds against its own figures: an error that is no number or above its bound."""
        outside = (
            self.error is None or self.bound is None or not (math.isfinite(self.error) and self.error <= self.bound)
        )
        return self.verdict == HOLDS and outside

    @property
    def margin(self) -> float | None:
        """How many times the error fits into the bound; below 1 it fails."""
        if self.error is None or self.bound is None:
            return None
        return self.bound / self.error if self.error else float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Convention:
    """What the frameworks write otherwise for the same thing, and how it was mapped."""

    id: str
    keras: str
    torch: str
    mapped: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One configuration, every check of it, and what the page draws."""

    id: str
    title: str
    group: str
    spec: Mapping[str, Any]
    fingerprint: str
    """SHA-256 over the case's weights and inputs."""
    repeat: str
    """The command that repeats this case alone."""
    agreements: tuple[Agreement, ...]
    seconds: float
    error_over_time: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """By backend: the greatest float32 error of h at each step, in u."""
    error_by_gate: Mapping[str, Mapping[str, tuple[float, ...]]] = field(default_factory=dict)
    """By backend, by gate letter: the greatest float32 error of the gate at each step, in u."""
    error_by_unit: Mapping[str, Mapping[str, tuple[float, ...]]] = field(default_factory=dict)
    """By backend, by 'gate i' or state: the greatest float32 error of each unit after one step, in u."""
    training: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """By backend: the loss at each training step."""
    conventions: tuple[str, ...] = ()
    """The ids of the conventions that bear on this case."""
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """fails if any check fails or none was measured; chaotic if one is; else holds."""
        found = {FAILS if a.contradicts else a.verdict for a in self.agreements}
        if FAILS in found or not found - {NOT_MEASURED}:
            return FAILS
        return CHAOTIC if CHAOTIC in found else HOLDS

    @property
    def worst(self) -> Agreement | None:
        """The measured agreement with the least margin."""
        measured = [a for a in self.agreements if a.margin is not None or a.verdict == FAILS]
        return min(measured, key=lambda a: -1.0 if a.verdict == FAILS else a.margin or 0.0, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A deliberately wrong port, and whether the harness saw it."""

    name: str
    description: str
    caught: bool
    by: str
    """The check that failed first, or ''."""
    error: float
    named: bool
    """Whether diagnose named this very mistake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Divergence:
    """Training with one convention mapped and not mapped, each against Keras' path in float64."""

    convention: str
    walk: str
    """The optimizer's path, by its name in the table of cases."""
    cause: str
    fix: str
    mapped: tuple[float, ...]
    """At each step the distance of the port's loss, over the greatest loss."""
    unmapped: tuple[float, ...]
    """The same of a port that leaves the convention as it is elsewhere."""
    weights: tuple[float, float]
    """The greatest distance of the weights at the end over their size, mapped and not."""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Everything that one run found out. `kind`: verify, bench or port."""

    kind: str
    command: str
    environment: Mapping[str, Any]
    cases: tuple[Case, ...] = ()
    planned: tuple[str, ...] = ()
    """The ids of every case that should be there: one missing and the run is no pass."""
    mutants: tuple[Mutant, ...] = ()
    divergences: tuple[Divergence, ...] = ()
    timings: tuple[Timing, ...] = ()
    starts: tuple[Start, ...] = ()
    scaling: tuple[Timing, ...] = ()
    """Timings of the same layers at growing sizes."""
    roof: Roof = field(default_factory=Roof)
    figures: tuple[Figure, ...] = ()
    """What is asked of the program's speed, and what was measured of it."""
    not_measured: Mapping[str, str] = field(default_factory=dict)
    """What was not measured, and why."""
    sweep: Mapping[str, Any] = field(default_factory=dict)
    """Of a sweep: asked, seed, counts by verdict, backends, failures with their repeat commands."""
    port: Mapping[str, Any] = field(default_factory=dict)
    explanation: Mapping[str, Any] = field(default_factory=dict)
    conventions: tuple[Convention, ...] = ()
    """Those that the cases and the layers of a port name."""
    schema: int = SCHEMA

    @property
    def missing(self) -> tuple[str, ...]:
        done = {case.id for case in self.cases}
        return tuple(i for i in self.planned if i not in done)

    @property
    def interrupted(self) -> bool:
        """Whether the run was ended before its end; what it had done is here."""
        return any(reason.endswith(INTERRUPTED) for reason in self.not_measured.values())

    @property
    def verdict(self) -> str:
        """holds only if every planned case is there and holds (or is labelled chaotic), and every mutant was caught."""
        bad = any(case.verdict == FAILS for case in self.cases) or any(not m.caught for m in self.mutants)
        wrong_times = any(t.agrees is False for t in (*self.timings, *self.scaling))
        return FAILS if bad or self.missing or wrong_times or not self._swept else HOLDS

    @property
    def _swept(self) -> bool:
        """Whether a sweep, if there was one, came to its end without a failure, and measured anything at all."""
        counts = self.sweep.get("counts", {})
        done = sum(counts.values()) == self.sweep.get("asked", 0)
        return not self.sweep or (done and not self.sweep.get("failures") and bool(counts.get(HOLDS)))


def to_json(results: Results) -> str:
    return json.dumps(asdict(results), indent=1, ensure_ascii=True, allow_nan=True, default=_plain)


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else str(value)


def from_json(text: str) -> Results:
    """Results out of JSON; ValueError names what does not fit the schema."""
    data = json.loads(text)
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        found = data.get("schema") if isinstance(data, dict) else type(data).__name__
        raise ValueError(f"not results of schema {SCHEMA}: found {found!r}")
    data["cases"] = [
        _record(Case, {**c, "agreements": [_record(Agreement, a) for a in c["agreements"]]}) for c in data["cases"]
    ]
    data["conventions"] = [_record(Convention, c) for c in data.get("conventions", ())]
    data["mutants"] = [_record(Mutant, m) for m in data["mutants"]]
    for name, kind in (
        ("divergences", Divergence),
        ("timings", Timing),
        ("starts", Start),
        ("scaling", Timing),
        ("figures", Figure),
    ):
        data[name] = [_record(kind, one) for one in data.get(name, ())]
    data["roof"] = _record(Roof, data.get("roof", {}))
    return _record(Results, data)


def read(text: str) -> Results:
    """The results in a stranger's JSON. ValueError names the first field that is not of the type that it declares."""
    try:
        results = from_json(text)
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"not results: {type(error).__name__} {error}") from error
    check(results, Results, "results")
    return results


def read_file(path: Path) -> Results:
    """The results in a stranger's file, which must be a regular one; DamagedFile says what is wrong with it."""
    with reading(shown(path.name)):
        text = text_of(source(path)).decode()
        check_values(text, shown(path), _MOST_VALUES)
    try:
        return read(text)
    except ValueError as error:
        raise DamagedFile("no results of this program", where=shown(path), found=shown(error)) from error


def _record(kind: type[Any], data: Mapping[str, Any]) -> Any:
    names = {f.name for f in fields(kind)}
    unknown = data.keys() - names
    if unknown:
        raise ValueError(f"{kind.__name__} has no {', '.join(sorted(map(str, unknown)))}")
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in data.items()})
