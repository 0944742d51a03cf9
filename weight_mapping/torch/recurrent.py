"""A recurrent layer around its cells: direction, state, masks, and what it returns.

A stack of cells is run cell by cell over the whole sequence, which is the same function as step by step: no cell feeds
an earlier one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from weight_mapping.errors import PortingError, WeightsMismatch
from weight_mapping.spec import Bidirectional, Cell, ConvCell, Path, Recurrent
from weight_mapping.torch.cells import make_cell
from weight_mapping.torch.running import run_cell
from weight_mapping.torch.steps import DropoutMasks
from weight_mapping.weights import CellWeights, LeafWeights


class RecurrentLayer(nn.Module):
    """One Keras recurrent layer. `forward` gives what Keras gives: [y], or [y, states …] with return_state."""

    def __init__(
        self, layer: Recurrent, weights: Mapping[Path, LeafWeights], *, dtype: torch.dtype | None = None,
        native: bool = True, trainable_second_bias: bool = False, where: str = "recurrent layer",
    ) -> None:  # fmt: skip
        super().__init__()
        cells = [_known(cell, weights, n, where) for n, cell in enumerate(layer.cells)]
        self.layer = replace(layer, cells=tuple(cell for cell, _ in cells))
        self.cells = nn.ModuleList(
            make_cell(cell, found, dtype=dtype, native=native, trainable_second_bias=trainable_second_bias)
            for cell, found in cells
        )
        self.states: list[list[Tensor]] | None = None
        self.dropout_masks: dict[int, DropoutMasks] = {}

    def reset_states(self) -> None:
        """Forget what a stateful layer carries from batch to batch."""
        self.states = None

    def forward(
        self, x: Tensor, mask: Tensor | None = None, initial_state: Sequence[Tensor] | None = None
    ) -> list[Tensor]:
        """x (B, T, …), or (T, B, …) with time_major, as then is the mask; states as `spec.Recurrent` orders them."""
        layer = self.layer
        mask = None if mask is None else mask.bool()
        x, mask = (x, mask) if layer.time_major else (_swapped(x), None if mask is None else _swapped(mask))
        if x.shape[0] == 0:  # len(x) would fix the steps of a graph
            raise PortingError("a sequence without any step", found=tuple(x.shape), expected="at least one time step")
        if layer.go_backwards:
            x, mask = x.flip(0), None if mask is None else mask.flip(0)
        starts = self._starts(x, initial_state)
        sequence, states = x, []
        for n, (cell, module) in enumerate(zip(layer.cells, self.cells, strict=True)):
            start = None if starts is None else starts[n]
            sequence, last = run_cell(cell, module, sequence, start, mask, self.dropout_masks.get(n))
            states.append(last)
        if layer.stateful:
            self.states = [[s.detach() for s in last] for last in states]
        y = self._output(sequence, states[-1][0], mask)
        return [y, *(s for last in states for s in last)] if layer.return_state else [y]

    def _starts(self, x: Tensor, initial_state: Sequence[Tensor] | None) -> list[list[Tensor]] | None:
        if initial_state:
            return self._by_cell(list(initial_state), x)
        if self.layer.stateful and self.states is not None:
            found = self.states[0][0].shape[0]
            if found != x.shape[1]:
                raise PortingError(
                    "a stateful layer got a batch of another size", found=x.shape[1], expected=found,
                    way_out="Call reset_states() between sequences of different batches.",
                )  # fmt: skip
            return [[s.to(x) for s in states] for states in self.states]
        return None

    def _by_cell(self, flat: list[Tensor], x: Tensor) -> list[list[Tensor]]:
        if len(flat) != self.layer.state_count:
            raise PortingError("wrong number of initial states", found=len(flat), expected=self.layer.state_count)
        found: list[list[Tensor]] = []
        for cell in self.layer.cells:
            own, flat = flat[: len(cell.states)], flat[len(cell.states) :]
            for state in own:
                if isinstance(cell, Cell) and state.shape != (x.shape[1], cell.units):
                    expected = (x.shape[1], cell.units)
                    raise PortingError("wrong shape of an initial state", found=tuple(state.shape), expected=expected)
            found.append([s.to(x.dtype) for s in own])
        return found

    def _output(self, sequence: Tensor, last: Tensor, mask: Tensor | None) -> Tensor:
        """A masked step repeats the output before it, zeros before the first step that counts: where the states'
        values differ from that, they are replaced."""
        layer = self.layer
        if mask is not None:
            shown = mask if layer.zero_output_for_mask else mask.cumsum(0) > 0
            if layer.return_sequences:
                hidden = ~shown.reshape(*shown.shape, *(1,) * (sequence.ndim - 2))
                sequence = sequence.masked_fill(hidden, 0)
            else:
                last = last.masked_fill(~shown[-1].reshape(-1, *(1,) * (last.ndim - 1)), 0)
        if not layer.return_sequences:
            return last
        return sequence if layer.time_major else _swapped(sequence)


class BidirectionalLayer(nn.Module):
    """Two recurrent layers over one input; the backward one's sequence is flipped before the merge."""

    def __init__(
        self, layer: Bidirectional, weights: Mapping[Path, LeafWeights], *, dtype: torch.dtype | None = None,
        native: bool = True, trainable_second_bias: bool = False, where: str = "bidirectional layer",
    ) -> None:  # fmt: skip
        super().__init__()
        self.forward_layer, self.backward_layer = (
            RecurrentLayer(
                part, inside(weights, name), dtype=dtype, native=native,
                trainable_second_bias=trainable_second_bias, where=f"{where}/{name}",
            )
            for name, part in (("forward", layer.forward), ("backward", layer.backward))
        )  # fmt: skip
        self.merge = layer.merge

    @property
    def layer(self) -> Bidirectional:
        return Bidirectional(forward=self.forward_layer.layer, backward=self.backward_layer.layer, merge=self.merge)

    def forward(
        self, x: Tensor, mask: Tensor | None = None, initial_state: Sequence[Tensor] | None = None
    ) -> list[Tensor]:
        forward = self.forward_layer.layer
        states = list(initial_state or [])
        half = forward.state_count
        y, *ahead = self.forward_layer(x, mask, states[:half])
        z, *back = self.backward_layer(x, mask, states[half:])
        if forward.return_sequences:
            z = z.flip(0 if forward.time_major else 1)
        return [*self._merged(y, z), *ahead, *back]

    def _merged(self, y: Tensor, z: Tensor) -> list[Tensor]:
        match self.merge:
            case "concat":
                return [torch.cat([y, z], -1)]
            case "sum":
                return [y + z]
            case "mul":
                return [y * z]
            case "ave":
                return [(y + z) / 2]
            case _:
                return [y, z]


def build_layer(
    layer: Recurrent | Bidirectional, weights: Mapping[Path, LeafWeights], *, dtype: torch.dtype | None = None,
    prefer_native: bool = True, may_be_masked: bool = False, trainable_second_bias: bool = False,
    where: str = "recurrent layer",
) -> RecurrentLayer | BidirectionalLayer:  # fmt: skip
    """The module of one layer in evaluation mode, from weights by paths relative to it: ("0",), or ("forward", "0").

    PyTorch's own modules serve where they can express a cell, unless not `prefer_native` or the layer
    `may_be_masked`; a mask that reaches one all the same is obeyed."""
    native = prefer_native and not may_be_masked
    made: Any = RecurrentLayer if isinstance(layer, Recurrent) else BidirectionalLayer
    module: RecurrentLayer | BidirectionalLayer = made(
        layer, weights, dtype=dtype, native=native, trainable_second_bias=trainable_second_bias, where=where
    )
    return module.eval()


def preset_dropout(module: nn.Module, masks: Mapping[Path, DropoutMasks]) -> None:
    """Fix the dropout masks of the cells at these paths (relative to the layer) for every later run in training mode;
    an empty mapping lets each run draw its own again."""
    sides: dict[Path, nn.Module] = {(): module}
    if isinstance(module, BidirectionalLayer):
        sides = {("forward",): module.forward_layer, ("backward",): module.backward_layer}
    known: set[Path] = set()
    for side, part in sides.items():
        assert isinstance(part, RecurrentLayer)
        paths = {(*side, str(n)): n for n in range(len(part.cells))}
        part.dropout_masks = {n: masks[path] for path, n in paths.items() if path in masks}
        known |= paths.keys()
    if masks.keys() - known:
        raise PortingError("no cell at this path", found=sorted(masks.keys() - known), expected=sorted(known))


def _known(
    cell: Cell | ConvCell, weights: Mapping[Path, LeafWeights], n: int, where: str
) -> tuple[Cell | ConvCell, CellWeights]:
    """The cell with its input size filled in, and its weights, checked against it."""
    found = weights.get((str(n),))
    if not isinstance(found, CellWeights):
        raise WeightsMismatch("a cell without weights", where=f"{where}/{n}", found=sorted(weights))
    found.check(cell, f"{where}/{n}")
    return replace(cell, input_size=found.input_size), found


def inside(weights: Mapping[Path, LeafWeights], name: str) -> dict[Path, LeafWeights]:
    """The weights below one part, by paths relative to it."""
    return {path[1:]: found for path, found in weights.items() if path[:1] == (name,)}


def _swapped(x: Tensor) -> Tensor:
    return x.transpose(0, 1)
