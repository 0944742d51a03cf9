"""One step of each cell and its adjoint, every line an equation.

σ is the recurrent activation, φ the activation; `wx` the inputs' sums (g, B, u) with their bias; `u(v)` the product of
v with the recurrent kernel, with its bias. Sources: Hochreiter and Schmidhuber 1997 with the forget gate of Gers et al.
2000 (LSTM); Cho et al. 2014, and its variant that resets after the product (GRU); Elman 1990 (RNN).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from weight_mapping.oracle.products import Product
from weight_mapping.oracle.trace import Float, Step
from weight_mapping.spec import Cell, ConvCell

States = tuple[Float, ...]
Backward = tuple[Float, States]
Z_R, N = slice(0, 2), slice(2, 3)


def _lstm(cell: Cell | ConvCell, u: Product, wx: Float, previous: States) -> Step:
    σ, φ = cell.recurrent_activation.function, cell.activation.function
    h, c = previous
    s_i, s_f, s_g, s_o = s = wx + u(h)
    i, f, g, o = σ(s_i), σ(s_f), φ(s_g), σ(s_o)
    c = f * c + i * g
    h = o * φ(c)
    return Step(states=(h, c), gates=np.stack([i, f, g, o]), sums=s)


def _lstm_adjoint(cell: Cell | ConvCell, u: Product, step: Step, previous: States, d: States) -> Backward:
    dσ, φ, dφ = cell.recurrent_activation.derivative, cell.activation.function, cell.activation.derivative
    (i, f, g, o), (s_i, s_f, s_g, s_o), (h, c), (_, new_c) = step.gates, step.sums, previous, step.states
    d_h, d_c = d
    d_o = d_h * φ(new_c)
    d_c = d_c + d_h * o * dφ(new_c)
    d_s = np.stack([d_c * g * dσ(s_i), d_c * c * dσ(s_f), d_c * i * dφ(s_g), d_o * dσ(s_o)])
    return d_s, (u.adjoint(h, d_s), d_c * f)


def _gru(cell: Cell | ConvCell, u: Product, wx: Float, previous: States) -> Step:
    σ, φ = cell.recurrent_activation.function, cell.activation.function
    (h,) = previous
    if _reset_after(cell):
        u_z, u_r, inner = u(h)
        s_z, s_r = wx[0] + u_z, wx[1] + u_r
        z, r = σ(s_z), σ(s_r)
        s_n = wx[2] + r * inner
    else:
        (s_z, s_r), inner = wx[Z_R] + u(h, Z_R), None
        z, r = σ(s_z), σ(s_r)
        s_n = wx[2] + u(r * h, N)[0]
    n = φ(s_n)
    return Step(states=(z * h + (1 - z) * n,), gates=np.stack([z, r, n]), sums=np.stack([s_z, s_r, s_n]), inner=inner)


def _gru_adjoint(cell: Cell | ConvCell, u: Product, step: Step, previous: States, d: States) -> Backward:
    dσ, dφ = cell.recurrent_activation.derivative, cell.activation.derivative
    (z, r, n), (s_z, s_r, s_n), (h,), (d_h,) = step.gates, step.sums, previous, d
    d_z, d_n, d_previous = d_h * (h - n), d_h * (1 - z), d_h * z
    d_sz, d_sn = d_z * dσ(s_z), d_n * dφ(s_n)
    if step.inner is not None:
        d_sr = d_sn * step.inner * dσ(s_r)
        d_previous = d_previous + u.adjoint(h, np.stack([d_sz, d_sr, d_sn * r]))
    else:
        d_rh = u.adjoint(r * h, d_sn[None], N)
        d_sr = d_rh * h * dσ(s_r)
        d_previous = d_previous + d_rh * r + u.adjoint(h, np.stack([d_sz, d_sr]), Z_R)
    return np.stack([d_sz, d_sr, d_sn]), (d_previous,)


def _rnn(cell: Cell | ConvCell, u: Product, wx: Float, previous: States) -> Step:
    (h,) = previous
    s = wx + u(h)
    h = cell.activation.function(s[0])
    return Step(states=(h,), gates=h[None], sums=s)


def _rnn_adjoint(cell: Cell | ConvCell, u: Product, step: Step, previous: States, d: States) -> Backward:
    d_s = d[0] * cell.activation.derivative(step.sums)
    return d_s, (u.adjoint(previous[0], d_s),)


def _reset_after(cell: Cell | ConvCell) -> bool:
    return isinstance(cell, Cell) and cell.reset_after


@dataclass(frozen=True, slots=True)
class Equations:
    """`forward(cell, u, wx, states)` is one step; `adjoint(cell, u, step, states, gradients of the new states)` gives
    the gradients of wx and of the old states, and leaves those of the recurrent kernel and its bias in u."""

    forward: Callable[[Cell | ConvCell, Product, Float, States], Step]
    adjoint: Callable[[Cell | ConvCell, Product, Step, States, States], Backward]


EQUATIONS: Mapping[str, Equations] = {
    "lstm": Equations(_lstm, _lstm_adjoint),
    "conv_lstm": Equations(_lstm, _lstm_adjoint),
    "gru": Equations(_gru, _gru_adjoint),
    "rnn": Equations(_rnn, _rnn_adjoint),
}
