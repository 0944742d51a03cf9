"""What the stopwatch times: one LSTM with random weights and inputs, a task, and the right answer by the oracle."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.bounds import ACTIVATIONS, LAMBDA
from harness.compare import UNIT, difference
from weight_mapping import oracle
from weight_mapping.activations import Activation
from weight_mapping.spec import Cell, Recurrent
from weight_mapping.weights import CellWeights

Shape = tuple[int, int, int, int]
Answer = Mapping[str, NDArray[Any]]
FORWARD, TRAINING = TASKS = ("forward", "training step")
"""Forward: the outputs of all steps, in inference. Training step: forward, mean of the squared outputs, and its
gradient to every weight; no update, so that the answer stays the same from call to call."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Job:
    """`x` is (batch, time, input) float32; `answer` holds the oracle's arrays for the task: the outputs, or the
    gradients in canonical form by name."""

    shape: Shape
    task: str
    layer: Recurrent
    weights: CellWeights
    x: NDArray[np.float32]
    answer: Answer = field(repr=False)

    @property
    def bound(self) -> float:
        """The greatest relative error that rounding to float32 explains: one step's is that of `harness.bounds`, and
        independent errors of n steps add up to sqrt(n) times it. These weights don't amplify: they are as small as
        PyTorch draws them. A gradient passes the steps twice and adds up over the batch."""
        batch, time, inputs, units = self.shape
        steps = time if self.task == FORWARD else 2 * time * batch
        return (LAMBDA * math.sqrt(inputs + units + 2) + ACTIVATIONS) * UNIT["float32"] * math.sqrt(steps)

    def agrees(self, answer: Answer) -> bool:
        """Whether every array of an answer is the oracle's within `bound`; a NaN never agrees."""
        found = {name: difference(name, right, answer.get(name)) for name, right in self.answer.items()}
        return answer.keys() == found.keys() and all(each.error <= self.bound for each in found.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """One implementation ready to do a job: `run` is timed and returns only when the work is done; `answer` does it
    once more and hands over what `Job.agrees` judges."""

    run: Callable[[], object]
    answer: Callable[[], Answer]


def make(shape: Shape, recurrent_activation: Activation, task: str, seed: int = 0) -> Job:
    """The job of this shape (batch, time, input, units): weights uniform in +-1/sqrt(units), as PyTorch draws them."""
    batch, time, inputs, units = shape
    rng = np.random.default_rng(seed)
    kernel, recurrent, bias = (
        (rng.uniform(-1, 1, sizes) / math.sqrt(units)).astype(np.float32)
        for sizes in ((4, units, inputs), (4, units, units), (1, 4, units))
    )
    weights = CellWeights(kind="lstm", kernel=kernel, recurrent=recurrent, bias=bias)
    cell = Cell(kind="lstm", units=units, input_size=inputs, recurrent_activation=recurrent_activation)
    layer, x = Recurrent(cells=(cell,), return_sequences=True), rng.standard_normal((batch, time, inputs), np.float32)
    return Job(shape=shape, task=task, layer=layer, weights=weights, x=x, answer=_right(layer, weights, x, task))


def gradients(weights: CellWeights) -> dict[str, NDArray[Any]]:
    """Gradients in canonical form as an answer; of two biases, the first one's (both have the same gradient)."""
    return {name: array[:1] if name == "bias" else array for name, array in weights.arrays()}


def _right(layer: Recurrent, weights: CellWeights, x: NDArray[np.float32], task: str) -> Answer:
    trace = oracle.forward(layer, {("0",): weights}, x.astype(np.float64))
    y = trace.outputs[0]
    if task == FORWARD:
        return {"outputs": y}
    return gradients(oracle.backward(trace, [2 * y / y.size]).weights[("0",)])
