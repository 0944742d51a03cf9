"""The kernel against the plain steps, before it is trusted: forward and backward of a small problem, once a cell."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

from weight_mapping.spec import Cell
from weight_mapping.torch.kernel.operators import recurrence
from weight_mapping.torch.kernel.words import Words, cell_of
from weight_mapping.torch.steps import project, reordered, scan, stepper

INPUTS, UNITS = 3, 37
STEPS = 4
RUNS = ((STEPS, 7), (1, 2))
"""Steps and samples. Sizes that fill no register and no tile, and are work enough for two threads; and so few rows that
the weights are not packed for them."""
SCALES = (1, 1 / 2, 1 / 4)
"""Of the random weights, inputs and states: large ones let rounding grow where an activation has no bound."""
AMPLIFIED = 16.0
"""What is no fair question: that the plain steps, in float64, make a relative change of every number so many times as
large. Most cells make it 1 to 10 times as large; `exponential` overflows."""
LARGEST = AMPLIFIED * STEPS * (INPUTS + UNITS + 24)
"""How many roundings' worth two correct results may part: those of every step's sum over inputs and units, and of some
two dozen operations after it, all to one side and amplified. A wrong gate, row or step is off by a hundred times this
in float32."""

Given = tuple[Any, ...]
"""What the operator is given before the mask: tensors, and None for those that a cell doesn't have."""


def difference(words: Words, dtype: torch.dtype, device: str = "cpu") -> float:
    """The greatest difference from the plain steps in any output or gradient, relative to its largest number, in units
    of rounding; NaN counts as infinite. On the largest numbers of `SCALES` on which it is small, or the steps alone
    don't amplify it."""
    # Who asks may be tracing a graph; what is asked is about this process.
    with _disable_current_modes(), torch.inference_mode(False), torch.enable_grad(), torch.device("cpu"):
        return max(_difference(words, dtype, device, run) for run in RUNS)


def _difference(words: Words, dtype: torch.dtype, device: str, run: tuple[int, int]) -> float:
    cell, unit, found = cell_of(words, UNITS), torch.finfo(dtype).eps / 2, float("inf")
    for scale in SCALES:
        given, mask = _problem(cell, dtype, device, scale, run)
        y, c_last, _, _ = recurrence(*given, mask, *words, True)
        found = _parted(_results([y, c_last], given), _steps(cell, given, mask)) / unit
        if found <= LARGEST or _amplification(cell, scale, run) <= AMPLIFIED:
            break
    return found


def _problem(cell: Cell, dtype: torch.dtype, device: str, scale: float, run: tuple[int, int]) -> tuple[Given, Tensor]:
    draw = torch.Generator().manual_seed(0)

    def drawn(*shape: int, scale: float = scale) -> Tensor:
        return torch.randn(*shape, dtype=dtype, generator=draw).mul_(scale).to(device).requires_grad_()

    rows, (steps, batch) = len(cell.gates) * UNITS, run
    weight_ih, weight_hh = drawn(rows, INPUTS), drawn(rows, UNITS, scale=scale * UNITS**-0.5)
    bias_ih, bias_hh = drawn(rows), drawn(rows) if cell.reset_after else None
    h, c = drawn(batch, UNITS), drawn(batch, UNITS) if cell.kind == "lstm" else None
    given = drawn(steps, batch, INPUTS), weight_ih, bias_ih, weight_hh, bias_hh, h, c
    mask = torch.rand(steps, batch, generator=draw) > 0.3
    mask[0, 0] = True  # a step that is left out computes nothing
    return given, mask.to(device)


def _amplification(cell: Cell, scale: float, run: tuple[int, int]) -> float:
    """How many times the relative change of the results is that of the given numbers; infinite where they overflow."""
    (given, mask), change = _problem(cell, torch.float64, "cpu", scale, run), 2.0**-30
    draw = torch.Generator().manual_seed(2)

    def moved(t: Tensor) -> Tensor:
        sign = torch.randint(2, t.shape, generator=draw).to(t) * 2 - 1
        return (t + t * sign * change).detach().requires_grad_()

    elsewhere = tuple(None if t is None else moved(t) for t in given)
    return _parted(_steps(cell, elsewhere, mask), _steps(cell, given, mask)) / change


def _parted(found: list[Tensor], expected: list[Tensor]) -> float:
    """The greatest difference, each relative to the largest number expected beside it; infinite where there is none."""
    pairs = zip(found, expected, strict=False)
    parts = [(a - b).abs().max() / b.abs().max().clamp_min(torch.finfo(b.dtype).tiny) for a, b in pairs]
    worst = float(torch.stack(parts).detach().max())  # of which NaN is the greatest
    return worst if worst == worst else float("inf")


def _steps(cell: Cell, given: Given, mask: Tensor) -> list[Tensor]:
    """The plain steps' results."""
    x, weight_ih, bias_ih, weight_hh, bias_hh, h, c = given
    products = project(x, reordered(cell.kind, weight_ih), reordered(cell.kind, bias_ih), None)
    bias = None if bias_hh is None else reordered(cell.kind, bias_hh)
    step = stepper(cell, reordered(cell.kind, weight_hh), bias, None)
    y, last = scan(step, products, [h] if c is None else [h, c], mask)
    return _results([y, *last[1:]], given)


def _results(outputs: list[Tensor], given: Given) -> list[Tensor]:
    """The gradients of the outputs' weighted sum by what is given, and the outputs."""
    inputs = [t for t in given if t is not None]
    draw: Any = torch.Generator().manual_seed(1)
    weights = [torch.randn(o.shape, dtype=o.dtype, generator=draw).to(o.device) for o in outputs]
    loss = torch.stack([(o * w).sum() for o, w in zip(outputs, weights, strict=True)]).sum()
    return [*torch.autograd.grad(loss, inputs), *outputs]
