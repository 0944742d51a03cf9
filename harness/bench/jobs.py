"""What the stopwatch times: a recurrent layer with random weights and inputs, a task, and the oracle's answer to it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.bench.speed import Shape
from harness.bounds import ACTIVATIONS, LAMBDA
from harness.compare import UNIT, difference
from weight_mapping import oracle
from weight_mapping.activations import Activation
from weight_mapping.files.atomic import replacing
from weight_mapping.spec import GATES, Cell, Recurrent
from weight_mapping.spec import Path as Place
from weight_mapping.weights import CellWeights

Answer = Mapping[str, NDArray[Any]]
FORWARD, TRAINING = TASKS = ("forward", "training step")
"""Forward: the outputs of all steps, in inference. Training step: forward, mean of the squared outputs, and its
gradient to every weight; no update, so that the answer stays the same from call to call."""
CELLS: Mapping[str, Mapping[str, Any]] = {
    "lstm": {"kind": "lstm"},
    "gru": {"kind": "gru", "reset_after": True, "bias": "split"},
    "gru-reset-before": {"kind": "gru"},
    "rnn": {"kind": "rnn"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What is timed side by side: the same cell, shape, number of layers, task and device ('cpu' or 'cuda')."""

    shape: Shape
    task: str = FORWARD
    cell: str = "lstm"
    layers: int = 1
    device: str = "cpu"

    def __str__(self) -> str:
        batch, time, inputs, units = self.shape
        sizes = f"batch {batch}, time {time}, input {inputs}, units {units}"
        stack = f", {self.layers} layers" if self.layers > 1 else ""
        return f"{self.cell} {self.task}, {sizes}{stack}, {self.device}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Job:
    """`x` is (batch, time, input) float32; `answer` holds the oracle's arrays for the task: the outputs, or the
    gradients in canonical form by layer and name. `weights` by path within the layer: ("0",), ("1",) …"""

    group: Group
    layer: Recurrent
    weights: Mapping[Place, CellWeights]
    x: NDArray[np.float32]
    answer: Answer = field(repr=False)

    @property
    def task(self) -> str:
        return self.group.task

    @property
    def cell(self) -> Cell:
        """Each of the layer's cells, but for the size of its input."""
        cell = self.layer.cells[0]
        assert isinstance(cell, Cell)
        return cell

    @property
    def bound(self) -> float:
        """The greatest relative error that rounding to float32 explains: one step's is that of `harness.bounds`, and
        independent errors of n steps add up to sqrt(n) times it. These weights don't amplify: they are as small as
        PyTorch draws them. A gradient passes the steps twice and adds up over the batch. Layers add up likewise."""
        batch, time, inputs, units = self.group.shape
        steps = (time if self.task == FORWARD else 2 * time * batch) * self.group.layers
        return (LAMBDA * math.sqrt(max(inputs, units) + units + 2) + ACTIVATIONS) * UNIT["float32"] * math.sqrt(steps)

    def agrees(self, answer: Answer) -> bool:
        """Whether every array of an answer is the oracle's within `bound`; a NaN never agrees."""
        found = {name: difference(name, right, answer.get(name)) for name, right in self.answer.items()}
        return answer.keys() == found.keys() and all(each.error <= self.bound for each in found.values())

    def gradients(self, weights: Mapping[Place, CellWeights]) -> dict[str, NDArray[Any]]:
        """Gradients in canonical form as an answer. Where Keras has one bias and PyTorch two, the first one's: both
        have the same gradient."""
        single = self.cell.bias == "single"
        return {
            "/".join((*place, name)): array[:1] if single and name == "bias" else array
            for place, own in weights.items()
            for name, array in own.arrays()
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """One implementation ready to do a job: `run` is timed and returns only when the work is done; `answer` does it
    once more and hands over what `Job.agrees` judges."""

    run: Callable[[], object]
    answer: Callable[[], Answer]


def make(group: Group, gate: Activation, answers: Path | None = None, seed: int = 0) -> Job:
    """The job of this group with `gate` as the gates' activation; an RNN, which has no gates, has it as its own unless
    it is the sigmoid. Weights uniform in +-1/sqrt(units), as PyTorch draws them. `answers`: a folder of one run, in
    which the oracle's answers are found again by the run's next process."""
    batch, time, inputs, units = group.shape
    rng = np.random.default_rng(seed)
    options = CELLS[group.cell]
    acts = "activation" if options["kind"] == "rnn" and gate.name != "sigmoid" else "recurrent_activation"
    cells = tuple(
        Cell(units=units, input_size=units if n else inputs, **{**options, acts: gate}) for n in range(group.layers)
    )
    weights = {(str(n),): _drawn(cell, rng) for n, cell in enumerate(cells)}
    layer, x = Recurrent(cells=cells, return_sequences=True), rng.standard_normal((batch, time, inputs), np.float32)
    return Job(group=group, layer=layer, weights=weights, x=x, answer=_known(layer, weights, x, group, answers))


def _drawn(cell: Cell, rng: np.random.Generator) -> CellWeights:
    gates, units = len(GATES[cell.kind]), cell.units
    biases = 2 if cell.bias == "split" else 1
    kernel, recurrent, bias = (
        (rng.uniform(-1, 1, sizes) / math.sqrt(units)).astype(np.float32)
        for sizes in ((gates, units, cell.input_size), (gates, units, units), (biases, gates, units))
    )
    return CellWeights(kind=cell.kind, kernel=kernel, recurrent=recurrent, bias=bias, reset_after=cell.reset_after)


def _known(
    layer: Recurrent, weights: Mapping[Place, CellWeights], x: NDArray[np.float32], group: Group, folder: Path | None
) -> Answer:
    """The right answer, from the folder if it is there."""
    if folder is None:
        return _right(layer, weights, x, group.task)
    name = hashlib.sha256(repr((layer, asdict(group))).encode()).hexdigest()[:24]
    file = folder / f"{name}.npz"
    if not file.exists():
        with replacing(file) as temporary, temporary.open("wb") as output:
            np.savez(output, **_right(layer, weights, x, group.task))
    with np.load(file, allow_pickle=False) as kept:
        return {key: kept[key] for key in kept.files}


def _right(
    layer: Recurrent, weights: Mapping[Place, CellWeights], x: NDArray[np.float32], task: str
) -> dict[str, NDArray[Any]]:
    trace = oracle.forward(layer, weights, x.astype(np.float64))
    y = trace.outputs[0]
    if task == FORWARD:
        return {"outputs": y}
    found = oracle.backward(trace, [2 * y / y.size]).weights
    return {"/".join((*place, name)): array for place, own in found.items() for name, array in own.arrays()}
