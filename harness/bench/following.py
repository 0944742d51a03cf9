"""A long run step by step: what is next, how long the rest will take, and an end at any time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """`work` yields once when it is ready to begin with the first of `parts`, then after each of them. `ready` and
    `each`: seconds that it is thought to take until then, and for each part."""

    title: str
    parts: Sequence[str]
    work: Callable[[], Iterator[object]]
    ready: float = 2.0
    each: float = 1.0

    @property
    def seconds(self) -> float:
        return self.ready + self.each * len(self.parts)


def plan(steps: Sequence[Step]) -> Iterator[str]:
    """What will be done, in words."""
    yield from (f"  {step.title}: {len(step.parts)} parts, about {_words(step.seconds)}" for step in steps)
    yield f"  together about {_words(sum(step.seconds for step in steps))}; Ctrl-C keeps what is done"


def follow(steps: Sequence[Step], say: Say) -> None:
    """Do them all. The rest is thought to be as much slower than planned as what is done was."""
    start, planned, left = time.monotonic(), 0.0, sum(step.seconds for step in steps)
    for step in steps:
        before, planned_before = left, planned
        for done, _ in enumerate(step.work()):
            planned = planned_before + step.ready + step.each * done
            left = before - step.ready - step.each * done
            pace = (time.monotonic() - start) / planned if planned > 5 else 1.0
            if done < len(step.parts):
                say(f"{step.title}: {step.parts[done]}; about {_words(left * max(pace, 0.2))} left")
        planned, left = planned_before + step.seconds, before - step.seconds


def _words(seconds: float) -> str:
    return f"{max(1, round(seconds))} s" if seconds < 90 else f"{round(seconds / 60)} min"
