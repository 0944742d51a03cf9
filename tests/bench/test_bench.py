"""The benchmark as a whole: fresh processes, what is asked of them, and what becomes of one that dies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import pytest

from harness.bench import fresh, plan
from harness.bench.following import Step
from harness.bench.implementations import MEASURE, PORT, chosen, usual
from harness.bench.jobs import FORWARD, TASKS
from harness.bench.plan import Found, Request
from harness.bench.speed import Timing, merged
from weight_mapping.errors import PortingError

pytest.importorskip("torch", reason="PyTorch is not installed")
SMALL = (2, 7, 5, 3)
TIMED = "harness.bench.rounds:time_start"


@pytest.fixture
def _no_roof(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process less."""
    monkeypatch.setattr(plan, "_roof", lambda request, found: Step(title="", parts=[], work=lambda: iter(())))


def quick(**changed: Any) -> Request:
    """One small shape in two processes on the CPU."""
    fields: dict[str, Any] = {
        "shapes": (SMALL,), "tasks": (FORWARD,), "devices": ("cpu",), "implementations": (MEASURE, PORT),
        "processes": 2, "rounds": 2, "seconds": 0.1, "threads": 1,
    }  # fmt: skip
    return Request(**{**fields, **changed})


def test_every_process_is_fresh_and_its_rounds_are_its_own() -> None:
    said: list[str] = []
    found, timings = plan.run(quick(), said.append)
    assert [t.implementation for t in timings] == [MEASURE, PORT]
    assert [(t.processes, len(t.seconds), t.agrees) for t in timings] == [((2, 2), 4, True)] * 2
    assert timings[1].measure == timings[0].seconds
    assert found.roof.gemm and min(found.roof.gemm.values()) > 0 and min(found.roof.bandwidth.values()) > 0
    assert any("process 2 of 2" in line and "left" in line for line in said)


@pytest.mark.usefixtures("_no_roof")
def test_what_needs_a_process_of_its_own_brings_the_measure_along() -> None:
    pytest.importorskip("keras", reason="Keras is not installed")
    _, (bare, keras) = plan.run(quick(implementations=(MEASURE, "Keras 3 on PyTorch"), processes=1), lambda _: None)
    assert (bare.agrees, keras.agrees) == (True, True)
    assert keras.measure and keras.measure != bare.seconds and keras.ratio


@pytest.mark.usefixtures("_no_roof")
def test_a_first_call_and_its_memory() -> None:
    found, timings = plan.run(quick(suites=("starts",), implementations=(MEASURE,)), lambda _: None)
    (start,) = found.starts
    assert timings == [] and start.note == ""
    assert start.first and start.memory is not None and start.memory >= 0


@pytest.mark.usefixtures("_no_roof")
def test_a_process_that_dies_costs_what_it_was_to_measure_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    real = fresh.call

    def dying(function: str, *rest: Any, **arguments: Any) -> Iterator[Any]:
        if function.endswith("time_groups"):
            raise PortingError("a process that measures died", found="SIGSEGV")
        return real(function, *rest, **arguments)

    monkeypatch.setattr(fresh, "call", dying)
    found, timings = plan.run(quick(suites=("cells", "starts"), implementations=(MEASURE,)), lambda _: None)
    assert "SIGSEGV" in found.failed["cells"] and len(found.starts) == 1
    assert all(not t.seconds and "died" in t.note for t in timings)


@pytest.mark.usefixtures("_no_roof")
def test_an_end_keeps_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    real = fresh.call
    calls: list[str] = []

    def interrupted(function: str, *rest: Any, **arguments: Any) -> Iterator[Any]:
        calls.append(function)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return real(function, *rest, **arguments)

    monkeypatch.setattr(fresh, "call", interrupted)
    found, timings = plan.run(quick(shapes=(SMALL,), processes=2), lambda _: None)
    assert found.failed == {"what was left to do": "interrupted"}
    assert [t.processes for t in timings] == [(2,), (2,)]


@pytest.mark.parametrize(
    "asked",
    [{"implementations": ["torch"]}, {"tasks": ["backward"]}, {"devices": ["tpu"]}, {"cells": ["gated"]},
     {"suites": ["everything"]}],
    ids=lambda a: next(iter(a)),
)  # fmt: skip
def test_an_unknown_name_is_an_error_that_lists_the_known(asked: dict[str, Any]) -> None:
    with pytest.raises(PortingError, match="expected one of"):
        Request(**asked)


def test_the_usual_request_names_every_group_once_and_trains_at_fewer_shapes() -> None:
    groups = Request(devices=("cpu",)).groups()
    assert len(groups) == len(set(groups)) == len(plan.SHAPES) + len(plan.TRAINED)
    assert {group.task for group in groups} == set(TASKS)
    assert [row.name for row in chosen(None)] == list(usual())


def test_every_suite_plans_itself() -> None:
    for suite in plan.SUITES:
        steps = plan.steps(Request(suites=(suite,)), Found(), "")
        assert len(steps) > 1 and all(step.parts and step.seconds > 0 for step in steps)


def test_a_wrong_answer_in_one_process_is_a_wrong_answer() -> None:
    one = Timing(implementation="x", task=FORWARD, device="cpu", shape=SMALL, seconds=(1.0, 2.0), agrees=True)
    lost = replace(one, seconds=(), agrees=None, note="not measured: no luck")
    (both,) = merged([one, lost, replace(one, agrees=False)])
    assert both.agrees is False and both.processes == (2, 2) and both.seconds == (1.0, 2.0) * 2
    assert merged([lost, lost]) == [lost]


def test_what_a_process_answers_is_plain_and_comes_back_whole() -> None:
    (told,) = fresh.call(TIMED, {}, group=asdict(plan.Group(shape=SMALL)), implementation=PORT)
    assert told["implementation"] == PORT and told["shape"] == list(SMALL)


def test_a_process_that_fails_says_what_it_said_last() -> None:
    with pytest.raises(PortingError, match="KeyError"):
        list(fresh.call(TIMED, {}, group=asdict(plan.Group(shape=SMALL)), implementation="none"))
