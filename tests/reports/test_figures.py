"""Figures in words, curves as paths, the matrix's choice of what stands for a cell."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from harness.bench.speed import Roof
from harness.results import FAILS
from reports import charts, curves, matrix, timings
from reports.text import duration, entries, figure, margin


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "–"), (0.0, "0"), (math.nan, "NaN"), (math.inf, "inf"), (-math.inf, "-inf"), (2.13e-16, "2.1e-16"),
        (1.0, "1.0"), (99.7, "100"), (0.333, "0.33"), (9999.0, "9,999"), (10_000.0, "1.0e4"), (-3.25e5, "-3.2e5"),
        (62.4, "62"), (2345.0, "2,345"), (0.00997, "0.010"),
    ],
)  # fmt: skip
def test_figures_have_two_digits(value: float | None, said: str) -> None:
    assert figure(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(1.5, "1.50 s"), (0.00243, "2.43 ms"), (7.1e-5, "71.0 µs"), (1e-9, "1.00e-3 µs"), (0.9999, "1.00 s")],
)
def test_durations_have_the_unit_that_reads_best(value: float, said: str) -> None:
    assert duration(value) == said


def test_margins_say_when_a_bound_is_exceeded() -> None:
    assert [margin(m) for m in (None, math.inf, 4.31, 0.5, math.nan)] == [
        "–",
        "no error",
        "4.3×",
        "exceeded 2.0×",
        "NaN×",
    ]


def test_nested_values_are_lines() -> None:
    assert dict(entries({"a": {"b": (1, 2)}, "c": [{"d": None}], "e": 0.5, "f": [7]})) == {
        "a.b": "(1, 2)",
        "c[0].d": "None",
        "e": "0.50",
        "f": "(7,)",
    }


@pytest.mark.parametrize(
    ("check", "column"),
    [
        ("outputs float64", ("outputs", "float64")), ("gradient recurrent float32", ("gradients", "float32")),
        ("one step of backward/0 float32", ("one step", "float32")), ("of nothing", ("of nothing", "")), ("", ("", "")),
    ],
)  # fmt: skip
def test_checks_find_their_column(check: str, column: tuple[str, str]) -> None:
    assert matrix.column(check) == column


def test_the_worst_of_several_stands_for_a_cell(make: Any) -> None:
    case = make.case()
    near = replace(case.agreements[0], error=9e-14)
    nan = replace(case.agreements[1], error=math.nan, verdict=FAILS)
    placed = matrix.layout([case])
    assert matrix.cells(replace(case, agreements=(*case.agreements, near)), placed)[0] is near
    assert matrix.cells(replace(case, agreements=(near, nan, *case.agreements)), placed)[0] is nan


def test_rare_checks_share_a_column(make: Any) -> None:
    cases = [make.case(n) for n in range(30)]
    cases[4] = replace(
        cases[4], agreements=(*cases[4].agreements, make.agreement("initial bias float64", "keras 3", 0, 1, "holds"))
    )
    assert ("special", "float64") in matrix.columns(matrix.layout(cases))
    assert ("special", "float32") not in matrix.columns(matrix.layout(cases))


def test_the_shared_end_of_the_reasons_is_said_once(make: Any) -> None:
    case = make.case()
    assert matrix.shared_reason(case) == ", the amplification measured with the oracle"
    letters = [letter for letter, _ in matrix.reasons(case).values()]
    assert letters == list("abcdefghi")
    assert all(words.startswith("(8 √11 + 24)") and "oracle" not in words for _, words in matrix.reasons(case).values())
    one = replace(case, agreements=case.agreements[:1])
    assert matrix.shared_reason(one) == ""
    assert matrix.reasons(one)[one.agreements[0].reason][1] == one.agreements[0].reason


def test_no_peak_is_lost_when_a_curve_is_shortened() -> None:
    values = [0.0] * 12_345
    values[7_777] = 9.0
    short = curves.shorten(values)
    assert len(short) == 100 and max(short) == 9.0
    values[11] = math.nan
    assert sum(map(math.isnan, curves.shorten(values))) == 1


def test_a_path_reaches_the_edges_and_lifts_over_gaps() -> None:
    assert curves.path([0.0, 1.0], 36, 100, 0.0, 1.0) == "M36 72h1l99-56"
    assert curves.path([1.0, math.nan, 1.0], 36, 100, 0.0, 1.0) == "M36 16h1M136 16h1M83 11l5 5m-5 0l5-5"
    assert curves.path([], 36, 100, 0.0, 1.0) == ""


def test_the_spread_of_the_losses_is_the_greatest_over_all_steps() -> None:
    assert "differ by at most 0.25" in curves.spread({"a": (1.0, 0.5), "b": (1.25, 0.5), "c": (1.0, 0.5, 9.0)})
    assert "NaN" in curves.spread({"a": (1.0, math.nan), "b": (1.0, 1.0)})
    assert curves.spread({"a": (1.0,)}) == ""


def test_timings_are_held_against_the_first_that_was_measured(make: Any) -> None:
    lost, one = replace(make.timing("lost", 1.0), seconds=()), make.timing("one", 1e-3)
    same, slow = make.timing("same", 1.001e-3, beside=one), make.timing("slow", 3e-3, beside=one)
    rows = timings.tables([lost, one, same, slow], Roof())[0]
    assert [row.kind for row in rows] == ["none", "none", "even", "slower"]
    assert rows[0].words == "not measured" and rows[1].words == "the measure"
    assert rows[2].words.startswith("not significant") and "3 times as long" in rows[3].words


def test_two_rounds_are_never_significant(make: Any) -> None:
    one = make.timing("one", 1e-3, rounds=2)
    rows = timings.tables([one, make.timing("slow", 9.0, rounds=2, beside=one)], Roof())[0]
    assert rows[1].kind == "even"


def test_a_time_stands_clear_of_the_roof(make: Any) -> None:
    """The line of the roof is drawn, and over it each time on a ground of its own."""
    one = make.timing("one", 1e-3)
    roof = Roof(gemm={"1 x 1 x 1": 1e-2}, bandwidth={"64 KB": 1e-3})
    ((_, drawing),) = charts.benchmarks(make.results(timings=(one,), roof=roof), {"one": 0})
    above = drawing[drawing.rindex("stroke-dasharray") :]
    assert above.count("f-card") == 1 and above.index("f-card") < above.index(duration(one.time.median))
