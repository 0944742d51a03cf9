"""The gate in which a recorded layer parts from its weights, where no known mistake explains it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.backends import Arrays
from harness.backends.oracle import OracleSubject
from harness.cases import cases, problem_of
from harness.diagnosis.answers import ROUNDED, diagnose_outputs
from harness.diagnosis.gates import parted_in
from harness.problems import Problem
from weight_mapping.spec import GATES

PATH = ("0",)
ROWS = ("lstm/default", "gru reset_after/default", "gru reset_before/default", "rnn/default", "lstm/go_backwards/True")


def problem(row: str, regime: str = "different") -> Problem:
    (case,) = cases([f"{row}@{regime}"])
    return problem_of(case)


def recorded(given: Problem, gate: int, part: str, units: slice = slice(None)) -> Arrays:
    """What a port answers in float32 whose numbers of one gate are off."""
    weights = given.weights[PATH]
    arrays = {name: np.array(array) for name, array in weights.arrays()}
    rng = np.random.default_rng(1)
    for name in arrays if part == "numbers" else [part.split()[0]]:
        own = arrays[name][0, gate] if name == "bias" else arrays[name][gate]
        own[units] += rng.normal(0, 0.5, own[units].shape)
    wrong = replace(given, weights={PATH: replace(weights, **arrays)})  # type: ignore[arg-type]
    return {name: y.astype(np.float32).astype(np.float64) for name, y in OracleSubject(wrong).outputs().items()}


@pytest.mark.parametrize("part", ["bias", "kernel", "recurrent kernel", "numbers"])
@pytest.mark.parametrize("row", ROWS)
def test_the_gate_and_the_part_of_its_numbers_are_named(row: str, part: str) -> None:
    given = problem(row)
    for n, letter in enumerate(GATES[given.runner.cells[0].kind]):
        said = parted_in(given, recorded(given, n, part), ROUNDED)
        assert said == f"with others in the {part} of gate {letter} alone all of it would agree"


def test_the_units_are_named_and_the_diagnosis_says_all_of_it() -> None:
    given = problem("lstm/default", "square")
    found = recorded(given, 1, "kernel", slice(2, 4))
    findings = diagnose_outputs(given, found)
    assert findings and not any(finding.explains for finding in findings)
    assert all("they part first at step" in f.where for f in findings)
    assert all("in the kernel of units 2, 3 of gate f alone" in f.where for f in findings)


@pytest.mark.parametrize("row", ROWS)
def test_noise_and_two_gates_at_once_name_none(row: str) -> None:
    given = problem(row)
    rng = np.random.default_rng(2)
    noisy = {name: y + rng.normal(0, 0.05, y.shape) for name, y in OracleSubject(given).outputs().items()}
    assert parted_in(given, noisy, ROUNDED) == ""
    if len(GATES[given.runner.cells[0].kind]) > 1:
        two = recorded(given, 0, "kernel")
        second = {name: y + (recorded(given, 1, "kernel")[name] - y) / 2 for name, y in two.items()}
        assert parted_in(given, second, ROUNDED) == ""


def test_too_few_steps_and_a_last_step_alone_tell_nothing() -> None:
    given = problem("lstm/default")
    short = replace(given, xs=(given.x[:2, :3],), initial_state=tuple(s[:2] for s in given.initial_state))
    assert parted_in(short, recorded(short, 0, "bias"), ROUNDED) == ""
    last = replace(given, layer=replace(given.runner, return_sequences=False))
    assert parted_in(last, recorded(last, 0, "bias"), ROUNDED) == ""
