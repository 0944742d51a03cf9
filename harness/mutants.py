"""Wrong ports, each a row: what a mistaken convention makes of a problem, and how to mend it.

They serve twice. `lstm-parity verify` plants each and must turn red: a harness that can't fail proves nothing. And
`diagnose` tries each on a port that disagrees, and names the one that explains the difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations, permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.backends import Arrays
from harness.problems import Problem
from weight_mapping import oracle
from weight_mapping.activations import activation, hard_sigmoid
from weight_mapping.errors import PortingError
from weight_mapping.spec import GATES, Bidirectional, Cell, Recurrent, with_leaves
from weight_mapping.weights import CellWeights

Change = Callable[[Problem], Problem | None]
Look = Callable[[Arrays], Arrays]
OfWeights = Callable[[CellWeights], CellWeights | None]
OfCell = Callable[[Cell, CellWeights], tuple[Cell, CellWeights] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One mistake. `change` gives the problem as the mistaken port understands it, None where the mistake can't be
    made; `look` what it makes of the outputs. `base` is the row of the table of cases on which it is planted."""

    id: str
    description: str
    fix: str
    change: Change = lambda problem: problem
    look: Look = lambda outputs: outputs
    base: str = "lstm/default"
    regimes: tuple[str, ...] = ("different", "square")

    def outputs(self, problem: Problem, run: Callable[[Problem], Arrays]) -> Arrays | None:
        """What the mistaken port returns; None where this mistake can't be made."""
        try:
            changed = self.change(problem)
            return None if changed is None else self.look(run(fitted(changed)))
        except PortingError:
            return None


def fitted(problem: Problem) -> Problem:
    """The problem with cotangents in the shapes of its outputs, which a change may have altered."""
    outputs = oracle.forward(
        problem.layer, problem.weights, problem.x, mask=problem.mask, initial_state=problem.initial_state
    ).outputs
    return replace(problem, cotangents=tuple(np.ones_like(y) for y in outputs), target=np.zeros_like(outputs[0]))


def _weights(change: OfWeights) -> Change:
    """A change of every cell's weights."""

    def changed(problem: Problem) -> Problem | None:
        new = {path: change(weights) for path, weights in problem.weights.items()}
        done = {path: weights for path, weights in new.items() if weights is not None}
        return replace(problem, weights=done) if len(done) == len(new) else None

    return changed


def _cells(change: OfCell) -> Change:
    """A change of every cell, with its weights."""

    def changed(problem: Problem) -> Problem | None:
        new = {path: change(cell, problem.weights[path]) for path, cell in problem.cells()}
        done = {path: pair for path, pair in new.items() if pair is not None}
        if len(done) < len(new):
            return None
        layer = with_leaves(problem.layer, {path: cell for path, (cell, _) in done.items()})
        return replace(problem, layer=layer, weights={path: weights for path, (_, weights) in done.items()})

    return changed


def _runner(change: Callable[[Recurrent], Recurrent | None]) -> Change:
    """A change of how a single layer is run."""

    def changed(problem: Problem) -> Problem | None:
        new = change(problem.layer) if isinstance(problem.layer, Recurrent) else None
        return None if new is None else replace(problem, layer=new)

    return changed


def _reordered(order: str) -> OfWeights:
    def change(weights: CellWeights) -> CellWeights | None:
        gates = GATES[weights.kind]
        if sorted(gates) != sorted(order):
            return None
        indices = [order.index(g) for g in gates]
        bias = None if weights.bias is None else weights.bias[:, indices]
        return replace(weights, kernel=weights.kernel[indices], recurrent=weights.recurrent[indices], bias=bias)

    return change


def _exchanged(gates: str, a: str, b: str) -> str:
    return gates.translate(str.maketrans(a + b, b + a))


def swaps() -> Iterator[Mutant]:
    """Every two gates exchanged."""
    for kind, base in (("lstm", "lstm/default"), ("gru", "gru reset_after/default")):
        for a, b in combinations(GATES[kind], 2):
            yield Mutant(
                id=f"gates {a} and {b} of {kind} swapped",
                description=f"the blocks of the gates {a} and {b} are taken for each other",
                fix=f"exchange the blocks {a} and {b} in kernel, recurrent kernel and bias",
                change=_weights(_reordered(_exchanged(GATES[kind], a, b))),
                base=base,
            )


_KNOWN_ORDERS = {"icfo": "Keras 1's and TensorFlow 1's", "iofc": "ONNX's", "fico": "OpenVINO's"}


def orders() -> Iterator[Mutant]:
    """Every other order of the gates: the rows above exchange two, these more."""
    for kind, gates in GATES.items():
        for order in map("".join, permutations(gates)):
            if sum(a != b for a, b in zip(gates, order, strict=True)) > 2:
                whose = f", {_KNOWN_ORDERS[order]}," if order in _KNOWN_ORDERS else ""
                yield Mutant(
                    id=f"gates of {kind} in the order {order}",
                    description=f"the gates are read in the order {order}{whose} instead of {gates}",
                    fix=f"bring the blocks from {order} into the order {gates}",
                    change=_weights(_reordered(order)),
                )


def _bias(change: Callable[[NDArray[Any]], NDArray[Any]], kind: str | None = None) -> OfWeights:
    def changed(weights: CellWeights) -> CellWeights | None:
        if weights.bias is None or kind not in (None, weights.kind):
            return None
        return replace(weights, bias=change(weights.bias))

    return changed


def _more_forget(bias: NDArray[Any]) -> NDArray[Any]:
    more = np.array(bias)
    more[0, 1] += 1
    return more


def _turned(name: str) -> OfWeights:
    def changed(weights: CellWeights) -> CellWeights | None:
        array = getattr(weights, name)
        turned: dict[str, Any] = {name: array.swapaxes(1, 2)}
        return replace(weights, **turned) if array.shape[1] == array.shape[2] > 1 else None

    return changed


def _reread(weights: CellWeights) -> CellWeights | None:
    """The fused kernel (i, g h) in memory, read as if it were (g h, i)."""
    stored = np.ascontiguousarray(weights.kernel.transpose(2, 0, 1))
    return replace(weights, kernel=stored.reshape(weights.kernel.shape))


def _parts_swapped(weights: CellWeights) -> CellWeights | None:
    return None if weights.bias_form != "split" else _bias(lambda bias: bias[::-1])(weights)


def _folded(weights: CellWeights) -> CellWeights | None:
    if weights.bias_form != "split" or not weights.reset_after:
        return None
    return _bias(lambda bias: np.stack([bias.sum(0), np.zeros_like(bias[0])]))(weights)


def _other_slope(cell: Cell, weights: CellWeights) -> tuple[Cell, CellWeights] | None:
    other = {1 / 5: 1 / 6, 1 / 6: 1 / 5}
    new = {
        name: hard_sigmoid(other[dict(a.parameters)["slope"]])
        for name in ("activation", "recurrent_activation")
        if (a := getattr(cell, name)).name == "hard_sigmoid"
    }
    return (replace(cell, **new), weights) if new else None


def _plain_sigmoid(cell: Cell, weights: CellWeights) -> tuple[Cell, CellWeights] | None:
    if cell.recurrent_activation.name != "hard_sigmoid":
        return None
    return replace(cell, recurrent_activation=activation("sigmoid")), weights


def _other_reset(cell: Cell, weights: CellWeights) -> tuple[Cell, CellWeights] | None:
    if cell.kind != "gru":
        return None
    after = not cell.reset_after
    bias = weights.bias
    if bias is not None:
        bias = np.concatenate([bias, np.zeros_like(bias)]) if after else bias.sum(0, keepdims=True)
    form: Any = "none" if bias is None else "split" if after else "single"
    return replace(cell, reset_after=after, bias=form), replace(weights, reset_after=after, bias=bias)


def _other_merge(problem: Problem) -> Problem | None:
    others: dict[str, Any] = {"sum": "ave", "ave": "sum", "concat": "sum", "mul": "sum"}
    layer = problem.layer
    if not isinstance(layer, Bidirectional) or layer.merge not in others:
        return None
    return replace(problem, layer=replace(layer, merge=others[layer.merge]))


def _sides_swapped(problem: Problem) -> Problem | None:
    if not isinstance(problem.layer, Bidirectional):
        return None
    other = {"forward": "backward", "backward": "forward"}
    return replace(problem, weights={(other[path[0]], *path[1:]): w for path, w in problem.weights.items()})


def _without_mask(problem: Problem) -> Problem | None:
    return None if problem.mask is None else replace(problem, mask=None)


def _states_swapped(problem: Problem) -> Problem | None:
    states = problem.initial_state
    if len(states) % 2 or not states or any(cell.kind != "lstm" for _, cell in problem.cells()):
        return None
    return replace(
        problem, initial_state=tuple(s for h, c in zip(states[::2], states[1::2], strict=True) for s in (c, h))
    )


def _states_ignored(problem: Problem) -> Problem | None:
    return replace(problem, initial_state=()) if problem.initial_state else None


def _axes_mixed(problem: Problem) -> Problem | None:
    """(B, T, i) taken for (T, B, i). States of another batch size would not fit, and are left out."""
    batch, time = problem.x.shape[:2]
    states = problem.initial_state if batch == time else ()
    mask = None if problem.mask is None else problem.mask.T
    return replace(problem, xs=tuple(x.swapaxes(0, 1) for x in problem.xs), mask=mask, initial_state=states)


def _off_by_one(outputs: Arrays) -> Arrays:
    """Each step shows the step before it."""
    y = outputs["y"]
    if y.ndim < 3:
        raise PortingError("only a sequence can be off by one")
    return {**outputs, "y": np.concatenate([np.zeros_like(y[:, :1]), y[:, :-1]], axis=1)}


def _one_nan(outputs: Arrays) -> Arrays:
    """The last number of the last output."""
    name = list(outputs)[-1]
    array = np.array(outputs[name])
    array.flat[-1] = np.nan
    return {**outputs, name: array}


def _single(outputs: Arrays) -> Arrays:
    return {name: y.astype(np.float32).astype(np.float64) for name, y in outputs.items()}


_SLOPED = "lstm/recurrent_activation/hard_sigmoid 1-5"


def _mutants() -> Iterator[Mutant]:
    yield from swaps()

    def row(id: str, description: str, fix: str, **options: Any) -> Mutant:
        return Mutant(id=id, description=description, fix=fix, **options)

    yield row("bias dropped", "the biases are left at zero", "copy the bias", change=_weights(_bias(np.zeros_like)))
    yield row(
        "bias doubled",
        "the one bias is put into both of PyTorch's",
        "set bias_hh to zero",
        change=_weights(_bias(lambda bias: 2 * bias)),
    )
    yield row(
        "forget bias added twice",
        "1 is added to a forget bias that holds it already",
        "copy the stored bias as it is: unit_forget_bias only matters when a layer is made",
        change=_weights(_bias(_more_forget, "lstm")),
    )
    yield row(
        "recurrent kernel transposed",
        "each gate's recurrent kernel is transposed",
        "transpose the fused array once: weight_hh = recurrent_kernel.T",
        change=_weights(_turned("recurrent")),
    )
    yield row(
        "kernel transposed",
        "each gate's kernel is transposed",
        "transpose the fused array once: weight_ih = kernel.T",
        change=_weights(_turned("kernel")),
        regimes=("square",),
    )
    yield row(
        "kernel reshaped",
        "the fused kernel is reshaped to PyTorch's shape instead of transposed",
        "transpose it: weight_ih = kernel.T",
        change=_weights(_reread),
    )
    yield row(
        "other hard_sigmoid",
        "hard_sigmoid with the other slope: 1/5 is Keras 1 and 2's, 1/6 Keras 3's and PyTorch's",
        "say the slope: the version of Keras that wrote the file tells it",
        change=_cells(_other_slope),
        base=_SLOPED,
    )
    yield row(
        "sigmoid for hard_sigmoid",
        "the gates go through sigmoid, as in nn.LSTM, where the layer says hard_sigmoid",
        "use a module that can state recurrent_activation; nn.LSTM can't",
        change=_cells(_plain_sigmoid),
        base=_SLOPED,
    )
    yield row(
        "direction",
        "go_backwards is missed, or set where it should not be",
        "take go_backwards from the configuration",
        change=_runner(lambda layer: replace(layer, go_backwards=not layer.go_backwards)),
    )
    yield row(
        "merge mode",
        "the two directions are merged in another way",
        "take merge_mode from the configuration",
        change=_other_merge,
        base="bidirectional/sum",
    )
    yield row(
        "directions swapped",
        "the forward layer has the backward one's weights and the other way round",
        "forward weights come first",
        change=_sides_swapped,
        base="bidirectional/sum",
    )
    yield row(
        "mask ignored",
        "masked steps are computed like any other",
        "hand the mask to the layer, or pack the sequence",
        change=_without_mask,
        base="lstm/mask/scattered",
    )
    yield row(
        "zero_output_for_mask",
        "at masked steps the output is zero where it should repeat, or the other way round",
        "take zero_output_for_mask from the configuration; within Bidirectional it is set",
        change=_runner(lambda layer: replace(layer, zero_output_for_mask=not layer.zero_output_for_mask)),
        base="lstm/mask/scattered",
    )
    yield row(
        "states h and c swapped",
        "the initial states are handed over in the order c, h",
        "the order is h, c",
        change=_states_swapped,
    )
    yield row(
        "initial state ignored", "the layer starts from zeros", "hand over the initial states", change=_states_ignored
    )
    yield row(
        "reset_after",
        "the GRU's reset gate acts before the product instead of after it, or the other way round",
        "take reset_after from the configuration; absent means False; nn.GRU is True",
        change=_cells(_other_reset),
        base="gru reset_after/default",
    )
    yield row(
        "GRU bias parts swapped",
        "the input's and the recurrent part of the bias change places",
        "row 0 of Keras' bias is the input's: bias_ih",
        change=_weights(_parts_swapped),
        base="gru reset_after/default",
    )
    yield row(
        "GRU bias folded",
        "the two parts of a reset_after GRU's bias are added up",
        "keep both: the recurrent part is inside the reset gate's product",
        change=_weights(_folded),
        base="gru reset_after/default",
    )
    yield row(
        "float32 for float64",
        "the numbers were cut to float32 on the way",
        "compute and compare in one precision",
        look=_single,
    )
    yield row("NaN in a later output", "one number is not finite", "find the operation that made it", look=_one_nan)
    yield row(
        "return_sequences off by one",
        "each step shows the output of the step before it",
        "the first output belongs to the first step",
        look=_off_by_one,
    )
    yield row(
        "time-major mix-up",
        "the axes of batch and time are taken for each other",
        "set batch_first=True, or transpose the input",
        change=_axes_mixed,
    )


MUTANTS: tuple[Mutant, ...] = tuple(_mutants())
