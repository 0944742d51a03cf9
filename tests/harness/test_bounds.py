"""How far rounding may lead: from a few random moves, and from many before anything fails."""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest

from harness.bounds import DELTA, MORE, amplification, judged
from harness.compare import Limit, Named, agreement
from harness.problems import Problem
from harness.results import FAILS, HOLDS, Agreement
from harness.sweep.samples import problem
from harness.sweep.strategies import Sample
from weight_mapping.spec import Cell, Recurrent

GIVEN: Problem = problem(
    Sample(layer=Recurrent(cells=(Cell(kind="gru", units=5, input_size=3),)), dtype="float32", batch=7, time=11)
)
ANSWER: Named = {"y": np.ones((7, 11))}


def kinked(every: int) -> dict[int, float]:
    """The amplification by `times` of what moves a hundredfold once in so many moves."""

    def moved_by(times: int) -> float:
        moves = count(1)
        far = lambda _: {"y": ANSWER["y"] + DELTA * (200 if next(moves) % every == 0 else 2)}  # noqa: E731
        return amplification(GIVEN, far, ANSWER, times=times)["y"]

    return {times: moved_by(times) for times in (1, MORE)}


def test_many_moves_meet_a_kink_that_a_few_miss() -> None:
    assert kinked(21) == {1: pytest.approx(2), MORE: pytest.approx(200)}
    assert kinked(2) == {1: pytest.approx(200), MORE: pytest.approx(200)}


def held_to(error: float, bounds: dict[int, float]) -> tuple[str, list[int]]:
    """The verdict over an answer so far off, within bounds by how often was moved; and which were asked for."""
    asked: list[int] = []

    def held(times: int) -> list[Agreement]:
        asked.append(times)
        limits = {"y": Limit(bounds[times], "")}
        return [agreement("outputs", "b", ANSWER, {"y": ANSWER["y"] + error}, limits, dtype="float64")]

    (found,) = judged(held)
    return found.verdict, asked


@pytest.mark.parametrize(
    ("error", "verdict", "asked"),
    [(0.5, HOLDS, [1]), (2.0, HOLDS, [1, MORE]), (4.0, FAILS, [1, MORE]), (np.inf, FAILS, [1]), (np.nan, FAILS, [1])],
)
def test_only_what_exceeds_the_bound_of_few_is_held_to_that_of_many(
    error: float, verdict: str, asked: list[int]
) -> None:
    assert held_to(error, {1: 1.0, MORE: 3.0}) == (verdict, asked)
