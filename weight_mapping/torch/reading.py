"""The numbers of a module back in canonical form: weights, and after backward() their gradients."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from torch import nn

from weight_mapping.errors import Unsupported
from weight_mapping.spec import Bidirectional, Cell, ConvCell, Path, Recurrent, with_leaves
from weight_mapping.torch.cells import bias_form, read_cell
from weight_mapping.torch.recurrent import BidirectionalLayer, RecurrentLayer
from weight_mapping.weights import CellWeights


def cells(module: nn.Module) -> Iterator[tuple[Path, Cell | ConvCell, nn.Module]]:
    """Every cell of a recurrent layer's module, with its path relative to the layer."""
    match module:
        case RecurrentLayer():
            for n, (cell, part) in enumerate(zip(module.layer.cells, module.cells, strict=True)):
                yield (str(n),), cell, part
        case BidirectionalLayer():
            for side, layer in (("forward", module.forward_layer), ("backward", module.backward_layer)):
                for path, cell, part in cells(layer):
                    yield (side, *path), cell, part
        case _:
            raise Unsupported(
                "not the module of a recurrent layer", class_name=type(module).__name__,
                way_out="weight_mapping.torch.build_layer makes one.",
            )  # fmt: skip


def weights(module: nn.Module) -> dict[Path, CellWeights]:
    """The weights of a recurrent layer's module by relative path."""
    return {path: read_cell(cell, part) for path, cell, part in cells(module)}


def gradients(module: nn.Module) -> dict[Path, CellWeights]:
    """The gradients in the form of the weights; `PortingError` where backward() has left none."""
    return {path: read_cell(cell, part, gradient=True) for path, cell, part in cells(module)}


def layer_spec(module: RecurrentLayer | BidirectionalLayer) -> Recurrent | Bidirectional:
    """The layer as its numbers now are: a second bias that has come to life makes a single bias split."""
    found = {path: replace(cell, bias=bias_form(cell, part)) for path, cell, part in cells(module)}  # type: ignore[arg-type]
    layer: Recurrent | Bidirectional = with_leaves(module.layer, found)
    return layer
