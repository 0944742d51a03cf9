"""SimpleRNN: h' = a(x W + h U + b). Saved: the sum before activation."""

from __future__ import annotations

import triton
import triton.language as tl
from triton.language import constexpr, tensor

from weight_mapping.torch.kernel.gpu.sequence import Sequence
from weight_mapping.torch.kernel.gpu.tiles import by_state, counting, gate, gradient_of_h, keep, launch


@triton.jit
def _step(
    sums: tensor, weight: tensor, h: tensor, mask: tensor, y: tensor, saved: tensor, a: constexpr, batch: tensor,
    units: tensor,
) -> None:  # fmt: skip
    n = gate(sums, 0, 1, batch, units) + by_state(h, 0, weight, batch, units)
    keep(saved, 0, 1, n, batch, units)
    keep(y, 0, 1, tl.where(counting(mask, batch, units), a(n), gate(h, 0, 1, batch, units)), batch, units)


def forward(s: Sequence) -> None:
    for t in range(s.steps):
        launch(
            _step, s.y[t], s.sums[t], s.weight_hh, s.h_before(t), s.of_mask(t), s.y[t], s.of_saved(t), s.a.value
        )  # fmt: skip


@triton.jit
def _step_back(
    d_next: tensor, weight: tensor, d_h: tensor, grad_y: tensor, saved: tensor, mask: tensor, d: tensor,
    a_slope: constexpr, batch: tensor, units: tensor,
) -> None:  # fmt: skip
    h, counts = gradient_of_h(d_next, 1, 1, weight, d_h, grad_y, batch, units), counting(mask, batch, units)
    keep(d, 0, 1, tl.where(counts, h * a_slope(gate(saved, 0, 1, batch, units)), 0.0), batch, units)
    keep(d_h, 0, 1, tl.where(counts, 0.0, h), batch, units)


def backward(s: Sequence) -> None:
    """d_h holds what of a step's gradient goes past the cell: a masked step's."""
    for t in reversed(range(s.steps)):
        d_next = s.d_products[t + 1] if t + 1 < s.steps else None
        launch(
            _step_back, s.d_h, d_next, s.weight_hh, s.d_h, s.grad_y[t], s.saved[t], s.of_mask(t), s.d_products[t],
            s.a.slope,
        )  # fmt: skip
    s.d_h.addmm_(s.d_products[0], s.weight_hh)
