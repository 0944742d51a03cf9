"""A benchmark's results as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.bench.intervals import Interval, in_words
from harness.bench.speed import Figure, Timing, differences, groups, moves
from harness.bench.work import gigaflops, share
from harness.results import Results


def tables(results: Results) -> Iterator[str]:
    """The whole of a benchmark: times, ratios, the machine, first calls, the goals, what was not measured."""
    width = max((len(t.implementation) for t in results.timings), default=0)
    for group in groups(results.timings):
        measured = [t for t in group if t.time]
        if not measured:
            continue
        count = max(len(t.processes) for t in measured) or 1
        yield f"\n{title(group[0])}; {count} processes; ratios are to {_measure(measured)}"
        for t in measured:
            wrong = "  WRONG ANSWER" if t.agrees is False else ""
            part = share(t, results.roof)
            reached = f"{_short(gigaflops(t))} GFLOP/s" + (f", {100 * part:3.0f} % of the roof" if part else "")
            ratio = in_words(t.ratio) if t.ratio else ""
            yield f"  {t.implementation:{width}}  {_milliseconds(t.time)}  {reached}  {ratio}{wrong}".rstrip()
    yield from _beside(results)
    if results.figures:
        yield "\nAgainst the goals (? where the interval holds the goal)"
        yield from map(goal_line, results.figures)
    if results.not_measured:
        yield "\nNot measured"
        yield from (f"  {name}: {why.removeprefix('not measured: ')}" for name, why in results.not_measured.items())


def _beside(results: Results) -> Iterator[str]:
    if results.roof.gemm:
        yield "\nThis machine, measured"
        yield from (f"  matrix product {sizes}: {rate:.0f} GFLOP/s" for sizes, rate in results.roof.gemm.items())
        yield from (f"  reading {size} over and over: {rate:.0f} GB/s" for size, rate in results.roof.bandwidth.items())
    measured = [one for one in results.starts if one.first]
    if measured:
        yield "\nFirst call (built, compiled, called) and memory over ten calls, each in a fresh process"
        width = max(len(one.implementation) for one in measured)
        for one in measured:
            memory = "" if one.memory is None else f"{one.memory:8.1f} MiB"
            sizes = " x ".join(map(str, one.shape))
            cost = f"{one.first:7.3f} s  {memory}  {one.note}"
            yield f"  {one.implementation:{width}}  {one.task:13}  {sizes}  {cost}".rstrip()


def goal_line(one: Figure) -> str:
    """A figure beside its goal, and whether it is met."""
    if one.value is None:
        return f"  not measured  {one.name}"
    mark = {True: "met", False: "SHORT", None: ""}[one.met] + ("?" if one.met is not None and one.sure is False else "")
    interval = f" ({_short(one.low)} to {_short(one.high)})" if one.low is not None else ""
    asked = f"; asked: {one.goal}" if one.met is not None else ""
    note = f"  [{one.note}]" if one.note else ""
    return f"  {mark:12}  {one.name}: {_short(one.value)}{interval} {one.unit}{asked}{note}"


def comparison(new: Results, old: Results) -> Iterator[str]:
    """What may be said of two runs: nothing but where they differ, or which timings moved."""
    yield "\nAgainst the earlier run"
    if apart := differences(new.environment, old.environment):
        yield "  not compared: the environments differ, and so would the times"
        yield from (f"  {name} is another" for name in apart)
        return
    found = moves(new.timings, old.timings)
    for move in found:
        if move.kind != "even":
            kind = move.kind.upper() if move.kind == "slower" else move.kind
            words = in_words(move.ratio, move.confidence)
            yield f"  {kind}: {move.timing.implementation}, {title(move.timing)}: {words}"
    even = sum(move.kind == "even" for move in found)
    yield f"  {len(found)} compared; {even} without a significant difference (95 % for all together)"


def _measure(measured: Sequence[Timing]) -> str:
    return next((t.implementation for t in measured if t.measure == t.seconds), "the first in each process")


def title(t: Timing) -> str:
    """What is timed, in words."""
    batch, time, inputs, units = t.shape
    return f"{t.cell} {t.task}, batch {batch}, time {time}, input {inputs}, units {units}, {t.device}"


def _milliseconds(time: Interval | None) -> str:
    assert time
    return f"{time.median * 1e3:9.3f} ms ({time.low * 1e3:.3f} to {time.high * 1e3:.3f})"


def _short(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
