"""Wrong ports by how a layer is run over time: masks, states from batch to batch, directions, dropout."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from harness.backends import Arrays
from harness.mutants.mutant import Mutant, Run
from harness.problems import Problem
from weight_mapping.errors import PortingError
from weight_mapping.oracle import Dropout
from weight_mapping.spec import Bidirectional

_RESET = " of a reset layer"


def _mask_shifted(problem: Problem) -> Problem | None:
    return None if problem.mask is None else replace(problem, mask=np.roll(problem.mask, 1, axis=1))


def _mask_inverted(problem: Problem) -> Problem | None:
    return None if problem.mask is None else replace(problem, mask=~problem.mask)


def _c_ignored(problem: Problem) -> Problem | None:
    states = problem.initial_state
    if not states or any(cell.kind != "lstm" for _, cell in problem.cells()):
        return None
    kept = (s if n % 2 == 0 else np.zeros_like(s) for n, s in enumerate(states))
    return replace(problem, initial_state=tuple(kept))


def _one_step_late(problem: Problem) -> Problem:
    late = (np.concatenate([np.zeros_like(x[:, :1]), x[:, :-1]], axis=1) for x in problem.xs)
    return replace(problem, xs=tuple(late))


def _dropping(problem: Problem) -> Problem:
    """A quarter of the inputs dropped, as a mask drawn from a seed that is known drops them."""
    rng = np.random.default_rng(0)
    masks = {}
    for path, cell in problem.cells():
        kept = rng.random((problem.x.shape[0], cell.input_size or problem.weights[path].input_size)) >= 0.25
        kept.flat[0] = False
        masks[path] = Dropout(input=kept / 0.75)
    return replace(problem, dropout=masks)


def _every_step(problem: Problem) -> Problem | None:
    layer = problem.layer
    if not isinstance(layer, Bidirectional) or layer.return_sequences:
        return None
    sides = {side: replace(getattr(layer, side), return_sequences=True) for side in ("forward", "backward")}
    return replace(problem, layer=replace(layer, **sides))


def _last_step(outputs: Arrays) -> Arrays:
    return {**outputs, "y": outputs["y"][:, -1]}


def _backward_unreversed(outputs: Arrays) -> Arrays:
    y = _sequence(outputs)
    half = y.shape[-1] // 2
    return {**outputs, "y": np.concatenate([y[..., :half], y[:, ::-1, half:]], axis=-1)}


def _flipped_back(outputs: Arrays) -> Arrays:
    return {**outputs, "y": _sequence(outputs)[:, ::-1]}


def _finals_swapped(outputs: Arrays) -> Arrays:
    if not {"h", "c"} <= outputs.keys():
        raise PortingError("no two states to swap")
    return {**outputs, "h": outputs["c"], "c": outputs["h"]}


def _sequence(outputs: Arrays) -> Any:
    if "y" not in outputs or outputs["y"].ndim < 3:
        raise PortingError("no sequence of outputs")
    return outputs["y"]


def _not_carried(problem: Problem, run: Run) -> Arrays | None:
    """Each batch as if it were the first."""
    if not problem.runner.stateful:
        return None
    found: Arrays = {}
    for n, x in enumerate(problem.xs):
        outputs = run(replace(problem, xs=(x,)))
        shown = {name: y for name, y in outputs.items() if not name.endswith(_RESET)}
        found |= {f"{name} of batch {n}" if n else name: y for name, y in shown.items()}
        found |= {} if n else {f"{name}{_RESET}": y for name, y in shown.items()}
    return found


def _carried_across(problem: Problem, run: Run) -> Arrays | None:
    """After reset_states the layer goes on from the state that it had."""
    if not problem.runner.stateful:
        return None
    outputs, last = run(replace(problem, xs=(*problem.xs, problem.x))), f" of batch {len(problem.xs)}"
    kept = {name: y for name, y in outputs.items() if not name.endswith((_RESET, last))}
    later = {name.removesuffix(last): y for name, y in outputs.items() if name.endswith(last)}
    return {**kept, **{f"{name}{_RESET}": y for name, y in later.items()}}


def _nowhere(problem: Problem) -> Problem | None:  # noqa: ARG001
    """A mistake of several batches can't be made in one problem."""
    return None


_MASKED, _STATEFUL = "lstm/mask/scattered", "lstm/stateful/three batches"
ROWS = (
    Mutant(
        id="mask shifted", description="each step has the mask of the step before it",
        fix="the mask belongs to the input's own steps", change=_mask_shifted, base=_MASKED,
    ),
    Mutant(
        id="mask inverted", description="True is read as padding, as PyTorch's key_padding_mask has it",
        fix="True is a step that counts", change=_mask_inverted, base=_MASKED,
    ),
    Mutant(
        id="initial c ignored", description="h is handed over, the cell state starts from zeros",
        fix="hand over both states, h and c", change=_c_ignored,
    ),
    Mutant(
        id="input one step late", description="each step sees the input of the step before it",
        fix="the first input belongs to the first step", change=_one_step_late,
    ),
    Mutant(
        id="dropout active at inference", description="the inputs are dropped and scaled as in training",
        fix="call module.eval() before inference", change=_dropping,
    ),
    Mutant(
        id="final states swapped", description="the final states are returned in the order c, h",
        fix="the order is h, c", look=_finals_swapped,
    ),
    Mutant(
        id="outputs of go_backwards flipped back", description="the outputs are brought into the order of time",
        fix="leave them as they were computed, last step first", look=_flipped_back, base="lstm/go_backwards/True",
    ),
    Mutant(
        id="backward outputs not reversed", description="the backward layer's outputs are merged in its own order",
        fix="flip them over time before the merge", look=_backward_unreversed, base="bidirectional/concat",
    ),
    Mutant(
        id="the backward layer's first step for its last",
        description="y[:, -1] is taken of both directions: the backward layer's state after one step",
        fix="take the backward layer's last state, which stands at the first step",
        change=_every_step, look=_last_step, base="bidirectional/last step",
    ),
    Mutant(
        id="state not carried", description="a stateful layer starts each batch from zeros",
        fix="hand the final states to the next batch", change=_nowhere, act=_not_carried, base=_STATEFUL,
    ),
    Mutant(
        id="state carried across a reset", description="reset_states leaves the states as they are",
        fix="zero the states when the layer is reset", change=_nowhere, act=_carried_across, base=_STATEFUL,
    ),
)  # fmt: skip
