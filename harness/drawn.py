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
        self.by_unit: dict[str, dict[str, Curve]] = {}
        self.training: dict[str, Curve] = {}

    def outputs(self, backend: str, problem: Problem, reference: Arrays, found: Arrays) -> None:
        """The first output's error at each step, where the layer returns a sequence."""
        name = output_names(problem.layer)[0]
        if problem.runner.return_sequences and found[name].shape == reference[name].shape:
            axes = (1, 2) if problem.runner.time_major else (0, 2)
            self.over_time[backend] = _floats(_relative(reference[name], found[name]).max(axes))

    def step(self, backend: str, reference: Arrays, found: Arrays, batch: int) -> None:
        """Each gate's error after one step from the oracle's state, step by step, and that of gates and states unit by
        unit, for arrays (B T, u). A backend that shows no gates has its states alone."""
        errors = {
            name: _relative(array, found[name]).reshape(batch, -1, array.shape[-1])
            for name, array in reference.items()
            if name in found and found[name].shape == array.shape
        }
        self.by_unit[backend] = {name: _floats(error.max((0, 1))) for name, error in errors.items()}
        gates = {name.removeprefix("gate "): error for name, error in errors.items() if name.startswith("gate ")}
        curves = {letter: _floats(error.max((0, 2))) for letter, error in gates.items()}
        if curves:
            self.by_gate[backend] = curves


def batch_of(problem: Problem) -> int:
    return int(problem.x.shape[1 if problem.runner.time_major else 0])


def _relative(reference: Float, found: Float) -> Float:
    """The absolute difference in u, 2^-24 of the reference's greatest magnitude."""
    scale = float(np.abs(reference).max()) or 1.0
    return np.asarray(np.abs(np.asarray(found, np.float64) - reference) / scale / UNIT["float32"])


def _floats(errors: Float) -> Curve:
    return tuple(float(error) for error in errors)
