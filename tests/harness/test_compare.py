"""The judge itself: what must never pass does not."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from harness.compare import Limit, agreement, difference, failed, not_measured, place
from harness.results import CHAOTIC, FAILS, HOLDS, NOT_MEASURED, Case, Results

LIMIT = Limit(1e-12, "a test")
RNG = np.random.default_rng(3)


def judged(reference: dict, found: dict, limit: Limit = LIMIT) -> tuple[str, str]:
    result = agreement("outputs", "b", reference, found, dict.fromkeys(reference, limit), dtype="float64")
    return result.verdict, result.where


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_never_passes_wherever_it_stands(bad: float) -> None:
    y = RNG.standard_normal((2, 3, 2))
    for index in product(*map(range, y.shape)):
        spoilt = y.copy()
        spoilt[index] = bad
        verdict, where = judged({"a": y, "y": y}, {"a": y, "y": spoilt})
        assert verdict == FAILS
        batch, step, unit = index
        assert f"batch {batch}, step {step}, unit {unit}" in where


def test_nan_on_both_sides_is_no_agreement() -> None:
    y = np.array([[1.0, np.nan]])
    assert judged({"y": y}, {"y": y})[0] == FAILS


def test_nan_is_not_chaos() -> None:
    y = np.ones((1, 2))
    chaos = Limit(1e9, "wild", chaotic=True)
    assert judged({"y": y}, {"y": y * np.nan}, chaos)[0] == FAILS
    assert judged({"y": y}, {"y": y + 1}, chaos)[0] == CHAOTIC


def test_nothing_holds_within_an_infinite_bound() -> None:
    y, endless = np.ones((1, 2)), Limit(np.inf, "the oracle itself ran over")
    assert judged({"y": y * np.inf}, {"y": y * np.inf}, endless)[0] == FAILS
    assert judged({"y": y}, {"y": y * np.nan}, endless)[0] == FAILS
    assert judged({"y": y}, {"y": y}, endless)[0] == FAILS


def test_an_infinite_difference_is_not_lost_among_several() -> None:
    y = np.ones((1, 2))
    limits = {"a": LIMIT, "b": Limit(np.inf, "endless"), "c": LIMIT}
    found = {"a": y, "b": y * np.nan, "c": y}
    result = agreement("outputs", "b", dict.fromkeys("abc", y), found, limits, dtype="float64")
    assert result.verdict == FAILS and result.where.startswith("b: nan")


def test_two_shapes_are_named() -> None:
    verdict, where = judged({"y": np.ones((3, 4))}, {"y": np.ones((4, 3))})
    assert verdict == FAILS and "(4, 3)" in where and "(3, 4)" in where


def test_a_shape_that_broadcasts_is_another_shape() -> None:
    assert judged({"y": np.ones((3, 4))}, {"y": np.ones((1, 4))})[0] == FAILS


def test_a_missing_array_and_one_too_many_fail() -> None:
    y = np.ones((2, 2))
    assert judged({"y": y, "h": y}, {"y": y}) == (FAILS, "h: missing")
    assert judged({"y": y}, {"y": y, "h": y}) == (FAILS, "unexpected h")


def test_nothing_compared_is_no_pass() -> None:
    assert judged({}, {})[0] == FAILS
    assert judged({"y": np.ones((0, 2))}, {"y": np.ones((0, 2))})[0] == FAILS


def test_the_bound_divides_and_is_relative_to_the_scale() -> None:
    y = np.array([[1000.0, 1.0]])
    assert judged({"y": y}, {"y": y + 0.9e-9})[0] == HOLDS
    assert judged({"y": y}, {"y": y + 1.1e-9})[0] == FAILS


def test_a_small_array_is_not_hidden_by_a_large_one() -> None:
    large, small = np.full((1, 2), 1e6), np.full((1, 2), 1e-6)
    assert judged({"y": large, "h": small}, {"y": large, "h": small * (1 + 1e-9)})[0] == FAILS


def test_the_place_names_gates_by_letter() -> None:
    kernel = np.ones((4, 2, 3))
    other = kernel.copy()
    other[1, 0, 2] = 2
    assert difference("gradient kernel", kernel, other, kind="lstm").where.endswith("gate f, unit 0, feature 2")


def test_the_place_is_told_by_what_the_axes_are() -> None:
    for name, index, words in (
        ("y", (1, 2, 3), "batch 1, step 2, unit 3"),
        ("h", (1, 3), "batch 1, unit 3"),
        ("gradient bias of forward/0", (0, 2, 3), "part 0, gate 2, unit 3"),
        ("gradient x", (1, 2, 3), "batch 1, step 2, feature 3"),
        ("losses", (4,), "training step 4"),
        ("strange", (1, 2, 3, 4), "axis 0 1, axis 1 2, axis 2 3, axis 3 4"),
    ):
        assert place(name, index) == words
    assert place("recurrent", (1, 2, 3), "gru") == "gate r, unit 2, previous unit 3"


def test_the_array_with_the_least_room_decides_not_the_one_with_the_greatest_error() -> None:
    y = np.ones((1, 2))
    limits = {"wide": Limit(1e-8, "wide"), "narrow": Limit(1e-12, "narrow")}
    found = {"wide": y + 1e-9, "narrow": y + 5e-12}
    result = agreement("outputs", "b", {"wide": y, "narrow": y}, found, limits, dtype="float64")
    assert (result.verdict, result.reason) == (FAILS, "narrow")


def test_a_record_says_what_was_compared_with_what_and_in_which_unit() -> None:
    y = np.array([[2.0, 1.0]])
    found = y + 2.0**-22
    limit = {"y": Limit(2.0**-20, "a derivation")}
    single = agreement("outputs", "b", {"y": y}, {"y": found}, limit, dtype="float32", against="theirs")
    double = agreement("outputs", "b", {"y": y}, {"y": found}, limit, dtype="float64")
    assert (single.check, single.backend, single.reference, single.reason) == (
        "outputs float32", "b", "theirs", "a derivation",
    )  # fmt: skip
    assert (double.check, double.reference, double.reason) == ("outputs float64", "oracle", "a derivation")
    # Half of 2^-22, for the scale is 2: 2 u of float32, whose u is 2^-24; the bound is 16 u.
    assert (single.error, single.bound, single.unit) == (2.0, 16.0, "u")
    assert (double.error, double.bound, double.unit) == (2.0**-23, 2.0**-20, "relative")
    assert single.verdict == double.verdict == HOLDS


def test_an_error_as_great_as_its_bound_holds() -> None:
    y = np.array([[1.0, 0.5]])
    assert judged({"y": y}, {"y": y + np.array([[0, 0.25]])}, Limit(0.25, "a quarter"))[0] == HOLDS


def test_against_zeros_the_error_is_absolute_and_it_is_taken_in_float64() -> None:
    assert difference("y", np.zeros((1, 2)), np.array([[0, 0.125]])).error == 0.125
    reference, found = np.float32([[1, 4]]), np.float32([[1e-9, 4]])
    assert difference("y", reference, found).error == (1 - float(found[0, 0])) / 4 != 0.25


def test_what_can_not_be_compared_is_said_whole() -> None:
    y, spoilt = np.ones((1, 2)), np.array([[1, np.nan]])
    assert judged({"y": y}, {"y": y, "h": y, "c": y})[1] == "unexpected c, h"
    assert judged({}, {})[1] == "nothing to compare"
    assert difference("y", np.ones((0, 2)), np.ones((0, 2))).where == "y: nothing to compare"
    assert difference("y", spoilt, y).where == "the reference's y: nan at batch 0, unit 1"
    assert difference("y", y, spoilt).where == "y: nan at batch 0, unit 1"
    kernel = np.zeros((4, 2, 3))
    spoilt = kernel.copy()
    spoilt[2, 1, 0] = np.inf
    assert difference("kernel", kernel, spoilt, kind="lstm").where == "kernel: inf at gate c, unit 1, feature 0"
    result = agreement(
        "g", "b", {"kernel": kernel}, {"kernel": spoilt}, {"kernel": LIMIT}, dtype="float64", kind="lstm"
    )
    assert result.where.endswith("at gate c, unit 1, feature 0")
    parts = agreement("outputs", "b", {"y": y}, {"y": y, "h": y}, {"y": LIMIT}, dtype="float64")
    assert (parts.error, parts.bound, parts.reason) == (np.inf, 0.0, "the answers have different parts")


def test_records_without_figures_say_who_and_why() -> None:
    silent, broken = not_measured("outputs", "b", "not there"), failed("outputs", "b", "it raised")
    assert (silent.check, silent.backend, silent.reference, silent.unit) == ("outputs", "b", "oracle", "relative")
    assert (silent.error, silent.bound, silent.reason, silent.verdict) == (None, None, "not there", NOT_MEASURED)
    assert (broken.check, broken.backend, broken.reference, broken.unit) == ("outputs", "b", "oracle", "relative")
    assert (broken.error, broken.bound, broken.reason) == (np.inf, 0.0, "it raised")
    assert (broken.verdict, broken.where) == (FAILS, "no answer")


def _case(id: str, *agreements: object) -> Case:
    return Case(
        id=id, title="", group="", spec={}, fingerprint="", repeat="", agreements=tuple(agreements), seconds=0.0
    )  # type: ignore[arg-type]


def test_a_case_that_nobody_measured_fails_and_a_missing_case_fails_the_run() -> None:
    y = {"y": np.ones((1, 1))}
    held = agreement("outputs", "b", y, y, {"y": LIMIT}, dtype="float64")
    silent = not_measured("outputs", "b", "not there")
    assert _case("a", silent).verdict == FAILS and _case("a", held, silent).verdict == HOLDS
    run = {"kind": "verify", "command": "", "environment": {}, "cases": (_case("a", held),)}
    assert Results(**run, planned=("a",)).verdict == HOLDS
    assert Results(**run, planned=("a", "b")).verdict == FAILS
