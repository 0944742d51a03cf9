"""ONNX Runtime: a layer as an ONNX model. It infers only, and its recurrent operators compute in float32 alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from numpy.typing import NDArray

from harness.backends import Answer, Arrays, output_names
from harness.backends.ported_onnx import DTYPES, feed, session
from harness.problems import Layer, Problem
from weight_mapping.errors import Unrepresentable
from weight_mapping.onnx import to_onnx
from weight_mapping.spec import Input, ModelSpec, Node, Path, Recurrent, Ref, output_count
from weight_mapping.weights import CellWeights, Portable


def backend(name: str) -> OnnxBackend:
    return OnnxBackend(name)


@dataclass(frozen=True, slots=True)
class OnnxBackend:
    name: str
    keras: int | None = None
    float32_constants: frozenset[str] = frozenset()

    def build(self, problem: Problem, dtype: str) -> OnnxSubject:
        if dtype not in DTYPES:
            raise Unrepresentable(f"ONNX Runtime's recurrent operators compute in {', '.join(DTYPES)} alone")
        if problem.dropout:
            raise Unrepresentable("an ONNX model is for inference, without dropout")
        inputs = {"x": problem.x, **{f"state{n}": state for n, state in enumerate(problem.initial_state)}}
        masks = {} if problem.mask is None else {"mask": problem.mask}
        return OnnxSubject(problem, self, _session(problem.layer, problem.weights, inputs, masks), {**inputs, **masks})

    def fresh(self, problem: Problem) -> None:
        """ONNX has no initialisers."""


@dataclass(slots=True)
class OnnxSubject:
    problem: Problem
    backend: OnnxBackend
    session: Any
    inputs: Arrays
    dropout_over_time: bool = False

    def outputs(self) -> Arrays:
        """A stateful layer's later batches are fed with the states that the one before put out."""
        names = output_names(self.problem.layer)
        states = [one.name for one in self.session.get_overridable_initializers()]
        y = self._run(self.inputs)
        found = dict(zip(names, y, strict=False))
        for n, x in enumerate(self.problem.xs[1:] if states else (), 1):
            y = self._run({"x": x, **dict(zip(states, y[len(names) :], strict=True))})
            found |= {f"{name} of batch {n}": one for name, one in zip(names, y, strict=False)}
        if states:
            again = zip(names, self._run(self.inputs), strict=False)
            found |= {f"{name} of a reset layer": one for name, one in again}
        return found

    def renumbered(self, problem: Problem) -> OnnxSubject:
        """The weights are part of the model: it is made again."""
        return self.backend.build(problem, DTYPES[0])

    def answer(self) -> Answer:
        return Answer(outputs=self.outputs(), gradients=None)

    def step(self, path: Path, x: NDArray[Any], states: Sequence[NDArray[Any]]) -> Arrays:
        """An operator shows no gates: the states after one step."""
        cell = dict(self.problem.cells())[path]
        inputs = {"x": x[:, None], **{f"state{n}": state for n, state in enumerate(states)}}
        layer = Recurrent(cells=(cell,), return_state=True)
        one = _session(layer, {("0",): self.problem.weights[path]}, inputs, {})
        _, *new = one.run(None, feed(one, inputs))
        return dict(zip(cell.states, new, strict=True))

    def train(self, _steps: int) -> NoReturn:
        raise Unrepresentable("an ONNX model is for inference")

    def sample(self) -> NoReturn:
        raise Unrepresentable("an ONNX model is for inference, without dropout")

    def _run(self, inputs: Arrays) -> list[NDArray[Any]]:
        found: list[NDArray[Any]] = self.session.run(None, feed(self.session, inputs))
        return found


def _session(layer: Layer, weights: Mapping[Path, CellWeights], inputs: Arrays, masks: Arrays) -> Any:
    """The layer alone as a model: x, its initial states and its mask are inputs of these shapes."""
    node = Node(
        name="layer", layer="layer", inputs=(Ref("x"),), mask=Ref("mask") if masks else None,
        initial_state=tuple(Ref(name) for name in inputs if name != "x"),
    )  # fmt: skip
    spec = ModelSpec(
        name="layer", layers={"layer": layer}, nodes=(node,),
        inputs=tuple(Input(name=n, shape=a.shape, dtype="bool" if n in masks else "float32")
                     for n, a in {**inputs, **masks}.items()),
        outputs=tuple(Ref("layer", n) for n in range(output_count(layer))),
    )  # fmt: skip
    portable = Portable(spec=spec, weights={("layer", *path): found for path, found in weights.items()})
    return session(to_onnx(portable).SerializeToString(), threads=1)
