"""How far each backend's outputs are from the oracle: the middle and the greatest, by dtype, in its own u."""

from __future__ import annotations

import math

import pytest

from harness.results import CHAOTIC, FAILS, HOLDS, Agreement, Case, Results
from reports.render import page
from reports.verdict import tallies


def case(*rows: tuple[str, str, float, str]) -> Case:
    found = tuple(
        Agreement(
            check=check,
            backend="a",
            reference="oracle",
            error=error,
            bound=100.0,
            unit=unit,
            reason="",
            verdict=verdict,
        )
        for check, unit, error, verdict in rows
    )
    return Case(id=repr(rows), title="", group="g", spec={}, fingerprint="", repeat="", agreements=found, seconds=0.0)


def results(*cases: Case) -> Results:
    return Results(kind="verify", command="", environment={}, cases=cases, planned=tuple(c.id for c in cases))


def test_only_outputs_count_each_dtype_in_its_own_unit_and_chaos_is_no_distance() -> None:
    found = results(
        case(("outputs float64", "relative", 3 * 2.0**-53, HOLDS), ("outputs float32", "u", 2.0, HOLDS)),
        case(("outputs float64", "relative", 2.0**-52, HOLDS), ("outputs float32", "u", 7.0, HOLDS)),
        case(("outputs float32", "u", 3.0, HOLDS), ("gradient x float32", "u", 50.0, HOLDS)),
        case(("outputs float32", "u", 9e9, CHAOTIC)),
    )
    (tally,) = tallies(found)
    assert tally.distances == {"float64": (2.5, 3.0), "float32": (3.0, 7.0)}
    shown = page(found)
    assert "2.5, 3.0" in shown and "3.0, 7.0" in shown and "how far outputs are from the oracle" in shown


@pytest.mark.parametrize("rows", [(), (("gradient x float32", "u", 1.0, HOLDS),)])
def test_where_no_output_was_compared_there_is_no_distance(rows: tuple[tuple[str, str, float, str], ...]) -> None:
    for tally in tallies(results(case(*rows))):
        assert set(tally.distances.values()) == {(None, None)}


def test_what_is_no_number_is_no_distance() -> None:
    (tally,) = tallies(results(case(("outputs float32", "u", math.nan, HOLDS), ("outputs float32", "u", 1.0, HOLDS))))
    assert tally.distances["float32"] == (None, None)


@pytest.mark.parametrize(
    ("u", "verdict", "said"), [(2.0**29, HOLDS, True), (2.0**29, FAILS, False), (2.0**20, HOLDS, False)]
)
def test_a_backend_that_keeps_something_in_float32_is_told_from_a_wrong_one(u: float, verdict: str, said: bool) -> None:
    found = results(case(("outputs float64", "u", u, verdict)))
    assert ("something there stays in float32" in page(found)) is said
