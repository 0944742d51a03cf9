"""GRU, reset after the product: r, z = r(.); n = a(x W + r (h U + b)); h' = n + z (h - n). Gates r z n.
Saved: the three before activation, and h U + b of the third."""

from __future__ import annotations

import triton
import triton.language as tl
from triton.language import constexpr, tensor

from weight_mapping.torch.kernel.gpu.sequence import Sequence
from weight_mapping.torch.kernel.gpu.tiles import by_state, counting, gate, gradient_of_h, keep, launch


@triton.jit
def _by_state(h: tensor, number: constexpr, weight: tensor, bias: tensor, batch: tensor, units: tensor) -> tensor:
    found = by_state(h, number, weight, batch, units)
    if bias is not None:
        unit = tl.program_id(1) * found.shape[1] + tl.arange(0, found.shape[1])[None, :]
        found += tl.load(bias + number * units + unit, mask=unit < units, other=0.0)
    return found


@triton.jit
def _step(
    sums: tensor, weight: tensor, bias: tensor, h: tensor, mask: tensor, y: tensor, saved: tensor, a: constexpr,
    r: constexpr, batch: tensor, units: tensor,
) -> None:  # fmt: skip
    reset = gate(sums, 0, 3, batch, units) + _by_state(h, 0, weight, bias, batch, units)
    z = gate(sums, 1, 3, batch, units) + _by_state(h, 1, weight, bias, batch, units)
    u = _by_state(h, 2, weight, bias, batch, units)
    n = gate(sums, 2, 3, batch, units) + r(reset) * u
    keep(saved, 0, 4, reset, batch, units)
    keep(saved, 1, 4, z, batch, units)
    keep(saved, 2, 4, n, batch, units)
    keep(saved, 3, 4, u, batch, units)
    old, made = gate(h, 0, 1, batch, units), a(n)
    keep(y, 0, 1, tl.where(counting(mask, batch, units), made + r(z) * (old - made), old), batch, units)


def forward(s: Sequence) -> None:
    for t in range(s.steps):
        launch(
            _step, s.y[t], s.sums[t], s.weight_hh, s.bias_hh, s.h_before(t), s.of_mask(t), s.y[t], s.of_saved(t),
            s.a.value, s.r.value,
        )  # fmt: skip


@triton.jit
def _step_back(
    d_next: tensor, weight: tensor, d_h: tensor, grad_y: tensor, saved: tensor, h_old: tensor, mask: tensor, d: tensor,
    d_u: tensor, a: constexpr, a_slope: constexpr, r: constexpr, r_slope: constexpr, batch: tensor, units: tensor,
) -> None:  # fmt: skip
    h, counts = gradient_of_h(d_next, 3, 3, weight, d_h, grad_y, batch, units), counting(mask, batch, units)
    reset, z = gate(saved, 0, 4, batch, units), gate(saved, 1, 4, batch, units)
    n, u = gate(saved, 2, 4, batch, units), gate(saved, 3, 4, batch, units)
    dn = tl.where(counts, h * (1.0 - r(z)) * a_slope(n), 0.0)
    dz = tl.where(counts, h * (gate(h_old, 0, 1, batch, units) - a(n)) * r_slope(z), 0.0)
    dr = tl.where(counts, dn * u * r_slope(reset), 0.0)
    keep(d, 0, 3, dr, batch, units)
    keep(d, 1, 3, dz, batch, units)
    keep(d, 2, 3, dn, batch, units)
    keep(d_u, 0, 3, dr, batch, units)
    keep(d_u, 1, 3, dz, batch, units)
    keep(d_u, 2, 3, dn * r(reset), batch, units)
    keep(d_h, 0, 1, tl.where(counts, h * r(z), h), batch, units)


def backward(s: Sequence) -> None:
    """d_h holds what of a step's gradient goes past the products: z dh, and a masked step's."""
    for t in reversed(range(s.steps)):
        d_next = s.d_recurrent[t + 1] if t + 1 < s.steps else None
        launch(
            _step_back, s.d_h, d_next, s.weight_hh, s.d_h, s.grad_y[t], s.saved[t], s.h_before(t), s.of_mask(t),
            s.d_products[t], s.d_recurrent[t], *s.a, *s.r,
        )  # fmt: skip
    s.d_h.addmm_(s.d_recurrent[0], s.weight_hh)
