"""The reference: float64 NumPy, always at hand. It also walks gradient descent by gradients written out by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.backends import Answer, Arrays, named_weights, output_names, state_names
from harness.problems import Float, Problem
from harness.training.descent import constraints, regularisers
from harness.training.optimizers import DESCENT, Walk, Walker
from harness.training.penalties import penalty, penalty_gradient, project
from weight_mapping import oracle
from weight_mapping.oracle import Trace
from weight_mapping.packing import pack, unpack
from weight_mapping.spec import Path, Recurrent
from weight_mapping.weights import CellWeights


@dataclass(slots=True)
class OracleSubject:
    """A problem as the oracle computes it."""

    problem: Problem

    dropout_over_time: bool = False

    def outputs(self) -> Arrays:
        return self._outputs(self._forward(self.problem.x, self.problem.initial_state))

    def traces(self) -> Iterator[Trace]:
        """The run over each batch, from the states that the one before left."""
        states: Sequence[Float] = self.problem.initial_state
        for x in self.problem.xs:
            trace = self._forward(x, states)
            yield trace
            states = trace.states

    def renumbered(self, problem: Problem) -> OracleSubject:
        return OracleSubject(problem)

    def _outputs(self, trace: Trace) -> Arrays:
        """From the first batch's run on."""
        names = output_names(self.problem.layer)
        found = dict(zip(names, trace.outputs, strict=True))
        return found | self._later_batches(names, trace) if self.problem.runner.stateful else found

    def answer(self) -> Answer:
        problem = self.problem
        trace = self._forward(problem.x, problem.initial_state)
        gradients = oracle.backward(trace, list(problem.cotangents))
        found: Arrays = {"gradient x": gradients.x}
        if problem.initial_state:
            states = zip(state_names(problem.layer), gradients.initial_state, strict=True)
            found |= {f"gradient {name}": array for name, array in states}
        found |= named_weights(gradients.weights, "gradient ")
        return Answer(outputs=self._outputs(trace), gradients=found)

    def _later_batches(self, names: list[str], trace: Trace) -> Arrays:
        found: Arrays = {f"{name} of a reset layer": y for name, y in zip(names, trace.outputs, strict=True)}
        for n, x in enumerate(self.problem.xs[1:], 1):
            trace = self._forward(x, trace.states)
            found |= {f"{name} of batch {n}": y for name, y in zip(names, trace.outputs, strict=True)}
        return found

    def _forward(self, x: Float, initial_state: Sequence[Float]) -> Trace:
        problem = self.problem
        return oracle.forward(
            problem.layer, problem.weights, x, mask=problem.mask, initial_state=initial_state, dropout=problem.dropout
        )

    def step(self, path: Path, x: NDArray[Any], states: Sequence[NDArray[Any]]) -> Arrays:
        cell = dict(self.problem.cells())[path]
        layer = Recurrent(cells=(cell,), return_state=True)
        trace = oracle.forward(layer, {("0",): self.problem.weights[path]}, x[:, None], initial_state=states)
        gates = {f"gate {g}": a[:, 0] for g, a in trace.cells[("0",)].gates.items()}
        return {**dict(zip(cell.states, trace.states, strict=True)), **gates}

    def train(self, steps: int, walk: Walk = DESCENT, walker: Walker | None = None) -> Arrays:
        """`walker`: one that takes other steps than the walk's, to see where they lead."""
        losses: list[float] = []
        walker = walker or Walker(walk)
        weights, states = self.problem.weights, self.problem.initial_state
        for _ in range(steps):
            loss, weights, final = self._descend(weights, states, walker)
            states = final if self.problem.runner.stateful else states
            losses.append(loss)
        return {"losses": np.array(losses), **named_weights(weights)}

    def _descend(
        self, weights: Mapping[Path, CellWeights], states: tuple[Float, ...], walker: Walker
    ) -> tuple[float, dict[Path, CellWeights], tuple[Float, ...]]:
        """One training step: the loss before it, the weights after it, and the final states."""
        problem = replace(self.problem, weights=weights)
        arguments = problem.arguments
        trace = OracleSubject(problem)._forward(problem.x, states)
        y, target = trace.outputs[0], problem.target
        assert target is not None
        loss = float(((y - target) ** 2).mean())
        d_outputs: list[Float | None] = [2 * (y - target) / y.size, *(None for _ in trace.outputs[1:])]
        activity = arguments.get("activity_regularizer")
        if activity:
            share = 1 / len(y)  # both generations of Keras take the mean over the batch
            loss += share * sum(float(penalty(activity, output)) for output in trace.outputs)
            pushes = [share * penalty_gradient(activity, output, np.sign) for output in trace.outputs]
            d_outputs = [push if d is None else d + push for d, push in zip(d_outputs, pushes, strict=True)]
        gradients = oracle.backward(trace, d_outputs)
        arrays = {(path, name): a for path, cell in weights.items() for name, a in pack("keras", cell).items()}
        slopes = {(p, n): a for p, cell in gradients.weights.items() for n, a in pack("keras", cell).items()}
        for name, config in regularisers(arguments).items():
            for key in (key for key in arrays if key[1] == name):
                loss += float(penalty(config, arrays[key]))
                slopes[key] = slopes[key] + penalty_gradient(config, arrays[key], np.sign)
        moved = walker.step(arrays, slopes)
        for name, config in constraints(arguments).items():
            moved |= {key: project(config, array) for key, array in moved.items() if key[1] == name}
        new = {path: _cell(cell, {n: a for (p, n), a in moved.items() if p == path}) for path, cell in weights.items()}
        return loss, new, tuple(trace.states)

    def sample(self) -> NDArray[Any]:
        return self._forward(self.problem.x, self.problem.initial_state).outputs[0]


def _cell(like: CellWeights, arrays: Arrays) -> CellWeights:
    return unpack("keras", like.kind, arrays, reset_after=like.reset_after if like.kind == "gru" else None)
