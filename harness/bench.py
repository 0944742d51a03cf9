"""The benchmark: which implementations are timed, and how they are set against each other.

All implementations of one shape, task and device run interleaved in one process, on the same inputs and mapped weights.
Each one's answer is held to the float64 oracle before and after timing. What can't be measured here is recorded with
the reason. An implementation is a row.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any

from harness import jobs, stopwatch
from harness.jobs import Job, Prepared, Shape
from harness.results import INTERRUPTED, Timing
from weight_mapping.activations import Activation, activation, hard_sigmoid
from weight_mapping.errors import PortingError

Progress = Callable[[str], None]
SHAPES: tuple[Shape, ...] = (
    (1, 100, 64, 64), (4, 100, 128, 128), (8, 100, 128, 128), (32, 100, 128, 128), (32, 100, 64, 512),
    (1, 100, 512, 512), (1, 1000, 32, 32), (128, 100, 128, 256),
)  # fmt: skip
"""(batch, time, input, units): from one sample through a small layer to large batches and wide layers."""
FEW_SHAPES: tuple[Shape, ...] = ((1, 100, 64, 64), (32, 100, 128, 128), (1, 1000, 32, 32))
"""One sample through a small layer, a training batch, a long sequence."""
DEVICES = ("cpu", "cuda")
_SIGMOID = activation("sigmoid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Implementation:
    """`adapter` is a module of `harness.backends` and `form` what its `prepare` makes. `usual` ones are timed unless
    others are named."""

    name: str
    adapter: str
    form: str
    recurrent_activation: Activation = _SIGMOID
    usual: bool = True


IMPLEMENTATIONS: tuple[Implementation, ...] = (
    Implementation(name="torch nn.LSTM", adapter="timing_torch", form="bare"),
    Implementation(name="torch port", adapter="timing_torch", form="port"),
    Implementation(name="torch KerasLSTM", adapter="timing_torch", form="keras"),
    Implementation(
        name="torch port, hard_sigmoid 1/5", adapter="timing_torch", form="port",
        recurrent_activation=hard_sigmoid(1 / 5),
    ),
    Implementation(
        name="torch port, hard_sigmoid 1/5, step by step", adapter="timing_torch", form="steps",
        recurrent_activation=hard_sigmoid(1 / 5),
    ),
    Implementation(name="Keras 3 tf.function", adapter="timing_tensorflow", form="keras function"),
    Implementation(name="Keras 3 XLA", adapter="timing_tensorflow", form="keras xla", usual=False),
    Implementation(name="Keras 3 eager", adapter="timing_tensorflow", form="keras eager", usual=False),
    Implementation(name="tf_keras tf.function", adapter="timing_tensorflow", form="tf_keras function"),
    Implementation(
        name="tf_keras tf.function, hard_sigmoid 1/5", adapter="timing_tensorflow", form="tf_keras function",
        recurrent_activation=hard_sigmoid(1 / 5), usual=False,
    ),
    Implementation(name="ONNX Runtime", adapter="timing_onnx", form="operator"),
    Implementation(
        name="ONNX Runtime, hard_sigmoid 1/5", adapter="timing_onnx", form="operator",
        recurrent_activation=hard_sigmoid(1 / 5),
    ),
)  # fmt: skip


def obstacles(device: str) -> dict[str, str | None]:
    """For every implementation why it can't be measured on this device, or None where it can."""
    return {row.name: _obstacle(row, device) for row in IMPLEMENTATIONS}


def usual() -> tuple[str, ...]:
    return tuple(row.name for row in IMPLEMENTATIONS if row.usual)


def default(progress: Progress | None = None) -> tuple[Timing, ...]:
    """The usual implementations at a few shapes within the time that a verification can spare."""
    return run(FEW_SHAPES, rounds=15, seconds=1.5, progress=progress)


def run(
    shapes: Iterable[Shape] = SHAPES,
    implementations: Iterable[str] | None = None,
    tasks: Iterable[str] = jobs.TASKS,
    devices: Iterable[str] = DEVICES,
    *,
    rounds: int = 30,
    seconds: float = 10.0,
    progress: Progress | None = None,
) -> tuple[Timing, ...]:
    """One Timing for every shape, task, device and implementation, measured or not.

    `rounds` is the most that each is timed; a group of the same shape, task and device stops early once `seconds` are
    spent and 6 rounds are done, the fewest that give a median a 95 % interval. PortingError names an implementation,
    task or device that is not known. Ctrl-C ends it: what was left is in the timings, not measured."""
    named = {row.name: row for row in IMPLEMENTATIONS}
    chosen = usual() if implementations is None else implementations
    rows = [named[name] for name in _known(chosen, named, "implementation")]
    devices, shapes, tasks = _known(devices, DEVICES, "device"), list(shapes), _known(tasks, jobs.TASKS, "task")
    plan = [(shape, task, device) for device in devices for shape in shapes for task in tasks]
    timings: list[Timing] = []
    try:
        for shape, task, device in plan:
            if progress and any(_obstacle(row, device) is None for row in rows):
                progress(f"timing {task} {shape} on {device}")
            timings += _group(shape, task, device, rows, rounds, seconds)
    except KeyboardInterrupt:
        left = plan[len(timings) // len(rows) :]
        timings += [_untimed(row, shape, task, device, INTERRUPTED) for shape, task, device in left for row in rows]
    return tuple(timings)


def _untimed(row: Implementation, shape: Shape, task: str, device: str, reason: str) -> Timing:
    note = f"not measured: {reason}"
    return Timing(implementation=row.name, shape=shape, task=task, device=device, seconds=(), note=note)


def _group(
    shape: Shape, task: str, device: str, rows: Sequence[Implementation], rounds: int, seconds: float
) -> list[Timing]:
    timing = partial(Timing, shape=shape, task=task, device=device)
    reasons = {row.name: reason for row in rows if (reason := _obstacle(row, device))}
    able = [(row, adapter(row)) for row in rows if row.name not in reasons]
    made = {a: jobs.make(shape, a, task) for a in {row.recurrent_activation for row, _ in able}}
    ready: list[tuple[Implementation, Job, Prepared]] = []
    with ExitStack() as precision:
        for module in {module for _, module in able}:
            precision.enter_context(module.full_precision())
        for row, module in able:
            job = made[row.recurrent_activation]
            try:
                ready.append((row, job, module.prepare(job, form=row.form, device=device)))
            except (ImportError, PortingError) as error:
                reasons[row.name] = str(error)
        before = [job.agrees(prepared.answer()) for _, job, prepared in ready]
        figures = stopwatch.interleave([prepared.run for _, _, prepared in ready], rounds=rounds, seconds=seconds)
        after = [job.agrees(prepared.answer()) for _, job, prepared in ready]
    note = "TF32 off" if device == "cuda" else ""
    done = {
        row.name: timing(implementation=row.name, seconds=spent, agrees=first and last, note=note)
        for (row, _, _), spent, first, last in zip(ready, figures, before, after, strict=True)
    }
    return [
        done[row.name] if row.name in done else _untimed(row, shape, task, device, reasons[row.name]) for row in rows
    ]


def adapter(row: Implementation) -> Any:
    return importlib.import_module(f"harness.backends.{row.adapter}")


def _obstacle(row: Implementation, device: str) -> str | None:
    try:
        reason: str | None = adapter(row).missing(row.form, device)
    except ImportError as error:
        return f"{error.name or row.adapter} is not installed"
    return reason


def _known(asked: Iterable[str], known: Collection[str], what: str) -> list[str]:
    chosen = list(asked)
    for name in chosen:
        if name not in known:
            raise PortingError(f"there is no {what} {name!r}", expected=f"one of {', '.join(known)}")
    return chosen


def groups(timings: Iterable[Timing]) -> list[list[Timing]]:
    """The timings that ran side by side: same shape, task and device, in their order."""
    return [list(group) for _, group in groupby(timings, key=lambda t: (t.shape, t.task, t.device))]
