"""GRU, reset before the product: r, z = r(.); n = a(x W + (r h) U); h' = n + z (h - n). Gates r z n.
Saved: the three before activation, and r h. Two kernels a step: the second's product needs all of r h."""

from __future__ import annotations

import triton
import triton.language as tl
from triton.language import constexpr, tensor

from weight_mapping.torch.kernel.gpu.sequence import Sequence
from weight_mapping.torch.kernel.gpu.tiles import by_state, counting, gate, gradient_of_h, keep, launch, product


@triton.jit
def _gates(
    sums: tensor, weight: tensor, h: tensor, saved: tensor, kept: tensor, r: constexpr, batch: tensor, units: tensor,
) -> None:  # fmt: skip
    reset = gate(sums, 0, 3, batch, units) + by_state(h, 0, weight, batch, units)
    z = gate(sums, 1, 3, batch, units) + by_state(h, 1, weight, batch, units)
    held = r(reset) * gate(h, 0, 1, batch, units)
    keep(saved, 0, 4, reset, batch, units)
    keep(saved, 1, 4, z, batch, units)
    keep(saved, 3, 4, held, batch, units)
    keep(kept, 0, 2, held, batch, units)
    keep(kept, 1, 2, r(z), batch, units)


@triton.jit
def _candidate(
    sums: tensor, weight: tensor, h: tensor, mask: tensor, y: tensor, saved: tensor, kept: tensor, a: constexpr,
    batch: tensor, units: tensor,
) -> None:  # fmt: skip
    n = gate(sums, 2, 3, batch, units)
    n += product(kept, 2 * units, weight + 2 * units * units, 1, units, units, batch, units)
    keep(saved, 2, 4, n, batch, units)
    old, made = gate(h, 0, 1, batch, units), a(n)
    new = made + gate(kept, 1, 2, batch, units) * (old - made)
    keep(y, 0, 1, tl.where(counting(mask, batch, units), new, old), batch, units)


def forward(s: Sequence) -> None:
    kept = s.h.new_empty(s.h.shape[0], 2, s.h.shape[1])  # r h and z
    for t in range(s.steps):
        h, saved = s.h_before(t), s.of_saved(t)
        launch(_gates, h, s.sums[t], s.weight_hh, h, saved, kept, s.r.value)
        launch(_candidate, h, s.sums[t], s.weight_hh, h, s.of_mask(t), s.y[t], saved, kept, s.a.value)


@triton.jit
def _candidate_back(
    d_next: tensor, weight: tensor, d_h: tensor, grad_y: tensor, saved: tensor, h_old: tensor, mask: tensor, d: tensor,
    a: constexpr, a_slope: constexpr, r: constexpr, r_slope: constexpr, batch: tensor, units: tensor,
) -> None:  # fmt: skip
    h, counts = gradient_of_h(d_next, 3, 2, weight, d_h, grad_y, batch, units), counting(mask, batch, units)
    z, n = gate(saved, 1, 4, batch, units), gate(saved, 2, 4, batch, units)
    dz = h * (gate(h_old, 0, 1, batch, units) - a(n)) * r_slope(z)
    keep(d, 1, 3, tl.where(counts, dz, 0.0), batch, units)
    keep(d, 2, 3, tl.where(counts, h * (1.0 - r(z)) * a_slope(n), 0.0), batch, units)
    keep(d_h, 0, 1, tl.where(counts, h * r(z), h), batch, units)


@triton.jit
def _reset_back(
    weight: tensor, d_h: tensor, saved: tensor, h_old: tensor, mask: tensor, d: tensor, r: constexpr,
    r_slope: constexpr, batch: tensor, units: tensor,
) -> None:  # fmt: skip
    last = 2 * units * units
    held = product(d + 2 * units, 3 * units, weight + last, units, 1, units, batch, units)
    reset, past, counts = gate(saved, 0, 4, batch, units), gate(d_h, 0, 1, batch, units), counting(mask, batch, units)
    dr = held * gate(h_old, 0, 1, batch, units) * r_slope(reset)
    keep(d, 0, 3, tl.where(counts, dr, 0.0), batch, units)
    keep(d_h, 0, 1, tl.where(counts, past + held * r(reset), past), batch, units)


def backward(s: Sequence) -> None:
    """d_h holds what of a step's gradient goes past the gates' sums: z dh, r times the gradient of r h, a masked
    step's. Through the next step's sums only r and z pass to h itself."""
    for t in reversed(range(s.steps)):
        d_next = s.d_products[t + 1] if t + 1 < s.steps else None
        h_old, mask, d = s.h_before(t), s.of_mask(t), s.d_products[t]
        launch(
            _candidate_back, s.d_h, d_next, s.weight_hh, s.d_h, s.grad_y[t], s.saved[t], h_old, mask, d, *s.a, *s.r
        )  # fmt: skip
        launch(_reset_back, s.d_h, s.weight_hh, s.d_h, s.saved[t], h_old, mask, d, *s.r)
    pair = 2 * s.h.shape[1]
    s.d_h.addmm_(s.d_products[0, :, :pair], s.weight_hh[:pair])
