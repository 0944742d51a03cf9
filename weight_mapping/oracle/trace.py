"""What the oracle hands out: every number of a run, and the gradients of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from weight_mapping.bits import copied
from weight_mapping.spec import Bidirectional, Cell, ConvCell, Path, Recurrent
from weight_mapping.weights import Array, CellWeights

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]
Read = Callable[[Array], Float]
"""What makes float64 numbers of an array of the weights, when they are needed and as often as they are."""


def float64(array: Array) -> Float:
    """The array's numbers in C order; the array itself where it is that."""
    return array if array.dtype == np.float64 and array.flags.c_contiguous else copied(array, np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropout:
    """The dropout masks of one cell, holding 0 or 1/(1-p) and fixed over time, as training draws them.

    `input` (B, i), `recurrent` (B, k): one mask for all gates; with an axis in front, (g, B, ·): one for each gate, in
    the order of `spec.GATES`. `input` may be (g, B, T, i), T in processing order: tf_keras draws it so on its fast path
    (g = 1 where all gates share it)."""

    input: Float | None = None
    recurrent: Float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of one cell before any mask: its new states, its gates (g, B, u) in the order of `spec.GATES`, and the
    sums under the activations. `inner`: of a reset_after GRU, what the reset gate multiplies (B, u)."""

    states: tuple[Float, ...]
    gates: Float
    sums: Float
    inner: Float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CellTrace:
    """One cell over time, in processing order (a layer with go_backwards starts at the last step of its input).

    `h` and `c` (B, T+1, u) start with the initial state and hold what the mask left; `gates` by letter (B, T, u) and
    `outputs` (B, T, u). A ConvLSTM has its spatial axes before u. A cell without a cell state has `c` None.
    Of a run that is not traced, `h` and `c` hold the last step alone (B, 1, u), and there are no gates and no steps."""

    cell: Cell | ConvCell
    weights: CellWeights
    dropout: Dropout
    inputs: Float
    h: Float
    c: Float | None
    gates: Mapping[str, Float]
    outputs: Float
    steps: tuple[Step, ...] = field(repr=False)

    @property
    def states(self) -> tuple[Float, ...]:
        """The states (B, T+1, u): (h, c) or (h,)."""
        return (self.h,) if self.c is None else (self.h, self.c)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One layer's run. `outputs` as Keras' layer returns them; `cells` by path; `states` the final states, returned or
    not; `mask` (B, T) in processing order; `parts` the two directions of a Bidirectional."""

    layer: Recurrent | Bidirectional
    outputs: list[Float]
    states: list[Float]
    cells: Mapping[Path, CellTrace]
    mask: Bool | None = None
    parts: tuple[Trace, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gradients:
    """The gradients of a scalar by the layer's input, its initial states and every weight, in canonical form."""

    x: Float
    initial_state: list[Float]
    weights: Mapping[Path, CellWeights]
