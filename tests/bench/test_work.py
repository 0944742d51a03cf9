"""Operations, roofs, growth, goals and comparisons: arithmetic on timings whose answer is known."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest

from harness.bench import goals, growth, work
from harness.bench.implementations import MEASURE, PORTED_KERAS2
from harness.bench.speed import Roof, Timing, between, differences, moves
from harness.bench.tools import command_figures, folder_figures

ONE = Timing(implementation=MEASURE, task="forward", device="cpu", shape=(2, 10, 3, 5), seconds=(1e-6,) * 6)
ROOF = Roof(gemm={"big": 100.0, "small": 10.0}, bandwidth={"64 KiB": 50.0, "64 MiB": 5.0})


@pytest.mark.parametrize(("cell", "gates"), [("lstm", 4), ("gru", 3), ("gru-reset-before", 3), ("rnn", 1)])
def test_operations_are_counted_product_by_product(cell: str, gates: int) -> None:
    one = replace(ONE, cell=cell)
    by_input, by_state = 2 * gates * 5 * 3, 2 * gates * 5 * 5
    assert work.flops(one) == 2 * 10 * (by_input + by_state)
    # Backwards: both matrices' gradients, and the state's; the input of the first layer needs none.
    assert work.flops(replace(one, task="training step")) == 2 * 10 * (2 * by_input + 3 * by_state)
    stacked = 2 * 10 * (2 * by_input + 3 * by_state + 3 * by_state + 3 * by_state)
    assert work.flops(replace(one, task="training step", layers=2)) == stacked


def test_the_roof_is_the_tighter_of_products_and_memory() -> None:
    narrow, wide = replace(ONE, shape=(1, 10, 1, 64)), replace(ONE, shape=(512, 10, 512, 64))
    reads = 10 * 4 * 4 * 64 * 64 / 50e9
    assert work.least_seconds(narrow, ROOF) == pytest.approx(reads)
    assert work.least_seconds(wide, ROOF) == pytest.approx(work.flops(wide) / 100e9)
    assert work.share(replace(narrow, seconds=(2 * reads,) * 6), ROOF) == pytest.approx(0.5)
    assert work.least_seconds(narrow, Roof()) is None
    assert work.least_seconds(narrow, Roof(gemm={"x": math.nan}, bandwidth={"nonsense": 1.0})) is None


def grown(power: float) -> list[Timing]:
    """Timings that take the work to this power."""
    made = []
    for shape, layers in growth.sizes():
        t = replace(ONE, implementation=PORTED_KERAS2, shape=shape, layers=layers)
        made.append(replace(t, seconds=((work.flops(t) / 1e9) ** power,) * 6))
    return made


@pytest.mark.parametrize("power", [0.7, 1.0, 1.5])
def test_growth_finds_the_exponent_and_the_goal_judges_it(power: float) -> None:
    lines = growth.lines(grown(power))
    assert [line.axis for line in lines] == list(growth.AXES)
    assert [line.exponent.median for line in lines if line.exponent] == pytest.approx([power] * 4)
    assert [len(line.points) for line in lines] == [len(values) for values in growth.AXES.values()]
    assert {one.met for one in goals.figures([], grown(power))} == {power <= 1.1}


def test_the_exponents_ends_are_where_the_points_intervals_turn_the_line() -> None:
    """Every median lies on the line, and every interval reaches from half of it to twice."""
    rng = random.Random(0)
    spread = [replace(t, seconds=tuple(t.seconds[0] * 2 ** rng.uniform(-1, 1) for _ in range(40))) for t in grown(1.0)]
    for line in growth.lines(spread):
        p, (_, first), (_, last) = line.exponent, line.points[-3], line.points[-1]
        assert p and p.low < p.median < p.high and first.time and last.time
        if line.axis == "time":  # evenly apart: the one in the middle turns nothing
            octaves = math.log(work.flops(last) / work.flops(first))
            assert p.high == pytest.approx(math.log(last.time.high / first.time.low) / octaves)
            assert p.low == pytest.approx(math.log(last.time.low / first.time.high) / octaves)


def rival(name: str, factor: float, shape: tuple[int, int, int, int] = (1, 100, 64, 64)) -> Timing:
    rng = random.Random(3)
    measure = tuple(1e-3 * rng.uniform(0.9, 1.1) for _ in range(30))
    seconds = tuple(s * factor * rng.uniform(0.99, 1.01) for s in measure)
    return replace(
        ONE, implementation=name, shape=shape, seconds=measure if name == MEASURE else seconds, measure=measure,
        processes=(10, 10, 10), agrees=True,
    )  # fmt: skip


@pytest.mark.parametrize(("factor", "met", "sure"), [(0.4, True, True), (0.6, False, True), (0.5, None, False)])
def test_the_worst_shape_decides_and_the_interval_how_surely(factor: float, met: bool | None, sure: bool) -> None:
    shapes = ((1, 100, 64, 64), (1, 1000, 32, 32))
    timings = [rival(MEASURE, 1, shape) for shape in shapes] + [
        rival(PORTED_KERAS2, 0.1, shapes[0]), rival(PORTED_KERAS2, factor, shapes[1])
    ]  # fmt: skip
    one = next(f for f in goals.figures(timings, []) if "one sample" in f.name)
    assert one.value == pytest.approx(1 / factor, rel=0.02)
    assert one.sure is sure and "1 x 1000 x 32 x 32" in one.note
    if met is not None:
        assert one.met is met


def test_side_by_side_is_compared_round_by_round() -> None:
    """The rounds share a mood that hides 2 % from anyone who does not pair them."""
    rng = random.Random(5)
    mood = tuple(math.exp(rng.gauss(0, 0.3)) for _ in range(30))
    one = replace(ONE, seconds=mood, measure=mood, processes=(10, 10, 10))
    two = replace(one, seconds=tuple(1.02 * m for m in mood))
    paired = between(one, two)
    assert paired and paired.significant() and paired.median == pytest.approx(1.02)
    apart = between(one, replace(two, measure=two.seconds))
    assert apart and not apart.significant()


def test_one_comparison_among_many_needs_more_than_its_own_luck() -> None:
    """Equal things, compared a hundred at a time: at most 5 % of the runs call any of them different."""
    rng = random.Random(1)

    def run() -> list[Timing]:
        return [
            replace(ONE, implementation=f"{n}", seconds=tuple(math.exp(rng.gauss(0, 0.1)) for _ in range(12)),
                    processes=(4, 4, 4))
            for n in range(100)
        ]  # fmt: skip

    alarms = sum(any(move.kind != "even" for move in moves(run(), run())) for _ in range(60))
    # Four standard deviations above the 5 % of a binomial of 60.
    assert alarms <= 60 * 0.05 + 4 * math.sqrt(60 * 0.05 * 0.95)


def test_what_moved_far_is_named_the_slower_ones_first() -> None:
    old = [replace(rival(name, 1), implementation=name) for name in ("up", "down", "same")]
    new = [replace(t, seconds=tuple(s * f for s in t.seconds)) for t, f in zip(old, (9, 1 / 9, 1), strict=True)]
    assert [(m.timing.implementation, m.kind) for m in moves(new, old)] == [
        ("up", "slower"), ("down", "faster"), ("same", "even")
    ]  # fmt: skip


def test_environments_differ_by_dotted_names_but_for_our_own_version() -> None:
    one = {"python": "3.11", "versions": {"torch": "2", "lstm-parity": "1"}, "threads": {"each": 2}}
    assert differences(one, {**one, "versions": {"torch": "2", "lstm-parity": "2"}}) == []
    assert differences(one, {**one, "threads": {"each": 1}, "new": "x"}) == ["new", "threads.each"]


def test_a_port_is_judged_beside_the_import_of_torch() -> None:
    spent = {
        "port": [2.0, 2.1, 2.2], "torch": [1.6, 1.7, 1.8], "load_model": [6.0, 6.0, 6.0],
        "port --no-proof": [1.0, 1.0, 1.0], "help": [0.2, 0.2, 0.2],
    }  # fmt: skip
    found = {one.name: one for one in command_figures(spent)}
    ported = found["port of 1 MB with its proof, beside importing torch"]
    assert ported.value == pytest.approx(0.4) and ported.met
    assert found["port --no-proof of 1 MB, against Python and load_model"].value == pytest.approx(6)
    assert found["lstm-parity --help"].met is False
    assert found["lstm-parity inspect, 1 MB"].value is None


def test_a_folder_is_judged_by_rate_and_by_memory() -> None:
    lines = [{"fate": "ported", "peak_mib": 100.0 + n} for n in range(9)] + [{"fate": "refused", "peak_mib": None}]
    rate, memory = folder_figures(1, 1.5, lines)
    assert rate.value == pytest.approx(6) and rate.met
    assert memory.value == pytest.approx(108 / 105) and memory.met
    (halved,) = folder_figures(2, 1.5, lines)
    assert halved.value == pytest.approx(3) and not halved.met
