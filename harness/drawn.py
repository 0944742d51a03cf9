"""What the page draws of a case: float32 errors step by step, by backend and by gate, and the training losses."""

from __future__ import annotations

import numpy as np

from harness.backends import Arrays, output_names
from harness.compare import UNIT
from harness.problems import Float, Problem

Curve = tuple[float, ...]


class Drawn:
    """Curves by backend, gathered while a case is checked; errors in u, 2^-24 of the reference's magnitude."""

    def __init__(self) -> None:
        self.over_time: dict[str, Curve] = {}
        self.by_gate: dict[str, dict[str, Curve]] = {}
        self.training: dict[str, Curve] = {}

    def outputs(self, backend: str, problem: Problem, reference: Arrays, found: Arrays) -> None:
        """The first output's error at each step, where the layer returns a sequence."""
        name = output_names(problem.layer)[0]
        if problem.runner.return_sequences and found[name].shape == reference[name].shape:
            axes = (1, 2) if problem.runner.time_major else (0, 2)
            self.over_time[backend] = _curve(reference[name], found[name], axes)

    def gates(self, backend: str, reference: Arrays, found: Arrays, batch: int) -> None:
        """Each gate's error after one step from the oracle's state, for arrays (B T, u); nothing if none shows."""
        curves = {}
        for name, array in reference.items():
            if name.startswith("gate ") and name in found:
                a, b = (each.reshape(batch, -1, array.shape[-1]) for each in (array, found[name]))
                curves[name.removeprefix("gate ")] = _curve(a, b, (0, 2))
        if curves:
            self.by_gate[backend] = curves


def batch_of(problem: Problem) -> int:
    return int(problem.x.shape[1 if problem.runner.time_major else 0])


def _curve(reference: Float, found: Float, axes: tuple[int, ...]) -> Curve:
    scale = float(np.abs(reference).max()) or 1.0
    apart = np.abs(np.asarray(found, np.float64) - reference).max(axes)
    return tuple(float(error) for error in apart / scale / UNIT["float32"])
