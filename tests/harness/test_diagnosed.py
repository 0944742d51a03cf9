"""The count of how often the diagnosis is right: what it plants, and that it can see a wrong certainty."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.cases import cases, problem_of
from harness.diagnosis import tally
from harness.diagnosis.answers import Finding
from harness.mutants.table import MUTANTS
from harness.problems import Sizes

BIAS = next(m for m in MUTANTS if m.id == "bias doubled")


def test_random_pairs_are_named_and_never_with_a_wrong_certainty() -> None:
    tried = list(tally.pairs(6, 0))
    assert [a.planted for a in tried] == [a.planted for a in tally.pairs(6, 0)]
    assert len(tried) == 6 and all(a.right and not a.wrong_certainty and a.seconds > 0 for a in tried)


def test_two_mistakes_that_make_one_known_mistake_are_that_one() -> None:
    """Two exchanges of gates make a third order, which is a row of its own."""
    problem = problem_of(next(iter(cases(["lstm/default@different"]))))
    one, two = "gates i and f of lstm swapped", "gates f and c of lstm swapped"
    both = tally.both(*(next(m for m in MUTANTS if m.id == name) for name in (one, two)))
    wrong = both.outputs(problem, tally.run)
    assert wrong is not None
    answer = tally.diagnosed(problem, (one, two), wrong)
    assert answer.right and answer.said.startswith("gates of lstm in the order")


def test_a_wrong_certainty_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    said = Finding(name="direction", explanation="", fix="", distance=0.0)
    monkeypatch.setattr(tally, "diagnose_outputs", lambda problem, found: (said,))
    problem = problem_of(next(iter(cases(["lstm/default@different"]))))
    wrong = BIAS.outputs(problem, tally.run)
    assert wrong is not None
    answer = tally.diagnosed(problem, (BIAS.id,), wrong)
    assert answer.wrong_certainty and not answer.right
    monkeypatch.setattr(tally, "diagnose_outputs", lambda problem, found: (replace(said, explains=False),))
    assert not tally.diagnosed(problem, (BIAS.id,), wrong).wrong_certainty
    monkeypatch.setattr(tally, "MUTANTS", (BIAS,))
    monkeypatch.setattr(tally, "pairs", lambda count, seed: iter([answer] * count))
    lines, good = tally.report(2, 0)
    assert not good and "pairs of mistakes, seed 0: 0 of 2 right, 2 wrongly certain, 0 as a tie" in lines


def test_a_wide_layer_is_diagnosed_and_noise_is_not_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "WIDE", Sizes(2, 10, 5, 4))
    answers: list[Any] = list(tally.wide())
    assert [a.right for a in answers] == [True, True, True, False] and not any(a.wrong_certainty for a in answers)
