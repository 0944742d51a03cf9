"""What the benchmark does: what is set against each other, and in which processes.

All implementations of one cell, shape, task and device run interleaved, on the same inputs and mapped weights, in each
of several fresh processes; what needs a process of its own runs beside the same measure there. What can't be measured
here is recorded with the reason.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from harness import environment, threads
from harness.bench import fresh, growth, jobs, tools
from harness.bench.following import Say, Step, follow
from harness.bench.implementations import (
    BY_NAME,
    DEVICES,
    IMPLEMENTATIONS,
    MEASURE,
    PORTED_KERAS2,
    Implementation,
    chosen,
    known,
    obstacle,
)  # fmt: skip
from harness.bench.jobs import FORWARD, TRAINING, Group
from harness.bench.rounds import time_group, untimed
from harness.bench.speed import Figure, Roof, Shape, Start, Timing, merged
from harness.results import INTERRUPTED
from weight_mapping.errors import PortingError

SHAPES: tuple[Shape, ...] = (
    (1, 100, 64, 64), (4, 100, 128, 128), (8, 100, 128, 128), (32, 100, 128, 128), (32, 100, 64, 512),
    (1, 100, 512, 512), (1, 1000, 32, 32), (128, 100, 128, 256),
)  # fmt: skip
"""(batch, time, input, units): from one sample through a small layer to large batches and wide layers."""
TRAINED: tuple[Shape, ...] = ((1, 100, 64, 64), (32, 100, 128, 128), (32, 100, 64, 512))
"""Where a training step is timed, unless shapes are named."""
FEW_SHAPES: tuple[Shape, ...] = ((1, 100, 64, 64), (32, 100, 128, 128), (1, 1000, 32, 32))
"""One sample through a small layer, a training batch, a long sequence."""
STARTED: Shape = (32, 100, 128, 128)
"""Where memory and the first call are measured, unless shapes are named."""
SUITES = ("cells", "starts", "scaling", "tools")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is to be measured. `shapes` and `implementations` empty: the usual ones. `rounds`: the most in each process;
    `seconds`: after which a group ends early. `threads`: that every implementation is given."""

    suites: Sequence[str] = ("cells",)
    cells: Sequence[str] = ("lstm",)
    shapes: Sequence[Shape] = ()
    implementations: Sequence[str] = ()
    tasks: Sequence[str] = jobs.TASKS
    devices: Sequence[str] = DEVICES
    processes: int = 3
    rounds: int = 30
    seconds: float = 1.0
    threads: int = field(default_factory=threads.usable)

    def __post_init__(self) -> None:
        for asked, names, what in (
            (self.suites, SUITES, "suite"), (self.cells, jobs.CELLS, "cell"), (self.tasks, jobs.TASKS, "task"),
            (self.devices, DEVICES, "device"), (self.implementations, BY_NAME, "implementation"),
        ):  # fmt: skip
            known(asked, names, what)

    def groups(self) -> list[Group]:
        """What is timed side by side, group by group."""
        return [
            Group(cell=cell, shape=shape, task=task, device=device)
            for device in self.devices
            for cell in self.cells
            for task in self.tasks
            for shape in self.shapes or (SHAPES if task == FORWARD else TRAINED)
        ]


@dataclass(slots=True, kw_only=True)
class Found:
    """What has been measured so far."""

    parts: list[Timing] = field(default_factory=list)
    starts: list[Start] = field(default_factory=list)
    scaling: list[Timing] = field(default_factory=list)
    roof: Roof = field(default_factory=Roof)
    tools: list[Figure] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    """What was not measured as a whole, and why."""


def obstacles(device: str) -> dict[str, str | None]:
    """For every implementation why it can't be measured on this device, or None where it can."""
    return {row.name: obstacle(row, device) for row in IMPLEMENTATIONS}


def default(progress: Say | None = None) -> tuple[Timing, ...]:
    """The usual implementations at a few shapes, in this process: what a verification can spare."""
    found: list[Timing] = []
    for group in (Group(shape=shape, task=task) for shape in FEW_SHAPES for task in jobs.TASKS):
        if progress:
            progress(f"timing {group}")
        found += time_group(group, [row for row in chosen(None) if not row.apart], rounds=15, seconds=1.5)
    return tuple(found)


def steps(request: Request, found: Found, answers: str) -> list[Step]:
    """The way through a request, which fills `found`. `answers`: a folder for the oracle's."""
    made = [_roof(request, found)]
    for suite in request.suites:
        made += _STEPS[suite](request, found, answers)
    return made


def run(request: Request, say: Say) -> tuple[Found, list[Timing]]:
    """Measure what is asked for; what was found, and of it one Timing for every implementation and group, measured or
    not. Ctrl-C ends it: what was left is in the timings, not measured."""
    found, end = Found(), ""
    with tempfile.TemporaryDirectory(prefix="lstm-parity-") as answers:
        try:
            follow(steps(request, found, answers), say)
        except KeyboardInterrupt:
            end = INTERRUPTED
            found.failed["what was left to do"] = INTERRUPTED
    rows = chosen(request.implementations or None) if "cells" in request.suites else []
    done = {(t.implementation, t.group): t for t in merged(found.parts)}
    lost = end or found.failed.get("cells", "")
    missed = [untimed(row, group, _lacking(group.device) or lost) for group in request.groups() for row in rows]
    return found, [done.get((t.implementation, t.group), t) for t in missed]


def _lacking(device: str) -> str | None:
    """Why nothing at all is measured on this device, or None."""
    none = device == "cuda" and environment.cuda()["device"] == "none"
    return "this machine has no CUDA device" if none else None


def _roof(request: Request, found: Found) -> Step:
    def work() -> Iterator[object]:
        yield
        for told in _call("roof", found, "harness.backends.roof_torch:measure", request):
            found.roof = Roof(**told)
            yield

    return Step(title="this machine", parts=["matrix products, memory"], work=work, ready=1, each=6)


def _cells(request: Request, found: Found, answers: str) -> list[Step]:
    """In each process all groups; then those that need one of their own, with the first of the others as measure."""
    rows = chosen(request.implementations or None)
    together = [row for row in rows if not row.apart]
    lots = [together] if together else []
    lots += [[*together[:1], row] for row in rows if row.apart]
    groups = [group for group in request.groups() if not _lacking(group.device)]
    return [
        _timing(request, found, answers, lot, groups, title)
        for lot in lots
        for name in ["side by side" if lot is together else f"{lot[-1].name} apart"]
        for title in (f"{name}, process {n + 1} of {request.processes}" for n in range(request.processes))
    ]


def _timing(
    request: Request, found: Found, answers: str, rows: Sequence[Implementation], groups: Sequence[Group], title: str
) -> Step:
    kept = {row.name for row in rows} if not rows[-1].apart else {rows[-1].name}

    def work() -> Iterator[object]:
        yield
        for told in _call(
            "cells", found, "harness.bench.rounds:time_groups", request, groups=[asdict(g) for g in groups],
            implementations=[row.name for row in rows], rounds=request.rounds, seconds=request.seconds, answers=answers,
        ):  # fmt: skip
            found.parts += [t for t in map(_timing_of, told) if t.implementation in kept]
            yield

    each = 0.2 + 0.6 * len(rows) + 1.5 * request.seconds if groups else 0
    return Step(title=title, parts=[str(group) for group in groups], work=work, ready=2 + 0.5 * len(rows), each=each)


def _starts(request: Request, found: Found, _answers: str) -> list[Step]:
    asked = [
        (Group(cell=cell, shape=shape, task=task), row)
        for cell in request.cells
        for shape in request.shapes or (STARTED,)
        for task in request.tasks
        for row in chosen(request.implementations or None)
        if not (task == TRAINING and row.adapter in ("timing_onnx", "timing_openvino"))
    ]

    def work() -> Iterator[object]:
        yield
        for group, row in asked:
            for told in _call(
                f"first call of {row.name}", found, "harness.bench.rounds:time_start", request, group=asdict(group),
                implementation=row.name,
            ):  # fmt: skip
                found.starts.append(Start(**{**told, "shape": tuple(told["shape"])}))
            yield

    parts = [f"{row.name}, {group.task}" for group, row in asked]
    return [Step(title="first call and memory, a fresh process each", parts=parts, work=work, ready=0, each=5)]


def _scaling(request: Request, found: Found, answers: str) -> list[Step]:
    groups = [Group(cell=cell, shape=shape, layers=n) for cell in request.cells for shape, n in growth.sizes()]

    def work() -> Iterator[object]:
        yield
        for told in _call(
            "scaling", found, "harness.bench.rounds:time_groups", request, groups=[asdict(g) for g in groups],
            implementations=[MEASURE, PORTED_KERAS2], rounds=10, seconds=0.3, answers=answers,
        ):  # fmt: skip
            found.scaling += map(_timing_of, told)
            yield

    return [Step(title="scaling", parts=[str(group) for group in groups], work=work, ready=3, each=1.2)]


def _tools(request: Request, found: Found, _answers: str) -> list[Step]:
    return tools.steps(found.tools, found.failed, threads.environment(request.threads))


_STEPS = {"cells": _cells, "starts": _starts, "scaling": _scaling, "tools": _tools}


def _call(what: str, found: Found, function: str, request: Request, **arguments: Any) -> Iterator[Any]:
    """What a fresh process measures; where it dies, that is noted and the rest goes on."""
    try:
        yield from fresh.call(function, threads.environment(request.threads), **arguments)
    except PortingError as error:
        found.failed[what] = str(error)


def _timing_of(told: dict[str, Any]) -> Timing:
    return Timing(**{name: tuple(value) if isinstance(value, list) else value for name, value in told.items()})
