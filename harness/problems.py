"""The numbers of a case: what every backend is given, so that all of them compute the same thing.

Every number is a float32 number held in float64, so that the float64 proof and the float32 measure start from the same
bits. Biases and initial states are random and distinct: with zeros most wrong mappings show no difference at all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from weight_mapping import oracle
from weight_mapping.oracle import Dropout
from weight_mapping.spec import Bidirectional, Cell, Leaf, Path, Recurrent, leaves, with_leaves
from weight_mapping.weights import BIAS_PARTS, CellWeights, fingerprint

Float = NDArray[np.float64]
Layer = Recurrent | Bidirectional
Draw = Callable[..., Float]


class Sizes(NamedTuple):
    """The sizes of one regime: batch, time steps, input features, units."""

    batch: int
    time: int
    input: int
    units: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Problem:
    """One layer with its weights and all that goes into it.

    `xs` (B, T, i), one array a batch (several where the layer is stateful; (T, B, i) with time_major); `mask` with
    their first two axes. `cotangents` and `target` are the gradients of the outputs and the training target. `dropout`
    holds the masks that training is to use; where empty, the layer is evaluated. `arguments` are further arguments of
    Keras' constructor that are no part of the equations (unroll, regularisers …)."""

    layer: Layer
    weights: Mapping[Path, CellWeights]
    xs: tuple[Float, ...]
    mask: NDArray[np.bool_] | None = None
    initial_state: tuple[Float, ...] = ()
    dropout: Mapping[Path, Dropout] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    cotangents: tuple[Float, ...] = ()
    target: Float | None = None

    @property
    def x(self) -> Float:
        return self.xs[0]

    @property
    def runner(self) -> Recurrent:
        """The layer, or the forward one of two: what both directions have in common."""
        return self.layer.forward if isinstance(self.layer, Bidirectional) else self.layer

    def cells(self) -> Iterator[tuple[Path, Cell]]:
        return cells(self.layer)

    def fingerprint(self) -> str:
        """SHA-256 over the layer, every weight and every input."""
        arrays = [a for path in sorted(self.weights) for _, a in self.weights[path].arrays()]
        arrays += [*self.xs, *self.initial_state, *self.cotangents]
        arrays += [a for a in (self.mask, self.target) if a is not None]
        digest = hashlib.sha256(repr((self.layer, sorted(self.arguments.items()))).encode())
        for array in arrays:
            digest.update(fingerprint(array).encode())
        return digest.hexdigest()


def cells(layer: Layer) -> Iterator[tuple[Path, Cell]]:
    for path, cell in leaves(layer):
        assert isinstance(cell, Cell)
        yield path, cell


def sized(layer: Layer, sizes: Sizes) -> Layer:
    """The layer with these units, and this input size for the first cell of each direction."""
    new: dict[Path, Leaf] = {}
    for path, cell in cells(layer):
        new[path] = replace(cell, units=sizes.units, input_size=sizes.input if path[-1] == "0" else sizes.units)
    result: Layer = with_leaves(layer, new)
    return result


def draw(
    layer: Layer, sizes: Sizes, rng: np.random.Generator, *, batches: int = 1, mask: str = "none", gain: float = 1.0,
    first_step_only: bool = False, diagonal: bool = False, arguments: Mapping[str, Any] | None = None,
) -> Problem:  # fmt: skip
    """A random problem for the layer in these sizes. `gain` scales the weights; `mask` is a name of `MASKS`."""
    layer = sized(layer, sizes)
    normal = _normal(rng)
    weights = {path: _weights(cell, normal, gain, diagonal) for path, cell in cells(layer)}
    shape = (sizes.batch, sizes.time, sizes.input)
    xs = [normal(*shape) for _ in range(batches)]
    if first_step_only:
        for x in xs:
            x[:, 1:] = 0
    counts = MASKS[mask](rng, sizes.batch, sizes.time)
    stateful = layer.stateful if isinstance(layer, Recurrent) else layer.forward.stateful
    states = [0.5 * normal(sizes.batch, cell.units) for _, cell in cells(layer) for _ in cell.states]
    dropping = [(path, cell) for path, cell in cells(layer) if cell.dropout or cell.recurrent_dropout]
    dropout = {path: _dropout(cell, sizes, rng) for path, cell in dropping}
    if isinstance(layer, Recurrent) and layer.time_major:
        xs = [np.ascontiguousarray(x.swapaxes(0, 1)) for x in xs]
        counts = None if counts is None else np.ascontiguousarray(counts.T)
    problem = Problem(
        layer=layer,
        weights=weights,
        xs=tuple(xs),
        mask=counts,
        initial_state=() if stateful else tuple(states),
        dropout=dropout,
        arguments=dict(arguments or {}),
    )
    outputs = oracle.forward(layer, weights, problem.x, mask=counts).outputs
    cotangents = tuple(normal(*y.shape) for y in outputs)
    return replace(problem, cotangents=cotangents, target=normal(*outputs[0].shape))


def _normal(rng: np.random.Generator) -> Draw:
    """Normal numbers that float32 can hold."""
    return lambda *shape: rng.standard_normal(shape).astype(np.float32).astype(np.float64)


def _weights(cell: Cell, normal: Draw, gain: float, diagonal: bool) -> CellWeights:
    gates, units, width = len(cell.gates), cell.units, cell.input_size or 1
    recurrent = normal(gates, units, units) * (np.eye(units) if diagonal else 1)
    arrays = {
        "kernel": normal(gates, units, width) * gain / np.sqrt(width),
        "recurrent": recurrent * gain / np.sqrt(1 if diagonal else units),
        "bias": normal(BIAS_PARTS[cell.bias], gates, units) * gain * 0.7,
    }
    single = {name: array.astype(np.float32).astype(np.float64) for name, array in arrays.items()}
    if cell.bias == "none":
        del single["bias"]
    return CellWeights(kind=cell.kind, reset_after=cell.reset_after, **single)


def _dropout(cell: Cell, sizes: Sizes, rng: np.random.Generator) -> Dropout:
    """Masks with at least one place dropped and one kept, one a gate where the cell draws one a gate."""
    gates = len(cell.gates)
    apart = cell.dropout_per_gate and cell.kind != "rnn"
    of_input = _dropped(rng, cell.dropout, (gates, sizes.batch, cell.input_size or 1), shared=not apart)
    of_state = _dropped(rng, cell.recurrent_dropout, (gates, sizes.batch, cell.units), shared=cell.kind == "rnn")
    return Dropout(input=of_input, recurrent=of_state)


def _dropped(rng: np.random.Generator, rate: float, shape: tuple[int, ...], *, shared: bool) -> Float | None:
    if not rate:
        return None
    kept = rng.random(shape[1:] if shared else shape) >= rate
    kept.flat[0], kept.flat[-1] = False, True
    return (kept / np.float32(1 - rate)).astype(np.float32).astype(np.float64)


def _right_padded(rng: np.random.Generator, batch: int, time: int) -> NDArray[np.bool_]:
    """Each row counts up to its own length, the first one in full."""
    shorter = rng.integers(1, max(time, 2), batch - 1)
    lengths = np.concatenate([[time], shorter]) if batch > 1 else np.array([max(time - 2, 1)])
    return np.arange(time) < lengths[:, None]


def _scattered(rng: np.random.Generator, batch: int, time: int) -> NDArray[np.bool_]:
    """Holes anywhere, the first and the last step among them."""
    mask = rng.random((batch, time)) < 0.6
    mask[0, 0], mask[-1, -1] = False, False
    mask[[0, -1], 1:2] = True
    return mask


def _rows(rng: np.random.Generator, batch: int, time: int) -> NDArray[np.bool_]:
    """Scattered, and the last row all masked."""
    mask = _scattered(rng, batch, time)
    mask[-1] = False
    return mask


MASKS: Mapping[str, Callable[[np.random.Generator, int, int], NDArray[np.bool_] | None]] = {
    "none": lambda rng, batch, time: None,
    "right-padded": _right_padded,
    "scattered": _scattered,
    "all-masked row": _rows,
}
