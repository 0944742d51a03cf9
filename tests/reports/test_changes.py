"""What changed between two runs: named, the worse first, and no noise."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from harness.results import FAILS, Results
from reports.changes import Change, changes
from reports.render import page


def _found(old: Results, new: Results) -> dict[str, Change]:
    return {f"{c.part}: {c.what}": c for c in changes(old, new)}


def test_the_same_run_twice_changes_nothing(make: Any) -> None:
    assert changes(make.results(), make.results()) == []
    assert "Nothing that matters" in page(make.results(), since=make.results())


def test_a_nan_that_stays_is_no_change_and_a_new_one_is(make: Any) -> None:
    nan = replace(make.results(), cases=(make.case(0, error=math.nan, verdict=FAILS),))
    assert changes(nan, nan) == []
    found = _found(replace(make.results(), cases=(make.case(0),)), nan)
    assert found["checks: lstm/plain@0: outputs float64, keras 3"].after == "fails, NaN"


def test_a_case_that_fails_now_is_told_before_everything_else(make: Any) -> None:
    new = replace(
        make.results(), cases=(make.case(0), make.case(1, error=0.5, verdict=FAILS)), environment={"python": "3.12"}
    )
    found = changes(make.results(), new)
    worse = [c.worse for c in found]
    assert worse == sorted(worse, reverse=True)
    told = {(c.part, c.what): (c.before, c.after) for c in found}
    assert told["verdict", "the whole run"] == ("holds", "fails")
    assert told["checks", "lstm/plain@1: outputs float64, torch nn"] == ("holds, 3.0e-16", "fails, 0.50")
    assert told["cases", "lstm/plain@2"] == ("holds", "gone")
    assert told["environment", "python"] == ("3.11", "3.12")


def test_an_error_moves_only_beyond_the_luck_of_rounding(make: Any) -> None:
    def run(error: float) -> Results:
        whole: Results = make.results()
        return replace(whole, cases=(make.case(0, error=error),))

    assert changes(run(1e-15), run(3e-15)) == []
    assert len(changes(run(1e-15), run(5e-15))) == 8
    assert not any(c.worse for c in changes(run(1e-15), run(5e-15)))


def test_other_inputs_are_said(make: Any) -> None:
    case = make.case(0)
    new = replace(make.results(1), cases=(replace(case, fingerprint="f" * 64),))
    assert _found(make.results(1), new)["inputs: lstm/plain@0"].after == "f" * 12


def test_a_mutant_that_goes_unnoticed_now_is_worse(make: Any) -> None:
    old = make.results()
    new = replace(old, mutants=(replace(old.mutants[0], caught=False, named=False),))
    found = _found(old, new)
    assert found["wrong ports: mutant plain"].worse and found["verdict: the whole run"].worse
    assert _found(old, replace(old, mutants=()))["wrong ports: mutant plain"].after == "not tried"


@pytest.mark.parametrize(("factor", "said"), [(1.0, False), (1.005, False), (2.0, True), (0.5, True)])
def test_times_change_only_where_the_intervals_say_so(make: Any, factor: float, said: bool) -> None:
    old = replace(make.results(), timings=(make.timing("nn", 1e-3),))
    new = replace(old, timings=(make.timing("nn", 1e-3 * factor),))
    found = [c for c in changes(old, new) if c.part == "times"]
    assert bool(found) is said
    if said:
        assert found[0].worse is (factor > 1)
        assert ("2 times as long" if factor > 1 else "2 times as fast") in found[0].after
