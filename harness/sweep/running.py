"""A sweep of many cases: drawn by Hypothesis, measured by `workers`, logged, and each failure made small."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Flaky

from harness import workers
from harness.backends import Backend
from harness.results import FAILS
from harness.sweep import journal
from harness.sweep.measuring import CRASHED, Outcome, measure
from harness.sweep.samples import Sample
from harness.sweep.strategies import groups

Group = tuple[Sample, ...]
Item = tuple[int, Group]
"""A group and the number of its chunk."""
CHUNK = 50
"""So many groups are drawn under one seed."""


def drawn(count: int, sweep_seed: int) -> Iterator[Item]:
    """So many different samples in their groups, each with the number of its chunk; the same for one seed each time."""
    seen: set[str] = set()
    chunk = 0
    while len(seen) < count:
        for group in _chunk(sweep_seed, chunk):
            fresh = tuple(sample for sample in group if sample.id not in seen)[: count - len(seen)]
            seen.update(sample.id for sample in fresh)
            if fresh:
                yield chunk, fresh
        chunk += 1


def _chunk(sweep_seed: int, chunk: int) -> list[Group]:
    found: list[Group] = []
    _hypothesis(sweep_seed, chunk, found.append, (Phase.generate,))
    return found


def _hypothesis(sweep_seed: int, chunk: int, body: Callable[[Group], None], phases: Sequence[Phase]) -> None:
    options = settings(
        max_examples=CHUNK, phases=phases, database=None, deadline=None, derandomize=False, print_blob=False,
        suppress_health_check=list(HealthCheck), report_multiple_bugs=False,
    )  # fmt: skip
    seed((sweep_seed << 32) + chunk)(options(given(groups())(lambda group: body(group))))()


class _Still(Exception):
    """A smaller sample that fails as the first one did."""


def shrunk(outcome: Outcome, sweep_seed: int, chunk: int, backends: Sequence[Backend]) -> Outcome:
    """The smallest sample that Hypothesis finds to fail in the same backends. Its search starts from the group that
    failed, which is met again under the same seed; until then nothing counts as a failure."""
    failing = {failure.split(":")[0] for failure in outcome.failures}
    met: list[int] = []
    best = outcome

    def body(group: Group) -> None:
        nonlocal best
        if not met:
            met.extend(n for n, sample in enumerate(group) if sample.id == outcome.case)
        if not met:
            return
        for found in measure(group[met[0] :][:1], backends):
            if found.verdict == FAILS and failing <= {failure.split(":")[0] for failure in found.failures}:
                best = found
                raise _Still

    with suppress(_Still, Flaky):
        _hypothesis(sweep_seed, chunk, body, (Phase.generate, Phase.shrink))
    return best


def run(
    count: int, sweep_seed: int, names: Sequence[str], path: Path, *, jobs: int, done: Callable[[Outcome], None],
    known: Callable[[int], None] = lambda _: None,
) -> dict[str, tuple[int, Outcome]]:  # fmt: skip
    """The outcomes by case, each with its chunk: those that the log at `path` has already, and the others measured and
    logged. `known` is told how many that log has, `done` of each measured one. Ctrl-C ends it with what is done."""
    stamp = journal.stamp(tuple(names))
    before = journal.read(path, stamp)
    known(min(count, len(before)))
    found: dict[str, tuple[int, Outcome]] = {}
    with journal.opened(path) as log, suppress(KeyboardInterrupt):
        todo = _todo(count, sweep_seed, before, found)
        for chunk, outcome in _measured(todo, names, jobs):
            journal.append(log, outcome, stamp)
            found[outcome.case] = chunk, outcome
            done(outcome)
    return found


def _todo(
    count: int, sweep_seed: int, known: Mapping[str, Outcome], found: dict[str, tuple[int, Outcome]]
) -> Iterator[Item]:
    """The groups without what is known, which goes into `found`."""
    for chunk, group in drawn(count, sweep_seed):
        found |= {sample.id: (chunk, known[sample.id]) for sample in group if sample.id in known}
        rest = tuple(sample for sample in group if sample.id not in known)
        if rest:
            yield chunk, rest


def _measured(todo: Iterator[Item], names: Sequence[str], jobs: int) -> Iterator[tuple[int, Outcome]]:
    for (chunk, _), outcomes in workers.results(todo, TASK, names, jobs):
        yield from ((chunk, outcome) for outcome in outcomes)


def work(item: Item, backends: Sequence[Backend]) -> list[Outcome]:
    return list(measure(item[1], backends))


def _parts(item: Item) -> list[Item]:
    return [(item[0], (sample,)) for sample in item[1]]


def _died(item: Item) -> list[Outcome]:
    why = ("the process died",)
    return [Outcome(case=s.id, title=s.title, verdict=CRASHED, seconds=0.0, failures=why) for s in item[1]]


TASK = workers.Task(work=work, parts=_parts, died=_died)
