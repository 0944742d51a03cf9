"""Keras 3 on TensorFlow, PyTorch or JAX, and Keras 2 as tf_keras. A process has one Keras 3: `apart` has the others."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.backends import Answer, Arrays, named_weights, output_names, state_names
from harness.problems import Layer, Problem
from harness.training.descent import STEPS
from harness.training.optimizers import DESCENT, Walk
from weight_mapping import keras as keras_side
from weight_mapping.errors import Unrepresentable
from weight_mapping.oracle import Dropout
from weight_mapping.spec import GATES, Bidirectional, Path, Recurrent
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
        _refuse_what_keras_changes(problem, self)
        if self.name == "keras 3 on jax" and dtype == "float64" and any(c.kind == "rnn" for _, c in problem.cells()):
            raise Unrepresentable("Keras 3 on JAX fails at a SimpleRNN in float64: its tanh turns the state to float32")
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


def _refuse_what_keras_changes(problem: Problem, backend: KerasBackend) -> None:
    """Keras 3.15 does not hand a SimpleRNN's activity_regularizer on (simple_rnn.py). Bidirectional sets the mask rule
    of its layers by return_sequences, and halves the list of initial states. On JAX the output at masked steps is the
    state before them, also before the first step that counts (backend/jax/rnn.py), where the others put out zeros."""
    layer, keras = problem.layer, backend.keras
    kinds = {cell.kind for _, cell in problem.cells()}
    if keras == 3 and "rnn" in kinds and "activity_regularizer" in problem.arguments:
        raise Unrepresentable("Keras 3's SimpleRNN takes an activity_regularizer and leaves it out")
    sides = _sides(layer)
    if backend.name == "keras 3 on jax" and any(_masked_first(problem, side) for side in sides):
        raise Unrepresentable("Keras 3 on JAX puts out the initial state where the first steps are masked, not zeros")
    if not isinstance(layer, Bidirectional):
        return
    if keras == 3 and layer.forward.return_state and layer.forward.stateful:
        raise Unrepresentable("Keras 3's Bidirectional fails where it returns the states of a stateful layer")
    if problem.mask is not None and any(side.zero_output_for_mask != side.return_sequences for side in sides):
        raise Unrepresentable("Keras' Bidirectional sets zero_output_for_mask to return_sequences")
    if problem.initial_state and len({_state_items(side) for side in sides}) > 1:
        raise Unrepresentable("Keras' Bidirectional gives each direction half of the initial states")


def _masked_first(problem: Problem, side: Recurrent) -> bool:
    """Whether a masked step comes first in a run that shows it and starts from a state."""
    mask, starts = problem.mask, problem.initial_state or side.stateful
    unrolled = problem.arguments.get("unroll", False)
    if mask is None or not starts or side.zero_output_for_mask or unrolled:
        return False
    return not mask[:, -1 if side.go_backwards else 0].all()


def _sides(layer: Layer) -> tuple[Recurrent, ...]:
    return (layer.forward, layer.backward) if isinstance(layer, Bidirectional) else (layer,)


def _state_items(layer: Recurrent) -> int:
    """How many items the list of a layer's initial states has: one a state, or of a stack one a cell."""
    return len(layer.cells) if len(layer.cells) > 1 else layer.state_count


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
        with _listening(cell) as (gates, candidates):
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
        for side in _sides(layer):
            by_cell = [[next(iterator) for _ in cell.states] for cell in side.cells if states]
            found += [s if len(s) > 1 else s[0] for s in by_cell] if len(side.cells) > 1 else chain(*by_cell)
        return found or None

    @contextmanager
    def _preset(self, path: Path, dropout: Dropout) -> Iterator[None]:
        """These masks where the Keras in question looks for its own, for one run."""
        cell = dict(keras_side.cells_of(self.layer))[path]
        shared = dict(self.problem.cells())[path].kind == "rnn"
        of_input, of_state = (self._masks(mask, shared) for mask in (dropout.input, dropout.recurrent))
        if self.backend.keras == 3:
            for name, mask in (("_dropout_mask", of_input), ("_recurrent_dropout_mask", of_state)):
                if mask is not None:
                    setattr(cell, name, mask[0] if isinstance(mask, list) and len(mask) == 1 else mask)
            yield
            return
        # The fast path asks the layer, for a mask of the whole sequence; the slow one asks the cell at every step.
        whole = [m[:, None] for m in of_input] if isinstance(of_input, list) else None
        places = [(cell, "get_dropout_mask_for_cell", of_input)]
        places += [(cell, "get_recurrent_dropout_mask_for_cell", of_state)]
        layer = getattr(self.layer, f"{path[0]}_layer") if isinstance(self.problem.layer, Bidirectional) else self.layer
        places += [(layer, "get_dropout_mask_for_cell", whole)]
        for place, name, answer in places:
            setattr(place, name, _answering(answer))
        try:
            yield
        finally:
            for place, name, _ in places:
                delattr(place, name)

    def _masks(self, mask: NDArray[Any] | None, shared: bool) -> Any:
        """One mask where the cell has one for all; else a list, of one or of one a gate."""
        if mask is None or shared:
            return None if mask is None else self._tensor(mask)
        return [self._tensor(m) for m in (mask if mask.ndim == 3 else mask[None])]

    def _tensor(self, array: NDArray[Any]) -> Any:
        return self.backend.engine.tensor(array, self.dtype)


def _answering(answer: Any) -> Callable[..., Any]:
    return lambda *_, **__: answer


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


@contextmanager
def _listening(cell: Any) -> Iterator[tuple[list[Any], list[Any]]]:
    """What the cell's recurrent activation and its activation return, in the order of the calls."""
    gates: list[Any] = []
    candidates: list[Any] = []
    before = {n: getattr(cell, n) for n in ("recurrent_activation", "activation") if hasattr(cell, n)}
    try:
        for name, function in before.items():
            setattr(cell, name, _recording(function, gates if name == "recurrent_activation" else candidates))
        yield gates, candidates
    finally:
        for name, function in before.items():
            setattr(cell, name, function)


def _recording(function: Callable[[Any], Any], into: list[Any]) -> Callable[[Any], Any]:
    def recorded(x: Any) -> Any:
        into.append(function(x))
        return into[-1]

    return recorded
