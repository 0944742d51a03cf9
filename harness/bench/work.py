"""How much a timed layer has to do, and how fast this machine could do it at best.

A product of a matrix (m, n) with a vector is 2 m n floating-point operations. One step of one sample multiplies the
input (i) and the previous state (u) into g gates of u units: 2 g u (i + u), with g = 4 for an LSTM, 3 for a GRU, 1 for
an RNN. What is done element by element is left out: it grows with g u alone. A training step adds, for each of these
products, the gradient by its matrix (as much again) and, where something before it learns, the gradient by its vector
(as much again): by the state always, by the input in every layer but the first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from harness.bench.speed import Roof, Timing

GATES: Mapping[str, int] = {"lstm": 4, "gru": 3, "gru-reset-before": 3, "rnn": 1}
_FORWARD = "forward"


def flops(timing: Timing) -> int:
    """Floating-point operations of one call, as above."""
    batch, time, inputs, units = timing.shape
    gates, total = GATES.get(timing.cell, 1), 0
    for layer in range(timing.layers):
        by_input, by_state = 2 * gates * units * (units if layer else inputs), 2 * gates * units * units
        total += by_input + by_state
        if timing.task != _FORWARD:
            total += by_input + by_state + by_state + (by_input if layer else 0)
    return batch * time * total


def kernel_bytes(timing: Timing) -> int:
    """Of one layer's recurrent kernel in float32, which every step reads."""
    return 4 * GATES.get(timing.cell, 1) * timing.shape[3] ** 2


def gigaflops(timing: Timing) -> float | None:
    """GFLOP/s at the median."""
    return flops(timing) / timing.time.median / 1e9 if timing.time else None


def steps_a_second(timing: Timing) -> float | None:
    """Time steps of single samples a second, each through all layers, at the median."""
    batch, time, _, _ = timing.shape
    return batch * time / timing.time.median if timing.time else None


def least_seconds(timing: Timing, roof: Roof) -> float | None:
    """What a call takes at best on this machine: its operations at the speed of the fastest matrix product measured, or
    its recurrent kernels, read once a step (twice in a training step), at the bandwidth of a matrix of that size;
    whichever takes longer. None where the roof was not measured."""
    gemm = [rate for rate in roof.gemm.values() if _real(rate)]
    if not gemm or not any(_real(rate) and size_of(name) for name, rate in roof.bandwidth.items()):
        return None
    size = kernel_bytes(timing)
    _, time, _, _ = timing.shape
    passes = timing.layers * (1 if timing.task == _FORWARD else 2)
    reading = passes * time * size / _bandwidth(roof, size) / 1e9
    return max(flops(timing) / max(gemm) / 1e9, reading)


def share(timing: Timing, roof: Roof) -> float | None:
    """How much of the roof is reached: 1 is the best that this machine can do."""
    least = least_seconds(timing, roof)
    return least / timing.time.median if least and timing.time else None


def _bandwidth(roof: Roof, size: int) -> float:
    """GB/s of the measured matrix that is nearest in size."""
    measured = [(size_of(name), rate) for name, rate in roof.bandwidth.items() if _real(rate) and size_of(name)]
    return min((abs(math.log(known / size)), rate) for known, rate in measured)[1]


def _real(rate: float) -> bool:
    return math.isfinite(rate) and rate > 0


def size_of(name: str) -> int:
    """Of '256 KiB'."""
    number, _, unit = name.partition(" ")
    return int(number) * {"KiB": 1 << 10, "MiB": 1 << 20}.get(unit, 1) if number.isdecimal() else 0
