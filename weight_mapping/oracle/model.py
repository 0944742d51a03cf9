"""A whole model in float64: the graph's walk with the oracle's layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from weight_mapping import graph
from weight_mapping.errors import PortingError, Unsupported
from weight_mapping.graph import Call
from weight_mapping.operations import apply
from weight_mapping.oracle.plain import FUNCTIONS
from weight_mapping.oracle.recurrent import forward
from weight_mapping.oracle.trace import Float, Read, float64
from weight_mapping.spec import (
    Bidirectional,
    Custom,
    ModelSpec,
    Operation,
    Path,
    Plain,
    Recurrent,
    TimeDistributed,
)
from weight_mapping.weights import CellWeights, LeafWeights, Portable

States = Mapping[Path, Sequence[ArrayLike]]
Output = NDArray[Any] | tuple[NDArray[Any], ...]


def run(
    portable: Portable, *inputs: ArrayLike, states: States | None = None,
    before: Callable[[Call], None] | None = None, read: Read = float64,
) -> Output:  # fmt: skip
    """The model's output, a tuple where it has several. Inputs in the model's order, floats or ids.

    A stateful layer starts from its `states`, by path and in Keras' order, or from zeros. `before` is shown each call
    of a layer, those inside a TimeDistributed too, before it is computed; `read` makes float64 of the weights."""
    return run_with_states(portable, *inputs, states=states, before=before, read=read)[0]


def outputs(portable: Portable, *inputs: ArrayLike, before: Callable[[Call], None] | None = None) -> list[Any]:
    """`run`, always a list."""
    answer = run(portable, *inputs, before=before)
    return list(answer) if isinstance(answer, tuple) else [answer]


def run_with_states(
    portable: Portable, *inputs: ArrayLike, states: States | None = None,
    before: Callable[[Call], None] | None = None, read: Read = float64,
) -> tuple[Output, dict[Path, list[Float]]]:  # fmt: skip
    """`run`, and the states in which its stateful layers end: what the next batch starts from."""
    walk = _Walk(portable.weights, states or {}, before, read)
    outputs, _ = graph.run(portable.spec, [_floating(x) for x in inputs], walk, np)
    return outputs[0] if len(outputs) == 1 else tuple(outputs), walk.final


class _Walk:
    """What the graph's walk calls for every layer, with the weights by path and the states before and after."""

    def __init__(
        self, weights: Mapping[Path, LeafWeights], states: States, before: Callable[[Call], None] | None, read: Read
    ) -> None:
        self.weights, self.states, self.before, self.read = weights, states, before, read
        self.final: dict[Path, list[Float]] = {}

    def __call__(self, call: Call) -> list[Any]:
        if self.before:
            self.before(call)
        match call.layer:
            case Recurrent() | Bidirectional():
                return self._recurrent(call, call.layer)
            case TimeDistributed():
                return self._time_distributed(call, call.layer)
            case Plain():
                weights = self.weights.get(call.path, {})
                if isinstance(weights, CellWeights):
                    raise PortingError("a cell's weights at a plain layer", where="/".join(call.path))
                arrays = {name: self.read(array) for name, array in weights.items()}
                inputs = [np.asarray(x, np.float64) for x in call.inputs]
                return [FUNCTIONS[call.layer.kind](call.layer.options, arrays, inputs, call.masks)]
            case Operation():
                result = apply(call.layer, call.inputs)
                return result if isinstance(result, list) else [result]
            case Custom() as layer:
                raise Unsupported(layer.refusal, where="/".join(call.path), class_name=layer.class_name)
            case _:
                raise TypeError("the graph's walk goes into nested models itself")

    def _recurrent(self, call: Call, layer: Recurrent | Bidirectional) -> list[Any]:
        depth = len(call.path)
        weights = {
            path[depth:]: found
            for path, found in self.weights.items()
            if path[:depth] == call.path and isinstance(found, CellWeights)
        }
        stateful = layer.forward.stateful if isinstance(layer, Bidirectional) else layer.stateful
        before = self.states.get(call.path, ()) if stateful else ()
        start = call.initial_state or before
        trace = forward(
            layer, weights, call.inputs[0], mask=call.mask, initial_state=start, read=self.read, traced=False
        )
        if stateful:
            self.final[call.path] = trace.states
        return trace.outputs

    def _time_distributed(self, call: Call, layer: TimeDistributed) -> list[Any]:
        """The steps become samples, and samples steps again; a mask goes along where it has an axis more than steps."""
        x = call.inputs[0]
        batch, steps = x.shape[:2]
        folded = x.reshape(batch * steps, *x.shape[2:])
        mask = (
            None if call.mask is None or call.mask.ndim < 3 else call.mask.reshape(batch * steps, *call.mask.shape[2:])
        )
        path = (*call.path, "layer")
        if isinstance(layer.layer, ModelSpec):
            outputs, _ = graph.run(layer.layer, [folded], self, np, masks=[mask], path=path)
        else:
            outputs = self(Call(path, layer.layer, [folded], [mask]))
        return [y.reshape(batch, steps, *y.shape[1:]) for y in outputs]


def _floating(x: ArrayLike) -> NDArray[Any]:
    array = np.asarray(x)
    return array.astype(np.float64) if array.dtype.kind == "f" else array
