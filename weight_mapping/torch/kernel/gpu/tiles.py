"""What the cells' kernels share: a tile of samples x units, products for it, and a step's numbers in memory."""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl
from torch import Tensor
from triton.language import constexpr, tensor

SAMPLES, UNITS, DEPTH = 16, 32, 32
"""Of a tile, and how far a product goes along its sum at a time."""
_SAMPLES, _UNITS, _DEPTH = constexpr(SAMPLES), constexpr(UNITS), constexpr(DEPTH)


def launch(kernel: Any, y: Tensor, *arguments: Any) -> None:
    """The kernel, called with the arguments, the samples and the units, for every tile of a state like y (B, U)."""
    batch, units = y.shape
    grid = triton.cdiv(batch, SAMPLES), triton.cdiv(units, UNITS)
    if batch:  # a grid of nothing can't be launched
        kernel[grid](*arguments, batch, units, enable_fp_fusion=True)


@triton.jit
def place(batch: tensor, units: tensor) -> tl.tuple:
    """This program's tile: its samples (a column), its units (a row), and which of them there are."""
    sample = tl.program_id(0) * _SAMPLES + tl.arange(0, _SAMPLES)[:, None]
    unit = tl.program_id(1) * _UNITS + tl.arange(0, _UNITS)[None, :]
    return sample, unit, (sample < batch) & (unit < units)


@triton.jit
def product(
    rows: tensor, stride: tensor, matrix: tensor, along: tensor, across: tensor, depth: tensor, batch: tensor,
    units: tensor,
) -> tensor:  # fmt: skip
    """The tile of rows @ matrix: rows (B, depth) lie `stride` apart, the matrix's numbers `along` apart in the
    direction of the sum and `across` apart from unit to unit."""
    sample, unit, _ = place(batch, units)
    total = tl.full((_SAMPLES, _UNITS), 0.0, matrix.dtype.element_ty)
    for first in range(0, depth, _DEPTH):
        k = first + tl.arange(0, _DEPTH)
        a = tl.load(rows + sample * stride + k[None, :], mask=(sample < batch) & (k[None, :] < depth), other=0.0)
        b = tl.load(matrix + k[:, None] * along + unit * across, mask=(k[:, None] < depth) & (unit < units), other=0.0)
        total = tl.dot(a, b, total, input_precision="ieee")
    return total


@triton.jit
def gate(sums: tensor, number: constexpr, of: constexpr, batch: tensor, units: tensor) -> tensor:
    """The tile of one of a step's sums (B, of, U)."""
    sample, unit, inside = place(batch, units)
    return tl.load(sums + (sample * of + number) * units + unit, mask=inside, other=0.0)


@triton.jit
def keep(sums: tensor, number: constexpr, of: constexpr, value: tensor, batch: tensor, units: tensor) -> None:
    """Stores such a tile, where there is somewhere to keep it."""
    if sums is not None:
        sample, unit, inside = place(batch, units)
        tl.store(sums + (sample * of + number) * units + unit, value, mask=inside)


@triton.jit
def by_state(h: tensor, number: constexpr, weight: tensor, batch: tensor, units: tensor) -> tensor:
    """h U for one gate: h (B, U), weight (G U, U)."""
    return product(h, units, weight + number * units * units, 1, units, units, batch, units)


@triton.jit
def counting(mask: tensor, batch: tensor, units: tensor) -> tensor:
    """Which samples' step counts, (tile, 1)."""
    sample, _, _ = place(batch, units)
    counts = sample < batch
    if mask is not None:
        counts = tl.load(mask + sample, mask=counts, other=0) != 0
    return counts


@triton.jit
def gradient_of_h(
    d_next: tensor, of: constexpr, first: constexpr, weight: tensor, d_h: tensor, grad_y: tensor, batch: tensor,
    units: tensor,
) -> tensor:  # fmt: skip
    """The gradient of the h that a step makes: through the `first` gates of the next step's sums d_next (B, of, U),
    past them (d_h), and from the output."""
    total = gate(d_h, 0, 1, batch, units) + gate(grad_y, 0, 1, batch, units)
    if d_next is not None:
        total += product(d_next, of * units, weight, units, 1, first * units, batch, units)
    return total
