"""The benchmark measures right answers only, and says why where it can't measure."""

from __future__ import annotations

import builtins
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness import bench, jobs, stopwatch
from harness.jobs import FORWARD, TASKS, TRAINING, Job
from weight_mapping.activations import activation, hard_sigmoid
from weight_mapping.errors import PortingError

SMALL = (2, 11, 5, 3)
SQUARE = (4, 4, 4, 4)


@pytest.fixture(autouse=True)
def _one_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopwatch, "SHORTEST", 0.0)


@pytest.mark.parametrize("shape", [SMALL, SQUARE], ids=["sizes differ", "square"])
def test_every_implementation_gives_the_oracle_s_answer(shape: jobs.Shape) -> None:
    names = [row.name for row in bench.IMPLEMENTATIONS]
    timings = bench.run([shape], names, devices=["cpu"], rounds=1)
    assert [(t.task, t.implementation) for t in timings] == [(task, name) for task in TASKS for name in names]
    refused = [t for t in timings if t.note.startswith("not measured: ONNX Runtime infers")]
    assert {(t.task, t.implementation.split(",")[0]) for t in refused} == {(TRAINING, "ONNX Runtime")}
    done = [t for t in timings if t not in refused]
    assert [t.implementation for t in done if t.agrees is not True or len(t.seconds) != 1] == []


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(
    "wrong", ["gates swapped", "forget bias doubled", "other hard_sigmoid", "recurrent transposed"]
)
def test_a_wrong_answer_is_flagged(monkeypatch: pytest.MonkeyPatch, task: str, wrong: str) -> None:
    """The port is built from a job that differs from the one it is judged by."""
    real = bench.importlib.import_module("harness.backends.timing_torch")

    def prepare(job: Job, **options: Any) -> jobs.Prepared:
        return real_prepare(_mistaken(job, wrong), **options)

    real_prepare = real.prepare
    monkeypatch.setattr(real, "prepare", prepare)
    timings = bench.run([SQUARE], ["torch port, hard_sigmoid 1/5"], [task], ["cpu"], rounds=1)
    assert [t.agrees for t in timings] == [False]


def _mistaken(job: Job, wrong: str) -> Job:
    weights, bias = job.weights, job.weights.bias
    assert bias is not None
    match wrong:
        case "gates swapped":
            return replace(job, weights=replace(weights, kernel=weights.kernel[[1, 0, 2, 3]]))
        case "forget bias doubled":
            return replace(job, weights=replace(weights, bias=bias * np.array([1, 2, 1, 1], bias.dtype)[:, None]))
        case "recurrent transposed":
            return replace(job, weights=replace(weights, recurrent=weights.recurrent.swapaxes(1, 2)))
        case _:
            cell = replace(job.layer.cells[0], recurrent_activation=hard_sigmoid(1 / 6))
            return replace(job, layer=replace(job.layer, cells=(cell,)))


def test_an_answer_that_turns_wrong_while_timed_is_flagged(monkeypatch: pytest.MonkeyPatch) -> None:
    real = bench.importlib.import_module("harness.backends.timing_torch")
    answers = iter([1.0, 1.5])

    def prepare(job: Job, **_: Any) -> jobs.Prepared:
        return jobs.Prepared(run=lambda: None, answer=lambda: {"outputs": job.answer["outputs"] * next(answers)})

    monkeypatch.setattr(real, "prepare", prepare)
    (timing,) = bench.run([SMALL], ["torch port"], [FORWARD], ["cpu"], rounds=1)
    assert timing.agrees is False


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("task", TASKS)
def test_a_single_nan_never_agrees(task: str, bad: float) -> None:
    job = jobs.make(SMALL, activation("sigmoid"), task)
    for name, right in job.answer.items():
        spoiled = right.copy()
        spoiled.flat[-1] = bad
        assert job.agrees(job.answer)
        assert not job.agrees({**job.answer, name: spoiled})
        assert not job.agrees({**job.answer, name: right[..., :-1]})
    assert not job.agrees({})


def test_the_gradients_of_a_job_are_those_of_its_loss() -> None:
    """Central differences of the mean squared output, in float64, at one weight of each array."""
    job = jobs.make(SMALL, activation("sigmoid"), TRAINING)
    for name, place in (("kernel", (1, 2, 4)), ("recurrent", (3, 0, 1)), ("bias", (0, 2, 1))):
        step = 1e-6
        up, down = (_loss(job, name, place, by) for by in (step, -step))
        # Truncation is O(step^2) and rounding O(2^-53 / step), both far below 1e-8.
        assert job.answer[name][place] == pytest.approx((up - down) / (2 * step), abs=1e-8)


def _loss(job: Job, name: str, place: tuple[int, ...], by: float) -> float:
    array = getattr(job.weights, name).astype(np.float64)
    array[place] += by
    wider = {n: a.astype(np.float64) for n, a in job.weights.arrays()} | {name: array}
    trace = jobs.oracle.forward(job.layer, {("0",): replace(job.weights, **wider)}, job.x.astype(np.float64))
    return float(np.square(trace.outputs[0]).mean())


def test_a_device_that_is_not_there_is_not_measured_and_says_why() -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    timings = bench.run([SMALL], ["torch nn.LSTM", "Keras 3 tf.function"], [FORWARD], ["cuda"], rounds=1)
    assert [(t.seconds, t.agrees) for t in timings] == [((), None)] * 2
    assert all(t.note.startswith("not measured: ") and "sees no CUDA device" in t.note for t in timings)


def test_a_framework_that_is_not_there_is_not_measured_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_tensorflow(name: str, *rest: Any) -> Any:
        if name == "tensorflow":
            raise ModuleNotFoundError("No module named 'tensorflow'", name="tensorflow")
        return real(name, *rest)

    monkeypatch.delitem(sys.modules, "harness.backends.timing_tensorflow", raising=False)
    monkeypatch.setattr(builtins, "__import__", without_tensorflow)
    timings = bench.run([SMALL], ["Keras 3 tf.function", "torch nn.LSTM"], [FORWARD], ["cpu"], rounds=1)
    assert timings[0].note == "not measured: tensorflow is not installed"
    assert timings[1].agrees is True


@pytest.mark.parametrize(
    "asked",
    [{"implementations": ["torch"]}, {"tasks": ["backward"]}, {"devices": ["tpu"]}],
    ids=lambda a: next(iter(a)),
)
def test_an_unknown_name_is_an_error_that_lists_the_known(asked: dict[str, Any]) -> None:
    with pytest.raises(PortingError, match="expected one of"):
        bench.run([SMALL], **asked)


def test_names_are_unique() -> None:
    names = [row.name for row in bench.IMPLEMENTATIONS]
    assert len(set(names)) == len(names)
