"""What each mistaken convention does to a problem, or to the outputs: the changes that `mutants` gives names.

A change returns None where the mistake can't be made: there is nothing to swap, or no mask to ignore.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.backends import Arrays
from harness.problems import Problem
from weight_mapping.activations import activation, hard_sigmoid
from weight_mapping.errors import PortingError
from weight_mapping.spec import GATES, Bidirectional, Cell, Recurrent, with_leaves
from weight_mapping.weights import CellWeights

Change = Callable[[Problem], Problem | None]
Look = Callable[[Arrays], Arrays]
OfWeights = Callable[[CellWeights], CellWeights | None]
OfCell = Callable[[Cell, CellWeights], tuple[Cell, CellWeights] | None]


def of_weights(change: OfWeights) -> Change:
    """A change of every cell's weights."""

    def changed(problem: Problem) -> Problem | None:
        new = {path: change(weights) for path, weights in problem.weights.items()}
        done = {path: weights for path, weights in new.items() if weights is not None}
        return replace(problem, weights=done) if len(done) == len(new) else None

    return changed


def of_cells(change: OfCell) -> Change:
    """A change of every cell, with its weights."""

    def changed(problem: Problem) -> Problem | None:
        new = {path: change(cell, problem.weights[path]) for path, cell in problem.cells()}
        done = {path: pair for path, pair in new.items() if pair is not None}
        if len(done) < len(new):
            return None
        layer = with_leaves(problem.layer, {path: cell for path, (cell, _) in done.items()})
        return replace(problem, layer=layer, weights={path: weights for path, (_, weights) in done.items()})

    return changed


def of_layer(change: Callable[[Recurrent], Recurrent | None]) -> Change:
    """A change of how a single layer is run."""

    def changed(problem: Problem) -> Problem | None:
        new = change(problem.layer) if isinstance(problem.layer, Recurrent) else None
        return None if new is None else replace(problem, layer=new)

    return changed


def reordered(order: str) -> OfWeights:
    def change(weights: CellWeights) -> CellWeights | None:
        gates = GATES[weights.kind]
        if sorted(gates) != sorted(order):
            return None
        indices = [order.index(g) for g in gates]
        bias = None if weights.bias is None else weights.bias[:, indices]
        return replace(weights, kernel=weights.kernel[indices], recurrent=weights.recurrent[indices], bias=bias)

    return change


def exchanged(gates: str, a: str, b: str) -> str:
    return gates.translate(str.maketrans(a + b, b + a))


def of_bias(change: Callable[[NDArray[Any]], NDArray[Any]], kind: str | None = None) -> OfWeights:
    def changed(weights: CellWeights) -> CellWeights | None:
        if weights.bias is None or kind not in (None, weights.kind):
            return None
        return replace(weights, bias=change(weights.bias))

    return changed


def more_forget(bias: NDArray[Any]) -> NDArray[Any]:
    more = np.array(bias)
    more[0, 1] += 1
    return more


def turned(name: str) -> OfWeights:
    def changed(weights: CellWeights) -> CellWeights | None:
        array = getattr(weights, name)
        turned: dict[str, Any] = {name: array.swapaxes(1, 2)}
        return replace(weights, **turned) if array.shape[1] == array.shape[2] > 1 else None

    return changed


def reread(weights: CellWeights) -> CellWeights | None:
    """The fused kernel (i, g h) in memory, read as if it were (g h, i)."""
    stored = np.ascontiguousarray(weights.kernel.transpose(2, 0, 1))
    return replace(weights, kernel=stored.reshape(weights.kernel.shape))


def parts_swapped(weights: CellWeights) -> CellWeights | None:
    return None if weights.bias_form != "split" else of_bias(lambda bias: bias[::-1])(weights)


def folded(weights: CellWeights) -> CellWeights | None:
    if weights.bias_form != "split" or not weights.reset_after:
        return None
    return of_bias(lambda bias: np.stack([bias.sum(0), np.zeros_like(bias[0])]))(weights)


def other_slope(cell: Cell, weights: CellWeights) -> tuple[Cell, CellWeights] | None:
    other = {1 / 5: 1 / 6, 1 / 6: 1 / 5}
    new: dict[str, Any] = {
        name: hard_sigmoid(other[dict(a.parameters)["slope"]])
        for name in ("activation", "recurrent_activation")
        if (a := getattr(cell, name)).name == "hard_sigmoid"
    }
    return (replace(cell, **new), weights) if new else None


def plain_sigmoid(cell: Cell, weights: CellWeights) -> tuple[Cell, CellWeights] | None:
    if cell.recurrent_activation.name != "hard_sigmoid":
        return None
    return replace(cell, recurrent_activation=activation("sigmoid")), weights


def other_reset(cell: Cell, weights: CellWeights) -> tuple[Cell, CellWeights] | None:
    if cell.kind != "gru":
        return None
    after = not cell.reset_after
    bias = weights.bias
    if bias is not None:
        bias = np.concatenate([bias, np.zeros_like(bias)]) if after else bias.sum(0, keepdims=True)
    form: Any = "none" if bias is None else "split" if after else "single"
    return replace(cell, reset_after=after, bias=form), replace(weights, reset_after=after, bias=bias)


def other_merge(problem: Problem) -> Problem | None:
    others: dict[str, Any] = {"sum": "ave", "ave": "sum", "concat": "sum", "mul": "sum"}
    layer = problem.layer
    if not isinstance(layer, Bidirectional) or layer.merge not in others:
        return None
    return replace(problem, layer=replace(layer, merge=others[layer.merge]))


def sides_swapped(problem: Problem) -> Problem | None:
    if not isinstance(problem.layer, Bidirectional):
        return None
    other = {"forward": "backward", "backward": "forward"}
    return replace(problem, weights={(other[path[0]], *path[1:]): w for path, w in problem.weights.items()})


def without_mask(problem: Problem) -> Problem | None:
    return None if problem.mask is None else replace(problem, mask=None)


def states_swapped(problem: Problem) -> Problem | None:
    states = problem.initial_state
    if len(states) % 2 or not states or any(cell.kind != "lstm" for _, cell in problem.cells()):
        return None
    return replace(
        problem, initial_state=tuple(s for h, c in zip(states[::2], states[1::2], strict=True) for s in (c, h))
    )


def states_ignored(problem: Problem) -> Problem | None:
    return replace(problem, initial_state=()) if problem.initial_state else None


def axes_mixed(problem: Problem) -> Problem | None:
    """(B, T, i) taken for (T, B, i). States of another batch size would not fit, and are left out."""
    batch, time = problem.x.shape[:2]
    states = problem.initial_state if batch == time else ()
    mask = None if problem.mask is None else problem.mask.T
    return replace(problem, xs=tuple(x.swapaxes(0, 1) for x in problem.xs), mask=mask, initial_state=states)


def off_by_one(outputs: Arrays) -> Arrays:
    """Each step shows the step before it."""
    y = outputs["y"]
    if y.ndim < 3:
        raise PortingError("only a sequence can be off by one")
    return {**outputs, "y": np.concatenate([np.zeros_like(y[:, :1]), y[:, :-1]], axis=1)}


def one_nan(outputs: Arrays) -> Arrays:
    """The last number of the last output."""
    name = list(outputs)[-1]
    array = np.array(outputs[name])
    array.flat[-1] = np.nan
    return {**outputs, name: array}


def single(outputs: Arrays) -> Arrays:
    return {name: y.astype(np.float32).astype(np.float64) for name, y in outputs.items()}
