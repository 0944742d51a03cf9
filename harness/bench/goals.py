"""What is asked of the program's speed, a row each, and how the figures stand to it.

A goal is met where the median is; the interval beside it says how sure that is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.bench.growth import lines
from harness.bench.implementations import MEASURE, PORT, PORTED_KERAS2, PORTED_KERAS3
from harness.bench.intervals import Interval
from harness.bench.jobs import FORWARD, TRAINING
from harness.bench.speed import Figure, Shape, Timing, between

OURS = (PORTED_KERAS2, PORTED_KERAS3)
_MOST_EXPONENT = 1.1
"""Linear, with room for the caches: a size that outgrows one reads its weights more slowly from then on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """`most`: the figure may be at most that; `least`: it must be at least that; neither: it is only told."""

    name: str
    unit: str
    most: float | None = None
    least: float | None = None

    @property
    def words(self) -> str:
        if self.most is None and self.least is None:
            return "–"
        return f"at most {self.most:g} {self.unit}" if self.most is not None else f"at least {self.least:g} {self.unit}"

    def met(self, value: float) -> bool | None:
        if self.most is None and self.least is None:
            return None
        return (self.most is None or value <= self.most) and (self.least is None or value >= self.least)


GOALS: Mapping[str, Goal] = {
    "help": Goal(name="lstm-parity --help", unit="s", most=0.15),
    "inspect": Goal(name="lstm-parity inspect, 1 MB", unit="s", most=0.5),
    "import": Goal(name="import weight_mapping", unit="s"),
    "port": Goal(name="port of 1 MB with its proof, beside importing torch", unit="s", most=0.5),
    "port --no-proof": Goal(
        name="port --no-proof of 1 MB, against Python and load_model", unit="times as fast", least=5
    ),
    "unpack": Goal(name="unpack of 100 MB out of Keras' form, against a plain copy", unit="copies", most=2),
    "pack": Goal(name="pack of 100 MB into PyTorch's form, against a plain copy", unit="copies", most=2),
    "back": Goal(name="pack of 100 MB into Keras' form, against a plain copy", unit="copies", most=2),
    "folder, 1 at a time": Goal(name="ports by the folder, 1 MB each, --jobs 1", unit="files/s and core", least=5),
    "folder, 2 at a time": Goal(name="ports by the folder, 1 MB each, --jobs 2", unit="files/s and core", least=5),
    "folder's memory": Goal(name="their memory, last third of the files against the second", unit="times", most=1.1),
    "sweep": Goal(name="random cases of the sweep", unit="cases/s and core"),
}
"""Of the commands, by the key under which `harness.bench.tools` measures them."""


def figure(key: str, interval: Interval | None, note: str = "") -> Figure:
    """What was measured beside the goal of this key."""
    return _figure(GOALS[key], interval, note)


def _figure(goal: Goal, interval: Interval | None, note: str) -> Figure:
    if interval is None:
        return Figure(name=goal.name, goal=goal.words, unit=goal.unit, value=None, note=note)
    low, high = (interval.low, interval.high) if interval.coverage else (None, None)
    sure = None if low is None or high is None else goal.met(low) == goal.met(high)
    return Figure(
        name=goal.name, goal=goal.words, unit=goal.unit, value=interval.median, low=low, high=high,
        met=goal.met(interval.median), sure=sure, note=note,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """Some of our implementations against another, at the shapes that `at` takes: the worst ratio counts."""

    goal: Goal
    task: str
    ours: Sequence[str]
    other: str
    at: Callable[[Shape], bool] = lambda shape: True


def _contests() -> Iterator[Contest]:
    small: dict[str, tuple[float, Callable[[Shape], bool]]] = {
        "one sample, units <= 128": (2.0, lambda s: s[0] == 1 and s[3] <= 128),
        "batch <= 8": (1.2, lambda s: s[0] <= 8 and not (s[0] == 1 and s[3] <= 128)),
        "batch > 8": (1.0, lambda s: s[0] > 8),
    }
    for words, (least, at) in small.items():
        goal = Goal(name=f"hard_sigmoid against torch.nn, forward, {words}", unit="times as fast", least=least)
        yield Contest(goal=goal, task=FORWARD, ours=OURS, other=MEASURE, at=at)
    goal = Goal(name="hard_sigmoid against torch.nn, training step", unit="times as fast", least=1.0)
    yield Contest(goal=goal, task=TRAINING, ours=OURS, other=MEASURE)
    for other in ("Keras 3 tf.function", "Keras 3 XLA", "ONNX Runtime, hard_sigmoid 1/5"):
        goal = Goal(name=f"hard_sigmoid against {other}, forward", unit="times as fast", least=1.0)
        yield Contest(goal=goal, task=FORWARD, ours=OURS, other=other)
    goal = Goal(name="what torch.nn can express, against torch.nn itself", unit="times as fast", least=0.95)
    yield Contest(goal=goal, task=FORWARD, ours=(PORT,), other=MEASURE)


def figures(timings: Sequence[Timing], scaling: Sequence[Timing]) -> list[Figure]:
    """Of the cells: each contest that was held, and how the cost grows."""
    found = [one for contest in _contests() for one in _held(contest, timings)]
    for line in lines(scaling):
        if line.implementation in OURS and (p := line.exponent) is not None:
            goal = Goal(name=f"cost by {line.axis}: exponent of the work", unit="", most=_MOST_EXPONENT)
            spans = f"{line.points[0][0]} to {line.points[-1][0]}"
            found.append(_figure(goal, p, f"{line.axis} {spans}"))
    return found


def _held(contest: Contest, timings: Sequence[Timing]) -> Iterator[Figure]:
    other = {t.group: t for t in timings if t.implementation == contest.other}
    ratios = [
        (ratio, t)
        for t in timings
        if t.implementation in contest.ours and t.task == contest.task and t.device == "cpu" and contest.at(t.shape)
        and t.group in other and (ratio := between(t, other[t.group]))
    ]  # fmt: skip
    if not ratios:
        return
    worst, where = min(ratios, key=lambda pair: pair[0].median)
    short = sum(not contest.goal.met(ratio.median) for ratio, _ in ratios)
    best = max(ratio.median for ratio, _ in ratios)
    told = f"worst of {len(ratios)}: {where.cell} {' x '.join(map(str, where.shape))}, {where.implementation}"
    yield _figure(contest.goal, worst, f"{told}; best {best:.2f}" + (f"; {short} short" if short else ""))
