"""ONNX Runtime: a layer as an ONNX model. It infers only, and has its recurrent operators in float32 alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from harness.backends import Answer, Arrays, output_names
from harness.backends.ported_onnx import lacking
from harness.backends.runtime_onnx import run, session
from harness.problems import Layer, Problem
from harness.training.optimizers import DESCENT, Walk
from weight_mapping.errors import Unrepresentable
from weight_mapping.onnx import to_onnx
from weight_mapping.spec import Input, ModelSpec, Node, Path, Recurrent, Ref, output_count
from weight_mapping.weights import CellWeights, Portable


def backend(name: str) -> OnnxBackend:
    return OnnxBackend(name)


@dataclass(frozen=True, slots=True)
class OnnxBackend:
    """`of_argument`: they are x times a sigmoid or a tanh, and ONNX Runtime's are precise to some 2^-53 whatever their
    size. At -37, where sigmoid is 1e-16, all of it is lost, and silu with its 4e-15 is off by 37 u. Measured in ONNX
    Runtime 1.32 over 600,000 arguments from 1e-38 to 300 in u (1 + |y|): silu and mish 37, gelu by tanh 26 in float64;
    38, 17 and 11 in float32; in u (1 + |y| + |x|) all at most 3.6. Every other row: at most 3.8 in u (1 + |y|)."""

    name: str
    keras: int | None = None
    of_argument: frozenset[str] = frozenset({"silu", "mish", "gelu"})

    def coarse(self, problem: Problem) -> str:  # noqa: ARG002
        return ""

    def build(self, problem: Problem, dtype: str) -> OnnxSubject:
        if problem.dropout:
            raise Unrepresentable("an ONNX model is for inference, without dropout")
        inputs = {"x": problem.x, **{f"state{n}": state for n, state in enumerate(problem.initial_state)}}
        inputs |= {} if problem.mask is None else {"mask": problem.mask}
        return OnnxSubject(problem, self, _session(problem.layer, problem.weights, inputs, dtype), inputs, dtype)

    def fresh(self, problem: Problem) -> None:
        """ONNX has no initialisers."""


@dataclass(slots=True)
class OnnxSubject:
    problem: Problem
    backend: OnnxBackend
    session: Any
    inputs: Arrays
    dtype: str
    dropout_over_time: bool = False

    def outputs(self) -> Arrays:
        """A stateful layer's later batches are fed with the states that the one before put out."""
        names = output_names(self.problem.layer)
        states = [one.name for one in self.session.get_overridable_initializers()]
        y = run(self.session, self.inputs)
        found = dict(zip(names, y, strict=False))
        for n, x in enumerate(self.problem.xs[1:] if states else (), 1):
            y = run(self.session, {**self.inputs, "x": x, **dict(zip(states, y[len(names) :], strict=True))})
            found |= {f"{name} of batch {n}": one for name, one in zip(names, y, strict=False)}
        if states:
            again = zip(names, run(self.session, self.inputs), strict=False)
            found |= {f"{name} of a reset layer": one for name, one in again}
        return found

    def renumbered(self, problem: Problem) -> OnnxSubject:
        """The weights are part of the model: it is made again."""
        return self.backend.build(problem, self.dtype)

    def answer(self) -> Answer:
        return Answer(outputs=self.outputs(), gradients=f"{self.backend.name} is for inference, not training")

    def step(self, path: Path, x: NDArray[Any], states: Sequence[NDArray[Any]]) -> Arrays:
        """An operator shows no gates: the states after one step, which a mask lets through where the layer has one."""
        cell = dict(self.problem.cells())[path]
        inputs = {"x": x[:, None], **{f"state{n}": state for n, state in enumerate(states)}}
        inputs |= {} if self.problem.mask is None else {"mask": np.ones((len(x), 1), bool)}
        layer = Recurrent(cells=(cell,), return_state=True)
        one = _session(layer, {("0",): self.problem.weights[path]}, inputs, self.dtype)
        _, *new = run(one, inputs)
        return dict(zip(cell.states, new, strict=True))

    def train(self, _steps: int, _walk: Walk = DESCENT) -> NoReturn:
        raise Unrepresentable("an ONNX model is for inference")

    def sample(self) -> NoReturn:
        raise Unrepresentable("an ONNX model is for inference, without dropout")


def _session(layer: Layer, weights: Mapping[Path, CellWeights], inputs: Arrays, dtype: str) -> Any:
    """The layer alone as a model: x, its initial states and its mask are inputs of these shapes."""
    states = tuple(Ref(name) for name in inputs if name.startswith("state"))
    mask = Ref("mask") if "mask" in inputs else None
    kinds = {"mask": "bool"}
    spec = ModelSpec(
        name="layer", layers={"layer": layer},
        nodes=(Node(name="layer", layer="layer", inputs=(Ref("x"),), mask=mask, initial_state=states),),
        inputs=tuple(Input(name=n, shape=a.shape, dtype=kinds.get(n, dtype)) for n, a in inputs.items()),
        outputs=tuple(Ref("layer", n) for n in range(output_count(layer))),
    )  # fmt: skip
    weights = {("layer", *path): found for path, found in weights.items()}
    model = to_onnx(Portable(spec=spec, weights=weights), dtype=dtype)
    if dtype == "float64" and (why := lacking(model)):
        raise Unrepresentable(why)
    return session(model.SerializeToString(), threads=1)
