"""The harness must be able to fail: every wrong port is caught and named, in every regime it can be made in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.backends import load
from harness.backends.oracle import OracleSubject
from harness.cases import ROWS, cases, problem_of
from harness.diagnosis.answers import diagnose_outputs, diagnose_weights
from harness.mutants.pairs import both
from harness.mutants.table import MUTANTS, Mutant, orders
from harness.problems import Problem
from harness.verify import Known, plant
from weight_mapping.weights import CellWeights

EXPECTED: Known = {}


def by_oracle(problem: Problem) -> dict:
    return OracleSubject(problem).outputs()


NAMED_BY_THE_PROMISE = (
    "gates i and f of lstm swapped", "gates z and r of gru swapped", "kernel transposed", "recurrent kernel transposed",
    "kernel reshaped", "bias dropped", "bias doubled", "bias misplaced", "forget bias added twice",
    "other hard_sigmoid", "sigmoid for hard_sigmoid", "direction", "backward outputs not reversed", "merge mode",
    "mask ignored", "mask shifted", "state not carried", "state carried across a reset", "states h and c swapped",
    "reset_after", "time-major mix-up", "return_sequences off by one", "layer order by name sort",
    "float32 for float64", "NaN in a later output", "dropout active at inference",
    "gradient halved by a tied bias", "epsilon misplaced",
)  # fmt: skip


def test_the_mistakes_that_ports_are_known_for_are_all_there() -> None:
    assert set(NAMED_BY_THE_PROMISE) <= {m.id for m in MUTANTS}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.id)
def test_every_wrong_port_is_caught_and_named(mutant: Mutant) -> None:
    fate = plant(mutant, by_oracle, expected=EXPECTED)
    assert fate.caught, fate
    assert fate.named, fate


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.id)
def test_and_so_it_is_in_pytorch(mutant: Mutant) -> None:
    pytest.importorskip("torch")
    (backend,), _ = load(["torch module"])
    fate = plant(mutant, lambda problem: backend.build(problem, "float64").outputs(), expected=EXPECTED)
    assert fate.caught and fate.named, fate


def test_no_mutant_is_no_difference() -> None:
    nothing = Mutant(id="nothing", description="", fix="")
    assert not plant(nothing, by_oracle, expected=EXPECTED).caught


def test_a_mutant_that_cannot_be_made_is_not_caught() -> None:
    impossible = Mutant(id="impossible", description="", fix="", change=lambda problem: None)
    assert not plant(impossible, by_oracle, expected=EXPECTED).caught


def test_the_table_is_long_and_each_fails_by_its_own_check() -> None:
    assert len(MUTANTS) >= 40
    assert {m.check for m in MUTANTS} == {"outputs", "gradients", "training"}
    for name, check in (("epsilon misplaced", "training"), ("gradient halved by a tied bias", "gradients")):
        fate = plant(next(m for m in MUTANTS if m.id == name), by_oracle, expected=EXPECTED)
        assert fate.by.startswith(f"{check} float64")


PAIRS = (
    ("bias doubled", "mask ignored", "lstm/mask/scattered"),
    ("recurrent kernel transposed", "direction", "lstm/default"),
    ("gates i and f of lstm swapped", "initial c ignored", "lstm/default"),
    ("forget bias added twice", "return_sequences off by one", "lstm/default"),
    ("other hard_sigmoid", "kernel reshaped", "lstm/recurrent_activation/hard_sigmoid 1-5"),
    ("gates z and r of gru swapped", "GRU bias parts swapped", "gru reset_after/default"),
    ("directions swapped", "merge mode", "bidirectional/sum"),
    ("bias misplaced", "states h and c swapped", "lstm/default"),
)


@pytest.mark.parametrize(("one", "other", "base"), PAIRS, ids=lambda value: value)
def test_two_mistakes_at_once_are_named(one: str, other: str, base: str) -> None:
    problem = problem_of(next(iter(cases([f"{base}@different"]))))
    first, second = (next(m for m in MUTANTS if m.id == name) for name in (one, other))
    wrong = both(first, second).outputs(problem, by_oracle)
    assert wrong is not None
    best = diagnose_outputs(problem, wrong)[0]
    names = {frozenset(name.split(", and ")) for name in (best.name, *best.ties)}
    assert best.explains and frozenset({one, other}) in names
    assert len(names) <= 2  # a tie is a tie of few


def test_what_cannot_be_told_apart_is_a_tie() -> None:
    problem = problem_of(next(iter(cases(["lstm/default@different"]))))
    h, c = problem.initial_state
    problem = replace(problem, initial_state=(np.zeros_like(h), c))
    wrong = by_oracle(replace(problem, initial_state=()))
    best = diagnose_outputs(problem, wrong)[0]
    assert best.explains and {best.name, *best.ties} == {"initial state ignored", "initial c ignored"}


def test_where_nothing_explains_it_the_place_is_told() -> None:
    problem = problem_of(next(iter(cases(["lstm/default@different"]))))
    outputs = by_oracle(problem)
    strange = np.array(outputs["y"])
    strange[1, 7:, 2] += np.linspace(0.1, 0.5, strange.shape[1] - 7)
    best = diagnose_outputs(problem, {**outputs, "y": strange})[0]
    assert not best.explains and best.where == "they part first at step 7, batch 1, unit 2"


def test_the_names_are_their_own_and_the_bases_exist() -> None:
    names = [m.id for m in (*MUTANTS, *orders())]
    assert len(set(names)) == len(names)
    assert {base for m in MUTANTS for base in (m.base, *m.also)} <= {row.id for row in ROWS}


def test_a_mutant_is_planted_on_each_of_its_bases() -> None:
    def no_gru(problem: Problem) -> Problem | None:
        dropped = next(m for m in MUTANTS if m.id == "bias dropped").change(problem)
        return None if any(cell.kind == "gru" for _, cell in problem.cells()) else dropped

    rows = {also: Mutant(id="m", description="", fix="", change=no_gru, also=also) for also in ((), ("rnn/default",))}
    assert all(plant(row, by_oracle, expected=EXPECTED).caught for row in rows.values())
    with_gru = Mutant(id="m", description="", fix="", change=no_gru, also=("gru reset_after/default",))
    assert not plant(with_gru, by_oracle, expected=EXPECTED).caught


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


def test_where_weights_part_the_gate_is_told_by_its_letter() -> None:
    problem = problem_of(next(iter(cases(["gru reset_after/default@different"]))))
    (path, weights), *_ = problem.weights.items()
    strange = np.array(weights.recurrent)
    strange[1, 2, 3] += 1
    best = diagnose_weights(problem, {path: replace(weights, recurrent=strange)})[0]
    assert not best.explains and best.where == "recurrent of 0, gate r, unit 2, previous unit 3"


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
