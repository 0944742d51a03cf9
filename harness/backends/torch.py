"""PyTorch: `nn.LSTM`, `nn.GRU`, `nn.RNN` where they can state the layer, and the module with Keras' semantics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import weight_mapping.torch as wt
from harness.backends import Answer, Arrays, named_weights, output_names, state_names
from harness.problems import Problem
from harness.training.descent import constraints, regularisers
from harness.training.optimizers import DESCENT, Walk
from harness.training.penalties import penalty, project
from weight_mapping import layer_names
from weight_mapping.errors import Unrepresentable
from weight_mapping.spec import Cell, Path, Recurrent
from weight_mapping.torch.cells import is_native
from weight_mapping.torch.recurrent import preset_dropout
from weight_mapping.torch.steps import DropoutMasks
from weight_mapping.weights import CellWeights

_ARRAYS = {"weight_ih": "kernel", "weight_hh": "recurrent_kernel"}


def backend(name: str) -> TorchBackend:
    return TorchBackend(name, native=name == "torch nn")


@dataclass(frozen=True, slots=True)
class TorchBackend:
    name: str
    native: bool
    keras: int | None = None
    of_argument: frozenset[str] = frozenset()

    def coarse(self, problem: Problem) -> str:  # noqa: ARG002
        return ""

    def build(self, problem: Problem, dtype: str) -> TorchSubject:
        if self.native:
            _refuse_what_is_not_native(problem)
        module = wt.build_layer(
            problem.layer, problem.weights, dtype=getattr(torch, dtype), prefer_native=self.native,
            may_be_masked=not self.native,
        )  # fmt: skip
        return TorchSubject(problem, module, getattr(torch, dtype), self)

    def fresh(self, problem: Problem) -> None:
        """PyTorch takes no initialiser as an argument."""


def _refuse_what_is_not_native(problem: Problem) -> None:
    """PyTorch's own modules compute some layers only; for the others there is nothing to measure."""
    for _, cell in problem.cells():
        name = layer_names.TORCH[cell.kind]
        if not is_native(cell):
            what = f"activations {cell.activation} and {cell.recurrent_activation}"
            what += f", reset_after={cell.reset_after}" if cell.kind == "gru" else ""
            raise Unrepresentable(f"{name} has no {what}")
        if cell.dropout or cell.recurrent_dropout:
            raise Unrepresentable(f"{name} has no dropout within a step")
    if problem.mask is not None:
        raise Unrepresentable("PyTorch's own modules take no mask")


@dataclass(slots=True)
class TorchSubject:
    problem: Problem
    module: nn.Module
    dtype: torch.dtype
    backend: TorchBackend
    dropout_over_time: bool = False

    def outputs(self) -> Arrays:
        problem, names = self.problem, output_names(self.problem.layer)
        with torch.no_grad():
            outputs = self._call(self._tensor(problem.x), [self._tensor(s) for s in problem.initial_state])
            shown = dict(zip(names, map(_array, outputs), strict=True))
            return shown | self._later_batches(names) if problem.runner.stateful else shown

    def renumbered(self, problem: Problem) -> TorchSubject:
        """A module is made in less time than it takes to look for what differs."""
        return self.backend.build(problem, str(self.dtype).removeprefix("torch."))

    def answer(self) -> Answer:
        problem, names = self.problem, output_names(self.problem.layer)
        x = self._tensor(problem.x).requires_grad_()
        states = [self._tensor(s).requires_grad_() for s in problem.initial_state]
        self.module.zero_grad()
        outputs = self._call(x, states)
        pairs = zip(outputs, problem.cotangents, strict=True)
        sum((y * self._tensor(d)).sum() for y, d in pairs).backward()  # type: ignore[union-attr]
        found: Arrays = {"gradient x": _array(x.grad)}
        if states:
            pairs_of_states = zip(state_names(problem.layer), states, strict=True)
            found |= {f"gradient {name}": _array(s.grad) for name, s in pairs_of_states}
        found |= named_weights(wt.gradients(self.module), "gradient ")
        shown = dict(zip(names, map(_array, outputs), strict=True))
        if problem.runner.stateful:
            shown |= self._later_batches(names)
        return Answer(outputs=shown, gradients=found)

    def _later_batches(self, names: list[str]) -> Arrays:
        found: Arrays = {}
        for n, x in enumerate(self.problem.xs[1:], 1):
            outputs = self._call(self._tensor(x), [])
            found |= {f"{name} of batch {n}": _array(y) for name, y in zip(names, outputs, strict=True)}
        self._reset()
        outputs = self._call(self._tensor(self.problem.x), [])
        return found | {f"{name} of a reset layer": _array(y) for name, y in zip(names, outputs, strict=True)}

    def step(self, path: Path, x: NDArray[Any], states: Sequence[NDArray[Any]]) -> Arrays:
        cell, weights = dict(self.problem.cells())[path], self.problem.weights[path]
        if self.backend.native:
            return self._native_step(cell, weights, x, states)
        tensors = [self._tensor(s) for s in states]
        new, gates = wt.step(cell, weights, self._tensor(x), tensors, self.dtype)
        named = dict(zip(cell.states, map(_array, new), strict=True))
        return {**named, **{f"gate {letter}": _array(gate) for letter, gate in gates.items()}}

    def _native_step(self, cell: Cell, weights: CellWeights, x: NDArray[Any], states: Sequence[NDArray[Any]]) -> Arrays:
        """PyTorch's modules show no gates: a sequence of one step shows the states."""
        module = wt.build_layer(Recurrent(cells=(cell,), return_state=True), {("0",): weights}, dtype=self.dtype)
        with torch.no_grad():
            _, *new = module(self._tensor(x[:, None]), initial_state=[self._tensor(s) for s in states])
        return dict(zip(cell.states, map(_array, new), strict=True))

    def train(self, steps: int, walk: Walk = DESCENT) -> Arrays:
        x, states = self._tensor(self.problem.x), [self._tensor(s) for s in self.problem.initial_state]
        assert self.problem.target is not None
        target = self._tensor(self.problem.target)
        trained = [p for p in self.module.parameters() if p.requires_grad]
        optimizer = wt.optimizer_like_keras(walk.keras(), trained)
        losses = []
        self._reset()
        for _ in range(steps):
            optimizer.zero_grad()
            outputs = self._call(x, states)
            loss = ((outputs[0] - target) ** 2).mean() + self._penalties(outputs)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            self._constrain()
            losses.append(float(loss.detach()))
        return {"losses": np.array(losses), **named_weights(wt.weights(self.module))}

    def _reset(self) -> None:
        for part in self.module.modules():
            if isinstance(part, wt.RecurrentLayer):
                part.reset_states()

    def _penalties(self, outputs: list[Tensor]) -> Tensor:
        arguments = self.problem.arguments
        total = outputs[0].new_zeros(())
        for name, config in regularisers(arguments).items():
            total = total + sum(penalty(config, _turned(p)) for p in self._parameters(name))
        if arguments.get("activity_regularizer"):
            total = total + sum(penalty(arguments["activity_regularizer"], y) / len(y) for y in outputs)
        return total

    def _constrain(self) -> None:
        """Keras' constraints see Keras' orientation of a kernel: the transposed one."""
        with torch.no_grad():
            for name, config in constraints(self.problem.arguments).items():
                for p in self._parameters(name):
                    p.copy_(_turned(project(config, _turned(p))))

    def _parameters(self, array: str) -> list[nn.Parameter]:
        """The trained parameters that hold this array of Keras'."""
        named = ((n.rsplit(".", 1)[-1].removesuffix("_l0"), p) for n, p in self.module.named_parameters())
        found = [p for n, p in named if _ARRAYS.get(n, "bias") == array and p.requires_grad]
        if array == "bias" and any(cell.bias == "split" for _, cell in self.problem.cells()):
            raise Unrepresentable("a constraint or regulariser over a bias that PyTorch keeps in two parameters")
        return found

    def sample(self) -> NDArray[Any]:
        self.module.train()
        preset_dropout(self.module, {})
        with torch.no_grad():
            states = [self._tensor(s) for s in self.problem.initial_state]
            return _array(self.module(self._tensor(self.problem.x), initial_state=states)[0])

    def _call(self, x: Tensor, states: list[Tensor]) -> list[Tensor]:
        problem = self.problem
        self.module.train(bool(problem.dropout))
        preset_dropout(self.module, self._dropout())
        mask = None if problem.mask is None else torch.from_numpy(problem.mask)
        outputs: list[Tensor] = self.module(x, mask=mask, initial_state=states or None)
        return outputs

    def _dropout(self) -> Mapping[Path, DropoutMasks]:
        return {
            path: DropoutMasks(*(None if m is None else self._tensor(m) for m in (masks.input, masks.recurrent)))
            for path, masks in self.problem.dropout.items()
        }

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.array(array, copy=True)).to(self.dtype)


def _turned(array: Tensor) -> Tensor:
    """A kernel between PyTorch's orientation and Keras'; a bias is its own."""
    return array.T if array.ndim == 2 else array


def _array(value: Tensor | None) -> NDArray[Any]:
    assert value is not None
    found: NDArray[Any] = value.detach().numpy()
    return found
