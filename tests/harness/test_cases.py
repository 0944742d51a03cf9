"""The table of cases covers what it says, and its numbers are such that mistakes show."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from harness.cases import ROWS, cases, problem_of
from harness.problems import MASKS, Problem
from harness.rows import REGIMES
from weight_mapping import oracle

# No part of the function or of training, or tried in every case (dtype), or only another way to compute on a GPU.
_ELSEWHERE = {"seed", "use_cudnn", "kwargs", "self", "units", "dtype", "unit_forget_bias"}
_IN_SPEC = {"activation", "recurrent_activation", "use_bias", "dropout", "recurrent_dropout"}
_IN_SPEC |= {"return_sequences", "return_state", "go_backwards", "stateful", "time_major"}


@pytest.mark.parametrize("package", ["keras", "tf_keras"])
def test_every_argument_of_keras_lstm_has_its_rows(package: str) -> None:
    keras = pytest.importorskip(package)
    arguments = set(inspect.signature(keras.layers.LSTM.__init__).parameters) - _ELSEWHERE
    given = {name for row in ROWS for name in row.arguments}
    covered = {row.id.split("/")[1] for row in ROWS if row.id.startswith("lstm/")} | given
    covered |= {"return_sequences", "return_state"}
    assert arguments | {"implementation", "units", "unit_forget_bias"} <= covered
    assert arguments - _IN_SPEC <= given


def test_ids_are_unique_and_every_pattern_finds_its_cases() -> None:
    every = cases()
    assert len({case.id for case in every}) == len(every)
    assert {case.regime for case in cases(["lstm/default"])} == set(REGIMES)
    assert [case.id for case in cases(["lstm/default@square"])] == ["lstm/default@square"]
    assert cases(["nothing"]) == ()


def test_the_regimes_are_what_they_promise() -> None:
    assert len(set(REGIMES["different"])) == 4 and len(set(REGIMES["square"])) == 1
    assert all(sizes.time >= 10 for row in ROWS for sizes in row.sizes.values())


@pytest.mark.parametrize("case", cases(["*hard_sigmoid*"]), ids=lambda c: c.id)
def test_hard_sigmoid_reaches_both_clips_and_the_slope(case: object) -> None:
    problem = problem_of(case)  # type: ignore[arg-type]
    trace = oracle.forward(problem.layer, problem.weights, problem.x, initial_state=problem.initial_state)
    (cell,) = trace.cells.values()
    letters = "cn" if case.row.id.startswith("lstm/activation") else "".join(set(cell.gates) - set("cn"))  # type: ignore[attr-defined]
    for letter in set(letters) & set(cell.gates):
        gate = cell.gates[letter]
        assert (gate == 0).any() and (gate == 1).any() and ((gate > 0) & (gate < 1)).any()


def test_every_number_fits_float32_and_every_bias_and_state_is_distinct() -> None:
    for case in cases(["lstm/default", "gru *", "bidirectional/*"]):
        problem = problem_of(case)
        arrays = [a for w in problem.weights.values() for _, a in w.arrays()] + [*problem.xs]
        assert all((a == a.astype(np.float32)).all() for a in arrays)
        for weights in problem.weights.values():
            if weights.bias is not None:
                assert len(np.unique(weights.bias)) == weights.bias.size
        assert all(np.unique(state).size == state.size for state in problem.initial_state)


def test_a_case_draws_the_same_numbers_alone_and_among_others() -> None:
    (case,) = cases(["lstm/default@square"])
    assert problem_of(case).fingerprint() == problem_of(case).fingerprint()
    assert problem_of(case).fingerprint() != problem_of(case, seed=1).fingerprint()


def test_masks_are_what_their_names_say() -> None:
    rng = np.random.default_rng(0)
    assert MASKS["none"](rng, 3, 10) is None
    padded, scattered, rows = (MASKS[name](rng, 4, 10) for name in ("right-padded", "scattered", "all-masked row"))
    assert (np.diff(padded.astype(int), axis=1) <= 0).all() and not padded.all()
    assert (np.diff(scattered.astype(int), axis=1) > 0).any() and not scattered[0, 0]
    assert not rows[-1].any() and rows[0].any()


def test_every_dropout_mask_drops_and_keeps() -> None:
    for case in cases(["*dropout*"]):
        problem: Problem = problem_of(case)
        assert problem.dropout
        for masks in problem.dropout.values():
            for mask in (masks.input, masks.recurrent):
                assert mask is None or ((mask == 0).any() and (mask > 1).any())
