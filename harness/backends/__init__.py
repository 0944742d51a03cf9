"""The implementations under test: one file each, one interface, found by name and imported when asked for."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from harness.problems import Layer, Problem, cells
from harness.training.optimizers import DESCENT, Walk
from weight_mapping.spec import Bidirectional, Path, output_count
from weight_mapping.weights import CellWeights

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A layer's outputs by name ('y', 'h', 'c', …) and the gradients of their product with the problem's cotangents:
    'gradient x', 'gradient h', 'gradient kernel' …; where there are none, why."""

    outputs: Arrays
    gradients: Arrays | str


class Subject(Protocol):
    """One problem, built in one backend and one dtype."""

    @property
    def dropout_over_time(self) -> bool:
        """Whether the masks of the input that it draws change from step to step."""

    def outputs(self) -> Arrays:
        """The outputs alone; of a stateful layer also the later batches', and the first's after a reset."""

    def renumbered(self, problem: Problem) -> Subject:
        """The same layer, not built again, for another problem of it: only weights, inputs, mask and states differ.
        This subject is not to be used afterwards."""

    def answer(self) -> Answer:
        """Outputs as above, and gradients."""

    def step(self, path: Path, x: NDArray[Any], states: Sequence[NDArray[Any]]) -> Arrays:
        """One step of one cell from x (B, i) and states (B, u), not in training: 'h', 'c', and 'gate i' … if shown."""

    def train(self, steps: int, walk: Walk = DESCENT) -> Arrays:
        """'losses', then the weights after so many steps of this optimizer. Changes the subject's weights."""

    def sample(self) -> NDArray[Any]:
        """The first output in training, with dropout masks that the backend draws itself."""


class Backend(Protocol):
    """One implementation. `keras` is the generation of Keras that it is, or None."""

    name: str
    keras: int | None
    of_argument: frozenset[str]
    """The activations whose error is one of their argument here, where it is one of their result elsewhere: see
    `bounds.ACTIVATION`."""

    def coarse(self, problem: Problem) -> str:
        """What of this problem it computes in float32 whatever the dtype, in words; '' where nothing."""

    def build(self, problem: Problem, dtype: str) -> Subject:
        """Raises Unrepresentable where this implementation has no way to state the layer, or not in this dtype."""

    def fresh(self, problem: Problem) -> Mapping[Path, CellWeights] | None:
        """The weights that the initialisers in the problem's arguments draw, where it has such initialisers."""


MODULES: Mapping[str, tuple[str, str]] = {
    "torch nn": ("harness.backends.torch", "torch"),
    "torch module": ("harness.backends.torch", "torch"),
    "keras 3": ("harness.backends.keras", "keras"),
    "tf_keras": ("harness.backends.keras", "tf_keras"),
    "keras 3 on torch": ("harness.backends.apart", "torch"),
    "keras 3 on jax": ("harness.backends.apart", "jax"),
    "onnx": ("harness.backends.onnx", "onnxruntime"),
}
"""The backends by name: the module that holds each, and the distribution that it needs."""
IN_THIS_PROCESS = tuple(name for name, (module, _) in MODULES.items() if module != "harness.backends.apart")
"""Those that a sweep asks where none is named: they answer in milliseconds."""
SAMPLED = ("keras 3 on jax",)
"""Those that take part in the core cases alone where they aren't named: JAX compiles for each shape anew, seconds."""


def load(names: Sequence[str]) -> tuple[list[Backend], dict[str, str]]:
    """The backends of these names, and why the others of them can't be measured here."""
    found: list[Backend] = []
    missing: dict[str, str] = {}
    for name in names:
        module, package = MODULES[name]
        try:
            found.append(importlib.import_module(module).backend(name))
        except ImportError as error:
            missing[name] = f"{package} can't be imported: {error}"
    return found, missing


def output_names(layer: Layer) -> list[str]:
    """A layer's outputs in their order: y, or one a direction, then the states."""
    both = isinstance(layer, Bidirectional) and layer.merge == "none"
    sequences = ["y of forward", "y of backward"] if both else ["y"]
    names = [*sequences, *state_names(layer)]
    return names[: output_count(layer)]


def state_names(layer: Layer) -> list[str]:
    found = list(cells(layer))
    if len(found) == 1:
        return list(found[0][1].states)
    return [f"{state} of {'/'.join(path)}" for path, cell in found for state in cell.states]


def named_weights(weights: Mapping[Path, CellWeights], prefix: str = "") -> Arrays:
    """Canonical arrays by name: 'kernel', or 'kernel of forward/0' where there are several cells."""
    one = len(weights) == 1
    return {
        f"{prefix}{name}" + ("" if one else f" of {'/'.join(path)}"): array
        for path, cell in weights.items()
        for name, array in cell.arrays()
    }
