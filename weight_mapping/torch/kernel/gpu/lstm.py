"""LSTM: i, f, o = r(.), g = a(.); c' = f c + i g; h' = o a(c'). Gates and what is saved: i f g o."""

from __future__ import annotations

import triton
import triton.language as tl
from triton.language import constexpr, tensor

from weight_mapping.torch.kernel.gpu.sequence import Sequence
from weight_mapping.torch.kernel.gpu.tiles import by_state, counting, gate, gradient_of_h, keep, launch


@triton.jit
def _step(
    sums: tensor, weight: tensor, h: tensor, c: tensor, mask: tensor, y: tensor, c_new: tensor, saved: tensor,
    a: constexpr, r: constexpr, batch: tensor, units: tensor,
) -> None:  # fmt: skip
    i = gate(sums, 0, 4, batch, units) + by_state(h, 0, weight, batch, units)
    f = gate(sums, 1, 4, batch, units) + by_state(h, 1, weight, batch, units)
    g = gate(sums, 2, 4, batch, units) + by_state(h, 2, weight, batch, units)
    o = gate(sums, 3, 4, batch, units) + by_state(h, 3, weight, batch, units)
    keep(saved, 0, 4, i, batch, units)
    keep(saved, 1, 4, f, batch, units)
    keep(saved, 2, 4, g, batch, units)
    keep(saved, 3, 4, o, batch, units)
    old, counts = gate(c, 0, 1, batch, units), counting(mask, batch, units)
    made = r(f) * old + r(i) * a(g)
    keep(c_new, 0, 1, tl.where(counts, made, old), batch, units)
    keep(y, 0, 1, tl.where(counts, r(o) * a(made), gate(h, 0, 1, batch, units)), batch, units)


def forward(s: Sequence) -> None:
    for t in range(s.steps):
        c_new = s.c_last if s.c_all is None else s.c_all[t]
        launch(
            _step, s.y[t], s.sums[t], s.weight_hh, s.h_before(t), s.c_before(t), s.of_mask(t), s.y[t], c_new,
            s.of_saved(t), s.a.value, s.r.value,
        )  # fmt: skip


@triton.jit
def _step_back(
    d_next: tensor, weight: tensor, d_h: tensor, d_c: tensor, grad_y: tensor, saved: tensor, c: tensor, c_old: tensor,
    mask: tensor, d: tensor, a: constexpr, a_slope: constexpr, r: constexpr, r_slope: constexpr, batch: tensor,
    units: tensor,
) -> None:  # fmt: skip
    h = gradient_of_h(d_next, 4, 4, weight, d_h, grad_y, batch, units)
    i, f = gate(saved, 0, 4, batch, units), gate(saved, 1, 4, batch, units)
    g, o = gate(saved, 2, 4, batch, units), gate(saved, 3, 4, batch, units)
    made, past, counts = gate(c, 0, 1, batch, units), gate(d_c, 0, 1, batch, units), counting(mask, batch, units)
    dc = past + h * r(o) * a_slope(made)
    keep(d, 0, 4, tl.where(counts, dc * a(g) * r_slope(i), 0.0), batch, units)
    keep(d, 1, 4, tl.where(counts, dc * gate(c_old, 0, 1, batch, units) * r_slope(f), 0.0), batch, units)
    keep(d, 2, 4, tl.where(counts, dc * r(i) * a_slope(g), 0.0), batch, units)
    keep(d, 3, 4, tl.where(counts, h * a(made) * r_slope(o), 0.0), batch, units)
    keep(d_c, 0, 1, tl.where(counts, dc * r(f), past), batch, units)
    keep(d_h, 0, 1, tl.where(counts, 0.0, h), batch, units)


def backward(s: Sequence) -> None:
    """d_h holds what of a step's gradient goes past the cell (a masked step's), d_c the gradient of c."""
    for t in reversed(range(s.steps)):
        d_next = s.d_products[t + 1] if t + 1 < s.steps else None
        launch(
            _step_back, s.d_h, d_next, s.weight_hh, s.d_h, s.d_c, s.grad_y[t], s.saved[t], s.c_all[t], s.c_before(t),
            s.of_mask(t), s.d_products[t], *s.a, *s.r,
        )  # fmt: skip
    s.d_h.addmm_(s.d_products[0], s.weight_hh)
