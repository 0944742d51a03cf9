"""Recurrent layers with Keras' semantics in plain PyTorch: the source that a standalone file holds where PyTorch's own
modules can't express a layer. It is copied as text, definition by definition, so it uses nothing but torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from weight_mapping.torch.convolution import convolve

Elementwise = Callable[[Tensor], Tensor]


class LSTMCell(nn.Module):
    """Gates i f g o in the rows of weight_ih (4 units, inputs) and weight_hh (4 units, units); one bias."""

    states = 2

    def __init__(self, inputs: int, units: int, activation: Elementwise, gate: Elementwise, bias: bool) -> None:
        super().__init__()
        self.units, self.activation, self.gate = units, activation, gate
        self.weight_ih = nn.Parameter(torch.zeros(4 * units, inputs))
        self.weight_hh = nn.Parameter(torch.zeros(4 * units, units))
        self.bias = nn.Parameter(torch.zeros(4 * units)) if bias else None

    def project(self, x: Tensor) -> Tensor:
        """What the inputs (T, B, inputs) of all steps bring."""
        return functional.linear(x, self.weight_ih, self.bias)

    def forward(self, projected: Tensor, states: Sequence[Tensor]) -> list[Tensor]:
        """One step: the new h and c."""
        h, c = states
        i, f, g, o = (projected + h @ self.weight_hh.T).chunk(4, 1)
        c = self.gate(f) * c + self.gate(i) * self.activation(g)
        return [self.gate(o) * self.activation(c), c]


class GRUCell(nn.Module):
    """Gates r z n in the rows of the weights. The reset gate acts on h before the recurrent product; or, with two
    biases, after it."""

    states = 1

    def __init__(
        self, inputs: int, units: int, activation: Elementwise, gate: Elementwise, bias: bool, reset_after: bool
    ) -> None:
        super().__init__()
        self.units, self.activation, self.gate, self.reset_after = units, activation, gate, reset_after
        self.weight_ih = nn.Parameter(torch.zeros(3 * units, inputs))
        self.weight_hh = nn.Parameter(torch.zeros(3 * units, units))
        self.bias_ih = nn.Parameter(torch.zeros(3 * units)) if bias else None
        self.bias_hh = nn.Parameter(torch.zeros(3 * units)) if bias and reset_after else None

    def project(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight_ih, self.bias_ih)

    def forward(self, projected: Tensor, states: Sequence[Tensor]) -> list[Tensor]:
        (h,) = states
        r, z, n = projected.chunk(3, 1)
        if self.reset_after:
            of_r, of_z, of_n = functional.linear(h, self.weight_hh, self.bias_hh).chunk(3, 1)
            r, z = self.gate(r + of_r), self.gate(z + of_z)
            n = self.activation(n + r * of_n)
        else:
            to_r, to_z, to_n = self.weight_hh.chunk(3)
            r, z = self.gate(r + h @ to_r.T), self.gate(z + h @ to_z.T)
            n = self.activation(n + (r * h) @ to_n.T)
        return [z * h + (1 - z) * n]


class SimpleRNNCell(nn.Module):
    """h' = activation(x W + b + h U)."""

    states = 1

    def __init__(self, inputs: int, units: int, activation: Elementwise, bias: bool) -> None:
        super().__init__()
        self.units, self.activation = units, activation
        self.weight_ih = nn.Parameter(torch.zeros(units, inputs))
        self.weight_hh = nn.Parameter(torch.zeros(units, units))
        self.bias = nn.Parameter(torch.zeros(units)) if bias else None

    def project(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight_ih, self.bias)

    def forward(self, projected: Tensor, states: Sequence[Tensor]) -> list[Tensor]:
        return [self.activation(projected + states[0] @ self.weight_hh.T)]


class ConvLSTMCell(nn.Module):
    """The LSTM's equations with convolutions for products; images (B, channels, *space). `geometry`: strides, padding,
    dilation and pad_start of the convolution of the inputs."""

    states = 2

    def __init__(
        self, inputs: int, units: int, kernel: tuple[int, ...], activation: Elementwise, gate: Elementwise, bias: bool,
        **geometry: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        self.units, self.activation, self.gate, self.geometry = units, activation, gate, geometry
        self.weight_ih = nn.Parameter(torch.zeros(4 * units, inputs, *kernel))
        self.weight_hh = nn.Parameter(torch.zeros(4 * units, units, *kernel))
        self.bias = nn.Parameter(torch.zeros(4 * units)) if bias else None

    def project(self, x: Tensor) -> Tensor:
        images = convolve(x.flatten(0, 1), self.weight_ih, self.bias, **self.geometry)
        return images.reshape(*x.shape[:2], *images.shape[1:])

    def forward(self, projected: Tensor, states: Sequence[Tensor]) -> list[Tensor]:
        h, c = states
        once = (1,) * (h.ndim - 2)
        start = self.geometry["pad_start"]
        fed = convolve(h, self.weight_hh, None, strides=once, padding="same", dilation=once, pad_start=start)
        i, f, g, o = (projected + fed).chunk(4, 1)
        c = self.gate(f) * c + self.gate(i) * self.activation(g)
        return [self.gate(o) * self.activation(c), c]


class Recurrent(nn.Module):
    """Cells over time, one above the other, as Keras runs them; `forward` gives [y, the states of each cell ...].

    A masked step keeps the states and repeats the output (zeros before the first step that counts), or gives zeros with
    `zero_output_for_mask`. Outputs stay in the order of computation. `stateful`: a batch starts where the last one
    ended, until `reset_states()`."""

    def __init__(
        self, *cells: nn.Module, return_sequences: bool = False, go_backwards: bool = False, stateful: bool = False,
        zero_output_for_mask: bool = False, time_major: bool = False, channels_last: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.cells = nn.ModuleList(cells)
        self.return_sequences, self.go_backwards, self.stateful = return_sequences, go_backwards, stateful
        self.zero_output_for_mask, self.time_major = zero_output_for_mask, time_major
        self.channels_last = channels_last
        self.carried: list[Tensor] = []

    def reset_states(self) -> None:
        self.carried = []

    def forward(self, x: Tensor, mask: Tensor | None = None, states: Sequence[Tensor] = ()) -> list[Tensor]:
        """x (B, T, ...), mask (B, T), time first with time_major; the states of each cell in turn, or none: zeros."""
        x, mask = (x, mask) if self.time_major else (x.transpose(0, 1), None if mask is None else mask.transpose(0, 1))
        x = x.movedim(-1, 2) if self.channels_last else x
        given = [s.movedim(-1, 1) if self.channels_last else s for s in states] or self.carried
        if self.go_backwards:
            x, mask = x.flip(0), None if mask is None else mask.flip(0)
        ends: list[Tensor] = []
        cell: Any
        for cell in self.cells:
            x, last = self._over_time(cell, x, mask, given[len(ends) : len(ends) + cell.states])
            ends += last
        if self.stateful:
            self.carried = [s.detach() for s in ends]
        y = x if self.return_sequences else x[-1]
        y = y.movedim(1 + self.return_sequences, -1) if self.channels_last else y
        y = y.transpose(0, 1) if self.return_sequences and not self.time_major else y
        return [y, *(s.movedim(1, -1) if self.channels_last else s for s in ends)]

    def _over_time(
        self, cell: Any, x: Tensor, mask: Tensor | None, states: Sequence[Tensor]
    ) -> tuple[Tensor, Sequence[Tensor]]:
        projected = cell.project(x)
        zero = projected.new_zeros(projected.shape[1], cell.units, *projected.shape[3:])
        states, y, sequence = states or [zero] * cell.states, zero, []
        for t, step in enumerate(projected):
            new = cell(step, states)
            if mask is None:
                states, y = new, new[0]
            else:
                counts = mask[t].reshape(-1, *(1,) * (zero.ndim - 1))
                y = torch.where(counts, new[0], zero if self.zero_output_for_mask else y)
                states = [torch.where(counts, after, before) for after, before in zip(new, states, strict=True)]
            sequence.append(y)
        return torch.stack(sequence), states
