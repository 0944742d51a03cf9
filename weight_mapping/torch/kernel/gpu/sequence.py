"""One run over time, a step at a time, on what the operators hand over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.nn.functional import linear

from weight_mapping.torch.kernel.gpu.functions import Compiled
from weight_mapping.torch.kernel.library import TENSORS


class Sequence:
    """The tensors of `Problem` in `run.h` under their names there, None those that this run doesn't have; of a forward
    run also `sums`, x W + b (T, B, G U); its activations `a` and `r`."""

    def __init__(self, a: Compiled, r: Compiled, tensors: Mapping[str, Tensor]) -> None:
        self.a, self.r, self.tensors, self.steps = a, r, tensors, len(tensors["y"])
        if "weight_ih" in tensors:
            self.sums = linear(tensors["x"], tensors["weight_ih"], tensors.get("bias_ih"))

    def __getattr__(self, name: str) -> Any:
        if name not in TENSORS:
            raise AttributeError(name)
        return self.tensors.get(name)

    def h_before(self, t: int) -> Tensor:
        found: Tensor = self.y[t - 1] if t else self.h
        return found

    def c_before(self, t: int) -> Tensor:
        found: Tensor = self.c if t == 0 else self.c_last if self.c_all is None else self.c_all[t - 1]
        return found

    def of_mask(self, t: int) -> Tensor | None:
        return None if self.mask is None else self.mask[t]

    def of_saved(self, t: int) -> Tensor | None:
        return None if self.saved is None else self.saved[t]
