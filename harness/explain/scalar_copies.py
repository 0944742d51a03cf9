"""Is a layer of N units N copies of a layer of one unit? Only where no unit sees another's past: measured."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from weight_mapping import oracle
from weight_mapping.spec import Cell, ConvCell, Recurrent
from weight_mapping.weights import BIAS_PARTS, CellWeights

Float = NDArray[np.float64]
_UNITS, _FILTERS, _STEPS, _BATCH = 64, 4, 12, 3
"""The measurement's greatest sizes: the claim is about how units depend on each other, not about how many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """The greatest difference of h between the layer and its scalar copies, over batch, steps and units."""

    units: int
    input_size: int
    steps: int
    full: float
    """With a recurrent kernel whose every entry is set, as any trained layer has."""
    diagonal: float
    """The same kernel with zeros off the diagonal."""


def measure(cell: Cell | ConvCell, seed: int = 0) -> Copies:
    """Both ways in the float64 oracle, with random weights, biases and inputs; sizes above 64 are cut to 64, filters
    and channels of images to 4."""
    conv = isinstance(cell, ConvCell)
    window = cell.kernel_size if isinstance(cell, ConvCell) else ()
    most = _FILTERS if conv else _UNITS
    units, inputs = min(cell.units, most), min(cell.input_size or 1, most)
    cell = replace(cell, units=units, input_size=inputs, **({"channels_first": False} if conv else {}))
    rng, gates, parts = np.random.default_rng(seed), len(cell.gates), BIAS_PARTS[cell.bias]
    weights = CellWeights(
        kind=cell.kind,
        kernel=rng.uniform(-1, 1, (gates, units, inputs, *window)),
        recurrent=rng.uniform(-1, 1, (gates, units, units, *window)),
        bias=rng.uniform(-1, 1, (parts, gates, units)) if parts else None,
        reset_after=isinstance(cell, Cell) and cell.reset_after,
    )
    x = rng.standard_normal((_BATCH, _STEPS, *_image(cell), inputs))
    own = np.eye(units).reshape(units, units, *(1,) * len(window))
    diagonal = replace(weights, recurrent=weights.recurrent * own)
    apart = [float(np.abs(_run(cell, w, x) - _copies(cell, w, x)).max()) for w in (weights, diagonal)]
    return Copies(units=units, input_size=inputs, steps=_STEPS, full=apart[0], diagonal=apart[1])


def _image(cell: Cell | ConvCell) -> tuple[int, ...]:
    """A small image that the window fits into; none for a cell without one."""
    if not isinstance(cell, ConvCell):
        return ()
    return tuple((k - 1) * d + 2 for k, d in zip(cell.kernel_size, cell.dilation, strict=True))


def _run(cell: Cell | ConvCell, weights: CellWeights, x: Float) -> Float:
    layer = Recurrent(cells=(cell,), return_sequences=True)
    return oracle.forward(layer, {("0",): weights}, x).outputs[0]


def _copies(cell: Cell | ConvCell, weights: CellWeights, x: Float) -> Float:
    """Each unit alone: its own rows of the kernels, of its past only itself."""
    columns = []
    for unit in range(cell.units):
        own = slice(unit, unit + 1)
        alone = replace(
            weights,
            kernel=weights.kernel[:, own],
            recurrent=weights.recurrent[:, own, own],
            bias=None if weights.bias is None else weights.bias[:, :, own],
        )
        columns.append(_run(replace(cell, units=1), alone, x))
    return np.concatenate(columns, axis=-1)
