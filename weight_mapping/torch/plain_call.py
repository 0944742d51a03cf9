"""One call of a layer around the recurrent ones: all that the function of its kind is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True, slots=True)
class PlainCall:
    """`p`: the parameters under Keras' names and in Keras' orientation; `o`: the options by name, as in
    `weight_mapping.plain.KINDS`; the inputs, and a mask or None for each of them."""

    p: Mapping[str, Tensor]
    o: Mapping[str, Any]
    inputs: Sequence[Tensor]
    masks: Sequence[Tensor | None]
    training: bool

    @property
    def x(self) -> Tensor:
        return self.inputs[0]

    @property
    def mask(self) -> Tensor | None:
        return self.masks[0] if self.masks else None
