"""The harness must be able to fail: every wrong port is caught and named, in every regime it can be made in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.backends import load
from harness.backends.oracle import OracleSubject
from harness.cases import ROWS, cases
from harness.check import problem_of
from harness.diagnose import diagnose_outputs, diagnose_weights
from harness.mutants import MUTANTS, Mutant, orders
from harness.problems import Problem
from harness.verify import Known, plant
from weight_mapping.weights import CellWeights

EXPECTED: Known = {}


def by_oracle(problem: Problem) -> dict:
    return OracleSubject(problem).outputs()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.id)
def test_every_wrong_port_is_caught_and_named(mutant: Mutant) -> None:
    fate = plant(mutant, by_oracle, expected=EXPECTED)
    assert fate.caught, fate
    assert fate.named, fate


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.id)
def test_and_so_it_is_in_pytorch(mutant: Mutant) -> None:
    pytest.importorskip("torch")
    (backend,), _ = load(["torch module"])
    fate = plant(mutant, lambda problem: backend.build(problem, "float64").answer().outputs, expected=EXPECTED)
    assert fate.caught and fate.named, fate


def test_no_mutant_is_no_difference() -> None:
    nothing = Mutant(id="nothing", description="", fix="")
    assert not plant(nothing, by_oracle, expected=EXPECTED).caught


def test_a_mutant_that_cannot_be_made_is_not_caught() -> None:
    impossible = Mutant(id="impossible", description="", fix="", change=lambda problem: None)
    assert not plant(impossible, by_oracle, expected=EXPECTED).caught


def test_the_names_are_their_own_and_the_bases_exist() -> None:
    names = [m.id for m in (*MUTANTS, *orders())]
    assert len(set(names)) == len(names)
    assert {m.base for m in MUTANTS} <= {row.id for row in ROWS}


@pytest.mark.parametrize("mutant", list(orders()), ids=lambda m: m.id)
def test_every_order_of_the_gates_is_told_from_the_weights(mutant: Mutant) -> None:
    base = "lstm/default" if "lstm" in mutant.id else "gru reset_after/default"
    problem = problem_of(next(iter(cases([f"{base}@square"]))))
    changed = mutant.change(problem)
    assert changed is not None
    found = diagnose_weights(problem, changed.weights)
    assert found[0].name == mutant.id and found[0].explains and not found[1].explains


def test_a_mistake_that_no_row_knows_is_not_explained() -> None:
    problem = problem_of(next(iter(cases(["lstm/default@different"]))))
    strange = {path: _noisy(weights) for path, weights in problem.weights.items()}
    assert not diagnose_weights(problem, strange)[0].explains
    outputs = OracleSubject(replace(problem, weights=strange)).outputs()
    assert not diagnose_outputs(problem, outputs)[0].explains


def _noisy(weights: CellWeights) -> CellWeights:
    return replace(weights, kernel=weights.kernel + np.random.default_rng(1).standard_normal(weights.kernel.shape))


def test_right_outputs_and_weights_have_nothing_to_explain() -> None:
    problem = problem_of(next(iter(cases(["lstm/default@square"]))))
    assert diagnose_outputs(problem, by_oracle(problem)) == ()
    assert diagnose_weights(problem, problem.weights) == ()


def test_a_wrong_port_in_float32_is_still_named() -> None:
    problem = problem_of(next(iter(cases(["lstm/default@different"]))))
    mutant = next(m for m in MUTANTS if m.id == "bias doubled")
    wrong = mutant.outputs(problem, by_oracle)
    assert wrong is not None
    rounded = {name: y.astype(np.float32).astype(np.float64) for name, y in wrong.items()}
    found = diagnose_outputs(problem, rounded)
    assert found[0].name == "bias doubled" and found[0].explains
