"""Keras 3 on TensorFlow, PyTorch or JAX, and Keras 2 as tf_keras. A process has one Keras 3: `apart` has the others."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.backends import Answer, Arrays, named_weights, output_names, state_names
from harness.backends.inside_keras import listening, preset, preset_in_keras2
from harness.backends.refused_keras import refuse_what_keras_changes, sides_of
from harness.problems import Problem
from harness.training.descent import STEPS
from harness.training.optimizers import DESCENT, Walk
from weight_mapping import keras as keras_side
from weight_mapping.errors import Unrepresentable
from weight_mapping.oracle import Dropout
from weight_mapping.spec import GATES, Bidirectional, Path
from weight_mapping.weights import CellWeights

_PACKAGES = {
    "keras 3": ("keras", "tensorflow"),
    "tf_keras": ("tf_keras", "tensorflow"),
    "keras 3 on torch": ("keras", "torch"),
    "keras 3 on jax": ("keras", "jax"),
}
"""By name the module, and what it runs on."""
_CONSTANTS = {"gelu", "leaky_relu"}
"""Activations whose constants (√2, 0.2 …) are off by 2e-8."""


def backend(name: str) -> KerasBackend:
    package, engine = _PACKAGES[name]
    keras = importlib.import_module(package)
    if keras.backend.backend() != engine:
        raise ImportError(f"this process has Keras on {keras.backend.backend()}")
    ours = importlib.import_module(f"harness.backends.engine_{engine}")
    return KerasBackend(name, keras, ours, keras_side.generation(keras))


@dataclass(frozen=True, slots=True)
class KerasBackend:
    name: str
    module: Any
    engine: Any
    keras: int | None
    of_argument: frozenset[str] = frozenset()

    def coarse(self, problem: Problem) -> str:
        names = {a.name for _, cell in problem.cells() for a in (cell.activation, cell.recurrent_activation)}
        found = ", ".join(sorted(names & _CONSTANTS))
        return f"{self.name} holds the constants of {found} in float32, whatever it computes in" if found else ""

    def build(self, problem: Problem, dtype: str) -> KerasSubject:
        refuse_what_keras_changes(problem, self.keras, dtype, on_jax=self.name == "keras 3 on jax")
        major = problem.runner.time_major
        layer = keras_side.build_layer(
            problem.layer, problem.weights, keras=self.module, dtype=dtype, arguments=problem.arguments,
            batch=problem.x.shape[1 if major else 0],
        )  # fmt: skip
        return KerasSubject(problem, layer, dtype, self)

    def fresh(self, problem: Problem) -> dict[Path, CellWeights]:
        """The weights that this Keras' initialisers draw for the layer, in float32."""
        layer = keras_side.construct(problem.layer, keras=self.module, arguments=problem.arguments)
        layer.build(problem.x.shape)
        return keras_side.weights_of(layer)


@dataclass(slots=True)
class KerasSubject:
    problem: Problem
    layer: Any
    dtype: str
    backend: KerasBackend
    graph: Any = None
    """The layer's call compiled, when it is first asked for."""

    @property
    def dropout_over_time(self) -> bool:
        """tf_keras' fast path, for layers that cuDNN could compute, draws a mask for the whole sequence."""
        layer = self.layer.forward_layer if isinstance(self.problem.layer, Bidirectional) else self.layer
        return bool(getattr(layer, "_could_use_gpu_kernel", False))

    def outputs(self) -> Arrays:
        """Through a graph: tracing pays off after a few problems of one layer. tf_keras' fast path is the exception:
        it traces three times as long as it takes to run."""
        problem, names = self.problem, output_names(self.problem.layer)
        engine = self.backend.engine
        if self.graph is None and not self.dropout_over_time:
            self.graph = engine.compiled(self.layer, self._evaluated, problem, self.dtype)
        call = self.graph or self._evaluated
        masks = [] if problem.mask is None else [engine.tensor(problem.mask, "bool")]

        def run(x: NDArray[Any], states: Sequence[NDArray[Any]] = ()) -> list[NDArray[Any]]:
            return [engine.array(y) for y in call(self._tensor(x), [self._tensor(s) for s in states], masks)]

        shown = dict(zip(names, run(problem.x, problem.initial_state), strict=True))
        return shown | self._later_batches(names, run) if problem.runner.stateful else shown

    def _evaluated(self, x: Any, states: list[Any], masks: list[Any]) -> list[Any]:
        return self._layer(x, states, masks[0] if masks else None, training=False)

    def renumbered(self, problem: Problem) -> KerasSubject:
        keras_side.assign(self.layer, problem.weights, problem.layer)
        if problem.runner.stateful:
            self._reset()
        return replace(self, problem=problem)

    def _reset(self) -> None:
        """Keras 3's own reset_states fails on a stack of cells, whose states lie in lists."""
        if all(path[-1] == "0" for path, _ in self.problem.cells()):
            self.layer.reset_states()
            return
        names = ("forward_layer", "backward_layer") if isinstance(self.problem.layer, Bidirectional) else ()
        sides = [getattr(self.layer, name) for name in names] or [self.layer]
        for state in chain(*(self.backend.engine.flat(side.states) for side in sides)):
            state.assign(np.zeros(state.shape))

    def answer(self) -> Answer:
        problem, names, engine = self.problem, output_names(self.problem.layer), self.backend.engine
        cotangents = [self._tensor(d) for d in problem.cotangents]

        def product(x: Any, states: list[Any]) -> tuple[Any, list[Any]]:
            outputs = self._call(x, states, training=bool(problem.dropout))
            return engine.total([y * d for y, d in zip(outputs, cotangents, strict=True)]), outputs

        try:
            find = engine.differentiated(self.layer, product, often=False)
        except Unrepresentable as refusal:
            return Answer(outputs=self.outputs(), gradients=str(refusal))
        given = [self._tensor(s) for s in problem.initial_state]
        _, outputs, (of_x, of_states, of_variables) = find(self._tensor(problem.x), given)
        found: Arrays = {"gradient x": engine.array(of_x)}
        state_slopes = zip(state_names(problem.layer), of_states, strict=False)
        found |= {f"gradient {name}": engine.array(slope) for name, slope in state_slopes}
        slopes = {id(v): engine.array(a) for v, a in zip(self.layer.trainable_variables, of_variables, strict=True)}
        canonical = {
            path: keras_side.canonical(cell, {n: slopes[id(v)] for n, v in keras_side.variables(cell).items()})
            for path, cell in keras_side.cells_of(self.layer)
        }
        found |= named_weights(canonical, "gradient ")
        shown = dict(zip(names, map(engine.array, outputs), strict=True))
        if problem.runner.stateful:
            shown |= self._later_batches(
                names, lambda x: [engine.array(y) for y in self._call(self._tensor(x), [], training=False)]
            )
        return Answer(outputs=shown, gradients=found)

    def _later_batches(self, names: list[str], run: Callable[[NDArray[Any]], list[NDArray[Any]]]) -> Arrays:
        found: Arrays = {}
        for n, x in enumerate(self.problem.xs[1:], 1):
            found |= {f"{name} of batch {n}": y for name, y in zip(names, run(x), strict=True)}
        self._reset()
        outputs = run(self.problem.x)
        return found | {f"{name} of a reset layer": y for name, y in zip(names, outputs, strict=True)}

    def step(self, path: Path, x: NDArray[Any], states: Sequence[NDArray[Any]]) -> Arrays:
        cell = dict(keras_side.cells_of(self.layer))[path]
        kind = dict(self.problem.cells())[path].kind
        with listening(cell) as (gates, candidates):
            _, new = cell(self._tensor(x), [self._tensor(s) for s in states], training=False)
        # Both generations compute the gates in the order of the layout, the candidate apart, then a(c).
        recurrent = [letter for letter in GATES[kind] if letter not in "cn"]
        shown = dict(zip(recurrent, gates, strict=True))
        shown[next(letter for letter in GATES[kind] if letter in "cn")] = candidates[0]
        flat = new if isinstance(new, list | tuple) else [new]
        array = self.backend.engine.array
        named = dict(zip(("h", "c"), map(array, flat), strict=False))
        return {**named, **{f"gate {letter}": array(shown[letter]) for letter in GATES[kind]}}

    def train(self, steps: int, walk: Walk = DESCENT) -> Arrays:
        problem = self.problem
        described = walk.keras()
        optimizer = getattr(self.backend.module.optimizers, described["class_name"])(**described["config"])
        x, target = self._tensor(problem.x), self._tensor(_known(problem.target))
        states = [self._tensor(s) for s in problem.initial_state]
        engine, variables = self.backend.engine, self.layer.trainable_variables
        if problem.runner.stateful:
            self._reset()

        def objective(x: Any, states: list[Any]) -> tuple[Any, list[Any]]:
            outputs = self._call(x, states, training=bool(problem.dropout))
            loss = engine.mean((outputs[0] - target) ** 2)
            for extra in self.layer.losses:
                loss += engine.cast(extra, self.dtype)
            return loss, outputs

        find = engine.differentiated(self.layer, objective, often=steps > STEPS)
        losses = []
        for _ in range(steps):
            loss, _, (*_, gradients) = find(x, states)
            with _default_dtype(self.backend.module, self.dtype), engine.applying():
                optimizer.apply_gradients(zip(gradients, variables, strict=True))
            losses.append(float(engine.array(loss)))
        return {"losses": np.array(losses), **named_weights(keras_side.weights_of(self.layer))}

    def sample(self) -> NDArray[Any]:
        states = [self._tensor(s) for s in self.problem.initial_state]
        outputs = self._call(self._tensor(self.problem.x), states, training=True, preset=False)
        drawn: NDArray[Any] = self.backend.engine.array(outputs[0])
        return drawn

    def _call(self, x: Any, states: list[Any], *, training: bool, preset: bool = True) -> list[Any]:
        problem = self.problem
        mask = None if problem.mask is None else self.backend.engine.tensor(problem.mask, "bool")
        with ExitStack() as stack:
            for path, dropout in problem.dropout.items() if training and preset else ():
                stack.enter_context(self._preset(path, dropout))
            return self._layer(x, states, mask, training=training)

    def _layer(self, x: Any, states: list[Any], mask: Any, *, training: bool) -> list[Any]:
        outputs = self.layer(x, mask=mask, initial_state=self._by_cell(states), training=training)
        flat: list[Any] = self.backend.engine.flat(outputs)
        return flat

    def _by_cell(self, states: list[Any]) -> list[Any] | None:
        """A single cell takes its states one by one, a stack by cell: a list of several, or the one as it is."""
        layer = self.problem.layer
        iterator, found = iter(states), list[Any]()
        for side in sides_of(layer):
            by_cell = [[next(iterator) for _ in cell.states] for cell in side.cells if states]
            found += [s if len(s) > 1 else s[0] for s in by_cell] if len(side.cells) > 1 else chain(*by_cell)
        return found or None

    def _preset(self, path: Path, dropout: Dropout) -> AbstractContextManager[None]:
        """These masks in the place of those that the layer would draw, for one run."""
        layer = getattr(self.layer, f"{path[0]}_layer") if isinstance(self.problem.layer, Bidirectional) else self.layer
        shared = dict(self.problem.cells())[path].kind == "rnn"
        of_input, of_state = (self._masks(mask, shared) for mask in (dropout.input, dropout.recurrent))
        cell = dict(keras_side.cells_of(self.layer))[path]
        return (
            preset(cell, of_input, of_state)
            if self.backend.keras == 3
            else preset_in_keras2(layer, cell, of_input, of_state)
        )

    def _masks(self, mask: NDArray[Any] | None, shared: bool) -> Any:
        """One mask where the cell has one for all; else a list, of one or of one a gate."""
        if mask is None or shared:
            return None if mask is None else self._tensor(mask)
        return [self._tensor(m) for m in (mask if mask.ndim == 3 else mask[None])]

    def _tensor(self, array: NDArray[Any]) -> Any:
        return self.backend.engine.tensor(array, self.dtype)


@contextmanager
def _default_dtype(keras: Any, dtype: str) -> Iterator[None]:
    """tf_keras' NonNeg computes in the default dtype, whatever the weights' is."""
    before = keras.backend.floatx()
    keras.backend.set_floatx(dtype)
    try:
        yield
    finally:
        keras.backend.set_floatx(before)


def _known(array: NDArray[Any] | None) -> NDArray[Any]:
    assert array is not None
    return array
