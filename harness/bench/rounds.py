"""What one process measures: a group's implementations in interleaved rounds, each answer held to the float64 oracle
before and after; and what one implementation costs before its second call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

from harness.bench import jobs, stopwatch
from harness.bench.implementations import BY_NAME, Implementation, adapter, obstacle
from harness.bench.jobs import Group, Job, Prepared
from harness.bench.speed import Start, Timing
from harness.folder import peak
from weight_mapping.errors import PortingError

_CALLS = 10


def time_group(
    group: Group, rows: Sequence[Implementation], *, rounds: int, seconds: float, answers: Path | None = None
) -> list[Timing]:
    """One Timing for every row, measured or not. `rounds` is the most that each is timed; it stops early once `seconds`
    are spent and 6 rounds are done, the fewest that give a median a 95 % interval. The first row that is measured is
    the measure."""
    reasons = {row.name: reason for row in rows if (reason := obstacle(row, group.device))}
    able = [(row, adapter(row)) for row in rows if row.name not in reasons]
    made = {gate: jobs.make(group, gate, answers) for gate in {row.gate for row, _ in able}}
    ready: list[tuple[Implementation, Job, Prepared]] = []
    with ExitStack() as precision:
        for module in {module for _, module in able}:
            precision.enter_context(module.full_precision())
        for row, module in able:
            job = made[row.gate]
            try:
                ready.append((row, job, module.prepare(job, form=row.form)))
            except (ImportError, PortingError) as error:
                reasons[row.name] = str(error)
        before = [job.agrees(prepared.answer()) for _, job, prepared in ready]
        figures = stopwatch.interleave([prepared.run for _, _, prepared in ready], rounds=rounds, seconds=seconds)
        after = [job.agrees(prepared.answer()) for _, job, prepared in ready]
    timing = partial(Timing, **asdict(group))
    done = {
        row.name: timing(
            implementation=row.name, seconds=spent, measure=figures[0], agrees=first and last,
            note="TF32 off" if group.device == "cuda" else "",
        )
        for (row, _, _), spent, first, last in zip(ready, figures, before, after, strict=True)
    }  # fmt: skip
    return [done.get(row.name) or untimed(row, group, reasons[row.name]) for row in rows]


def untimed(row: Implementation, group: Group, reason: str) -> Timing:
    return Timing(implementation=row.name, seconds=(), note=f"not measured: {reason}", **asdict(group))


def time_groups(
    groups: Iterable[dict[str, Any]], implementations: Iterable[str], rounds: int, seconds: float, answers: str
) -> Iterator[list[dict[str, Any]]]:
    """`time_group` for each, in plain data: what a fresh process is asked for."""
    rows = [BY_NAME[name] for name in implementations]
    for told in groups:
        group = _group(told)
        yield [asdict(t) for t in time_group(group, rows, rounds=rounds, seconds=seconds, answers=Path(answers))]


def time_start(group: dict[str, Any], implementation: str) -> Iterator[dict[str, Any]]:
    """A Start as plain data; this process must be fresh."""
    asked, row = _group(group), BY_NAME[implementation]
    told = Start(implementation=row.name, task=asked.task, device=asked.device, shape=asked.shape, cell=asked.cell)
    if reason := obstacle(row, asked.device):
        yield asdict(replace(told, note=f"not measured: {reason}"))
        return
    module, job = adapter(row), jobs.make(asked, row.gate)
    with module.full_precision():
        peak.reset()
        held, start = peak.mib(), perf_counter()
        try:
            prepared = module.prepare(job, form=row.form)
        except (ImportError, PortingError) as error:
            yield asdict(replace(told, note=f"not measured: {error}"))
            return
        prepared.run()
        first = perf_counter() - start
        for _ in range(_CALLS - 1):
            prepared.run()
        most = peak.mib()
        right = job.agrees(prepared.answer())
    memory = None if most is None or held is None else most - held
    yield asdict(replace(told, first=first, memory=memory, note="" if right else "WRONG ANSWER"))


def _group(told: dict[str, Any]) -> Group:
    batch, time, inputs, units = told["shape"]
    return Group(**{**told, "shape": (batch, time, inputs, units)})
