"""The gate of `make mutants`: it fails where it should, and what it leaves out is what it says."""

from __future__ import annotations

import pytest

pytest.importorskip("mutmut", reason="mutmut plants the errors")

from gate import Mutant, judge, reasons
from set_apart import set_apart


def mutant(status: str, n: int = 0, apart: str | None = None, function: str = "a.f") -> Mutant:
    return Mutant(file="a.py", function=function, was=f"x = {n}", now="x = None", status=status, apart=apart)


KILLED = [mutant("killed", n) for n in range(19)]
LISTED = [("a.f", "x = 99", "x = None")]


@pytest.mark.parametrize("status", ["survived", "no tests", "suspicious"])
def test_what_no_test_saw_must_be_listed(status: str) -> None:
    alive = mutant(status, 99)
    assert not judge([*KILLED, alive], []).holds
    assert judge([*KILLED, alive], []).unlisted == (alive,)
    assert judge([*KILLED, alive], LISTED).holds


def test_a_reason_does_not_make_up_for_too_few_killed() -> None:
    verdict = judge([*KILLED[:18], mutant("survived", 99)], LISTED)
    assert (verdict.share, verdict.unlisted, verdict.holds) == (18 / 19, (), False)


def test_a_reason_for_what_is_no_survivor_is_told() -> None:
    assert judge(KILLED, LISTED).stale == tuple(LISTED)
    assert not judge(KILLED, LISTED).holds
    assert judge(KILLED, [("another.function", "x", "y")]).holds  # of a part that has not run


def test_what_has_not_run_and_what_is_set_apart_does_not_count() -> None:
    verdict = judge([*KILLED, mutant("not checked"), mutant("survived", 98, apart="wordings")], [])
    assert (verdict.counted, verdict.killed, verdict.holds) == (19, 19, True)
    assert not judge([], []).holds
    assert judge([mutant("timeout"), mutant("segfault")], []).share == 1


def test_every_survivor_that_is_listed_has_a_reason() -> None:
    assert all(why.strip() for why in reasons().values())


BODY = """
def f(a, b):
    assert a, "there is an a"
    source = "Keras 3"
    for x, y in zip(a, b, strict=True):
        if x == "lstm":
            raise ValueError(f"{x} is wrong: " + ", ".join(y), "said")
    return call(a, source="Keras 2", way_out="go")
"""


@pytest.mark.parametrize(
    ("was", "now", "kind"),
    [
        ('"said"', '"XXsaidXX"', "wordings"), ('", ".join', '"XX, XX".join', "wordings"),
        ('"Keras 3"', '"KERAS 3"', "wordings"), ('"go"', '"GO"', "wordings"), ('"Keras 2"', '"keras 2"', "wordings"),
        ("assert a,", "assert None,", "assertions"), ("strict=True", "strict=False", "assertions"),
        ("strict=True", "strict=None", "assertions"), (", strict=True", ", ", "assertions"),
        ('"there is an a"', '"XXthere is an aXX"', "assertions"),
        # What a message tells, that it is told, what the code compares and takes: these count.
        ('"said"', "None", None), ('", ".join(y)', '", ".join(None)', None), ('"lstm"', '"XXlstmXX"', None),
        ("zip(a, b,", "zip(None, b,", None), ("zip(a, b,", "zip(a,", None),
        ('source = "Keras 3"', "source = None", None),
        ('way_out="go"', "way_out=None", None), ("x ==", "x !=", None), ("call(a,", "call(None,", None),
    ],
)  # fmt: skip
def test_wordings_and_assertions_are_told_from_errors(was: str, now: str, kind: str | None) -> None:
    assert BODY.count(was) == 1
    assert set_apart(BODY, BODY.replace(was, now)) == kind
