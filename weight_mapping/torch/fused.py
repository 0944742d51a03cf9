"""A cell's parameters as one step needs them, and what a run starts from."""

from __future__ import annotations

from torch import Tensor, nn

from weight_mapping.spec import Cell, ConvCell
from weight_mapping.torch.steps import draw, reordered


class Stored:
    """A cell's parameters in PyTorch's order. `bias_hh` is only the reset_after GRU's; the others' parts are added
    up."""

    def __init__(self, cell: Cell | ConvCell, module: nn.Module) -> None:
        # The dict itself: named_parameters() takes longer than some cells take over their whole sequence.
        own = module._parameters.items()
        found = {name.removesuffix("_l0"): self.placed(cell, p) for name, p in own if p is not None}
        self.weight_ih, self.weight_hh = found["weight_ih"], found["weight_hh"]
        self.bias_ih: Tensor | None = found.get("bias", found.get("bias_ih"))
        self.bias_hh: Tensor | None = found.get("bias_hh")
        if self.bias_ih is not None and self.bias_hh is not None and not (isinstance(cell, Cell) and cell.reset_after):
            self.bias_ih, self.bias_hh = self.bias_ih + self.bias_hh, None

    def placed(self, _cell: Cell | ConvCell, parameter: Tensor) -> Tensor:
        return parameter


class Fused(Stored):
    """The same in the order of computation."""

    def placed(self, cell: Cell | ConvCell, parameter: Tensor) -> Tensor:
        return reordered("lstm" if isinstance(cell, ConvCell) else cell.kind, parameter)


def zeros(cell: Cell | ConvCell, products: Tensor) -> list[Tensor]:
    zero = products.new_zeros(products.shape[1], cell.units, *products.shape[3:])
    return [zero] * len(cell.states)


def given_or_drawn(given: Tensor | None, rate: float, like: Tensor, gates: int | None) -> Tensor | None:
    return draw(rate, like, gates) if given is None else given
