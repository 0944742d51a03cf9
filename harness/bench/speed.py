"""The records of what was timed, and what may be said about two of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from harness.bench.intervals import CONFIDENCE, Interval, median_interval, paired_ratio, unpaired_ratio

Shape = tuple[int, int, int, int]
"""batch, time, input, units."""
_LARGEST = 1 << 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """One implementation at one shape: rounds interleaved with the others of the same shape."""

    implementation: str
    task: str
    """'forward' or 'training step'."""
    device: str
    """'cpu' or 'cuda'."""
    shape: Shape
    """batch, time, input, units."""
    seconds: tuple[float, ...]
    """Every measured round, process after process; empty where not measured."""
    agrees: bool | None = None
    """Whether the answer agreed with the oracle's, before and after timing."""
    note: str = ""
    cell: str = "lstm"
    """'lstm', 'gru', 'gru-reset-before' or 'rnn'."""
    layers: int = 1
    """How many of them, one above the other."""
    processes: tuple[int, ...] = ()
    """How many of the rounds each fresh process measured, in turn; empty for one process."""
    measure: tuple[float, ...] = ()
    """The same rounds of the implementation that the others are compared with, side by side."""

    @property
    def group(self) -> tuple[str, str, str, Shape, int]:
        """What ran side by side has the same device, task, cell, shape and layers."""
        return self.device, self.task, self.cell, tuple(self.shape), self.layers  # type: ignore[return-value]

    @property
    def usable(self) -> bool:
        """Whether it was measured at sizes that there are, and every round took a finite time."""
        real = min(*self.shape, self.layers) > 0 and max(*self.shape, self.layers) < _LARGEST
        return real and bool(self.seconds) and all(math.isfinite(s) and s > 0 for s in self.seconds)

    @property
    def time(self) -> Interval | None:
        """Seconds a call; None where not measured."""
        return median_interval(self.seconds, self._processes) if self.usable else None

    @property
    def ratio(self) -> Interval | None:
        """How many times as fast as the measure; None for the measure itself, and where one of them is missing."""
        if not self.usable or len(self.measure) != len(self.seconds) or self.measure == self.seconds:
            return None
        if not all(math.isfinite(s) and s > 0 for s in self.measure):
            return None
        return paired_ratio(self.seconds, self.measure, self._processes)

    @property
    def _processes(self) -> tuple[int, ...]:
        """A stranger's counts that don't add up count as one process."""
        return (
            self.processes if sum(self.processes) == len(self.seconds) and min(self.processes, default=0) >= 0 else ()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What one implementation costs before its second call, in a fresh process."""

    implementation: str
    task: str
    device: str
    shape: Shape
    cell: str = "lstm"
    first: float | None = None
    """Seconds to build the layer and to call it for the first time, its framework imported: compiling is in it."""
    memory: float | None = None
    """MiB by which the greatest memory exceeds that before, over building and ten calls. CPU memory."""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Roof:
    """What this machine can do at best, measured: the roof over every timing."""

    gemm: Mapping[str, float] = field(default_factory=dict)
    """GFLOP/s of one float32 matrix product, by its sizes: 'm x k x n'."""
    bandwidth: Mapping[str, float] = field(default_factory=dict)
    """GB/s at which a float32 matrix is read over and over in products with a vector, by its bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure beside its goal."""

    name: str
    goal: str
    value: float | None
    """None where not measured."""
    unit: str
    """'times', 's', 'files/s' …"""
    low: float | None = None
    high: float | None = None
    """Of the interval that holds the true median with 95 %."""
    met: bool | None = None
    """Whether the median is on the goal's side; None where there is no goal, or no figure."""
    sure: bool | None = None
    """Whether the whole interval is on one side of the goal; None where there is no interval."""
    note: str = ""


def merged(parts: Iterable[Timing]) -> list[Timing]:
    """The timings of several processes, each implementation's at each group as one: an answer is right only if it was
    in each. What one process could not measure is left out where another could."""
    found: dict[Any, list[Timing]] = {}
    for timing in parts:
        found.setdefault((timing.group, timing.implementation), []).append(timing)
    return [_one(timings) for timings in found.values()]


def _one(timings: Sequence[Timing]) -> Timing:
    measured = [t for t in timings if t.seconds]
    if not measured:
        return timings[0]
    return replace(
        measured[0],
        seconds=tuple(s for t in measured for s in t.seconds),
        measure=tuple(s for t in measured for s in t.measure),
        processes=tuple(n for t in measured for n in t.processes or (len(t.seconds),)),
        agrees=all(t.agrees for t in measured),
    )


def groups(timings: Iterable[Timing]) -> list[list[Timing]]:
    """The timings that ran side by side, in their order."""
    found: dict[Any, list[Timing]] = {}
    for timing in timings:
        found.setdefault(timing.group, []).append(timing)
    return list(found.values())


def between(new: Timing, old: Timing, confidence: float = CONFIDENCE) -> Interval | None:
    """How many times as fast `new` is: round by round where they ran side by side; None unless both were measured."""
    if not (new.usable and old.usable):
        return None
    if new.measure and new.measure == old.measure and new.processes == old.processes:
        return paired_ratio(new.seconds, old.seconds, new.processes, confidence)
    return unpaired_ratio(new.seconds, old.seconds, new.processes, old.processes, confidence)


def differences(new: Mapping[str, Any], old: Mapping[str, Any]) -> list[str]:
    """Where two environments differ so that their times may not be compared, by dotted names. This program's own
    version may differ: that is what is compared."""
    one, two = dict(_flat(new)), dict(_flat(old))
    return sorted(name for name in one.keys() | two.keys() if one.get(name) != two.get(name) and name != _OWN)


_OWN = "versions.lstm-parity"


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, value


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One implementation against the same of an earlier run. `ratio`: how many times as fast it is now."""

    timing: Timing
    ratio: Interval
    confidence: float

    @property
    def kind(self) -> str:
        """faster, slower, or even (not significant)."""
        if not self.ratio.significant(confidence=self.confidence):
            return "even"
        return "faster" if self.ratio.median > 1 else "slower"


def moves(new: Sequence[Timing], old: Sequence[Timing]) -> list[Move]:
    """Every timing that both runs have, the slower ones first. The doubt of 5 % is shared among all of them
    (Bonferroni): among a hundred comparisons of equal things five would else be called different."""
    before = {(t.implementation, t.group): t for t in old}
    pairs = [(t, before[t.implementation, t.group]) for t in new if (t.implementation, t.group) in before]
    usable = [(t, was) for t, was in pairs if t.usable and was.usable]
    confidence = 1 - (1 - CONFIDENCE) / max(1, len(usable))
    found = [
        Move(timing=t, ratio=ratio, confidence=confidence)
        for t, was in usable
        if (ratio := unpaired_ratio(t.seconds, was.seconds, t.processes, was.processes, confidence))
    ]
    return sorted(found, key=lambda move: (move.kind != "slower", move.kind != "faster", move.ratio.median))
