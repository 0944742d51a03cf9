"""A process measures right answers only, and says why where it can't measure."""

from __future__ import annotations

import builtins
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.bench import jobs, rounds
from harness.bench.implementations import BY_NAME, IMPLEMENTATIONS, MEASURE, PORTED_KERAS2, adapter
from harness.bench.jobs import CELLS, TASKS, TRAINING, Group, Job
from harness.bench.speed import Timing
from weight_mapping.activations import activation, hard_sigmoid

SMALL = (2, 11, 5, 3)
SQUARE = (4, 4, 4, 4)
SIGMOID = activation("sigmoid")


def timed(group: Group, *names: str) -> list[Timing]:
    return rounds.time_group(group, [BY_NAME[name] for name in names], rounds=1, seconds=1.0)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("shape", "layers"), [(SMALL, 2), (SQUARE, 1)], ids=["sizes differ, stacked", "square"])
def test_every_implementation_gives_the_oracle_s_answer(cell: str, shape: jobs.Shape, layers: int) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    names = [row.name for row in IMPLEMENTATIONS if not row.apart]
    for task in TASKS:
        timings = timed(Group(cell=cell, shape=shape, task=task, layers=layers), *names)
        assert [t.implementation for t in timings] == names
        assert [t.implementation for t in timings if t.seconds and t.agrees is not True] == []
        measured = [t for t in timings if t.seconds]
        assert PORTED_KERAS2 in {t.implementation for t in measured}
        assert {t.measure for t in measured} == {measured[0].seconds}
        for t in timings:
            assert t.seconds or t.note.startswith("not measured: ")


def test_a_gru_that_resets_before_the_product_is_none_of_pytorch_s() -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    bare, _ = timed(Group(cell="gru-reset-before", shape=SMALL), MEASURE, PORTED_KERAS2)
    assert not bare.seconds and "reset_after=False" in bare.note


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(
    "wrong", ["gates swapped", "forget bias doubled", "other hard_sigmoid", "recurrent transposed"]
)
def test_a_wrong_answer_is_flagged(monkeypatch: pytest.MonkeyPatch, task: str, wrong: str) -> None:
    """The port is built from a job that differs from the one it is judged by."""
    real = adapter(BY_NAME[MEASURE])

    def prepare(job: Job, **options: Any) -> jobs.Prepared:
        return real_prepare(_mistaken(job, wrong), **options)

    real_prepare = real.prepare
    monkeypatch.setattr(real, "prepare", prepare)
    assert [t.agrees for t in timed(Group(shape=SQUARE, task=task), PORTED_KERAS2)] == [False]


def _mistaken(job: Job, wrong: str) -> Job:
    weights = job.weights[("0",)]
    bias = weights.bias
    assert bias is not None
    match wrong:
        case "gates swapped":
            other = replace(weights, kernel=weights.kernel[[1, 0, 2, 3]])
        case "forget bias doubled":
            other = replace(weights, bias=bias * np.array([1, 2, 1, 1], bias.dtype)[:, None])
        case "recurrent transposed":
            other = replace(weights, recurrent=weights.recurrent.swapaxes(1, 2))
        case _:
            cell = replace(job.cell, recurrent_activation=hard_sigmoid(1 / 6))
            return replace(job, layer=replace(job.layer, cells=(cell,)))
    return replace(job, weights={("0",): other})


def test_an_answer_that_turns_wrong_while_timed_is_flagged(monkeypatch: pytest.MonkeyPatch) -> None:
    real = adapter(BY_NAME[MEASURE])
    answers = iter([1.0, 1.5])

    def prepare(job: Job, **_: Any) -> jobs.Prepared:
        return jobs.Prepared(run=lambda: None, answer=lambda: {"outputs": job.answer["outputs"] * next(answers)})

    monkeypatch.setattr(real, "prepare", prepare)
    (timing,) = timed(Group(shape=SMALL), "port")
    assert timing.agrees is False


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("task", TASKS)
def test_a_single_nan_never_agrees(task: str, bad: float) -> None:
    job = jobs.make(Group(shape=SMALL, task=task), SIGMOID)
    for name, right in job.answer.items():
        spoiled = right.copy()
        spoiled.flat[-1] = bad
        assert job.agrees(job.answer)
        assert not job.agrees({**job.answer, name: spoiled})
        assert not job.agrees({**job.answer, name: right[..., :-1]})
    assert not job.agrees({})


def test_the_gradients_of_a_job_are_those_of_its_loss() -> None:
    """Central differences of the mean squared output, in float64, at one weight of each array of the second layer."""
    job = jobs.make(Group(shape=SMALL, task=TRAINING, layers=2), SIGMOID)
    for name, place in (("kernel", (1, 2, 2)), ("recurrent", (3, 0, 1)), ("bias", (0, 2, 1))):
        step = 1e-6
        up, down = (_loss(job, name, place, by) for by in (step, -step))
        # Truncation is O(step^2) and rounding O(2^-53 / step), both far below 1e-8.
        assert job.answer[f"1/{name}"][place] == pytest.approx((up - down) / (2 * step), abs=1e-8)


def _loss(job: Job, name: str, place: tuple[int, ...], by: float) -> float:
    weights = dict(job.weights)
    own = weights[("1",)]
    array = getattr(own, name).astype(np.float64)
    array[place] += by
    wider: Mapping[str, Any] = {n: a.astype(np.float64) for n, a in own.arrays()} | {name: array}
    weights[("1",)] = replace(own, **wider)
    trace = jobs.oracle.forward(job.layer, weights, job.x.astype(np.float64))
    return float(np.square(trace.outputs[0]).mean())


def test_the_next_process_finds_the_oracle_s_answers(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    group = Group(shape=SMALL, task=TRAINING)
    first = jobs.make(group, SIGMOID, tmp_path).answer
    monkeypatch.setattr(jobs.oracle, "forward", None)
    again = jobs.make(group, SIGMOID, tmp_path).answer
    assert first.keys() == again.keys() and all((first[name] == again[name]).all() for name in first)
    with pytest.raises(TypeError):
        jobs.make(group, hard_sigmoid(1 / 5), tmp_path)


def test_an_rnn_has_its_own_activation_changed() -> None:
    job = jobs.make(Group(cell="rnn", shape=SMALL), hard_sigmoid(1 / 5))
    assert job.cell.activation == hard_sigmoid(1 / 5)
    assert jobs.make(Group(cell="rnn", shape=SMALL), SIGMOID).cell.activation == activation("tanh")


def test_a_device_that_is_not_there_is_not_measured_and_says_why() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    timings = timed(Group(shape=SMALL, device="cuda"), MEASURE, "Keras 3 tf.function")
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
    keras, bare = timed(Group(shape=SMALL), "Keras 3 tf.function", MEASURE)
    assert keras.note == "not measured: tensorflow is not installed"
    assert bare.agrees is True


def test_what_an_engine_refuses_is_not_measured_and_says_why() -> None:
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    sigmoid, hard = timed(Group(shape=SMALL), "OpenVINO", "OpenVINO, hard_sigmoid 1/5")
    assert sigmoid.agrees is True
    assert not hard.seconds and "OpenVINO refuses the layer" in hard.note


def test_asking_what_can_be_measured_chooses_no_backend_for_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("keras", reason="Keras is not installed")
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    assert rounds.obstacle(BY_NAME["Keras 3 on PyTorch"], "cpu") is None
    assert "KERAS_BACKEND" not in os.environ


def test_names_are_unique() -> None:
    assert len(BY_NAME) == len(IMPLEMENTATIONS)
