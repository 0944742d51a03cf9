"""The text of a standalone file as it grows: submodules, their arrays, and the lines of `forward`."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from weight_mapping.activations import Activation, activation, is_elementwise
from weight_mapping.errors import Unrepresentable
from weight_mapping.spec import Path
from weight_mapping.torch import arrays as tensors
from weight_mapping.torch.functions import function
from weight_mapping.torch.standalone.bundle import Bundle
from weight_mapping.torch.standalone.names import Names, comment
from weight_mapping.torch.standalone.tracing import DTYPE, Traced
from weight_mapping.weights import Array

_PIECES = "weight_mapping.torch.standalone.pieces"
_CONVOLUTION = "weight_mapping.torch.convolution"


class Writer:
    """`made`: the lines of `__init__`; `lines`: those of `forward`; `arrays`: the state_dict by key."""

    def __init__(self) -> None:
        self.modules, self.locals, self.functions = Names(), Names(), Names()
        self.bundle = Bundle()
        self.made: list[str] = []
        self.lines: list[str] = []
        self.arrays: dict[str, Array] = {}
        self.gates: dict[Activation, str] = {}
        self._attributes: dict[tuple[Path, str], str] = {}

    def module(self, path: Path, constructor: str, arrays: Mapping[str, Array], part: str = "") -> str:
        """The submodule of a layer (or of a `part` of it), made at its first call: `self.name`."""
        key = (path, part)
        if key not in self._attributes:
            name = self.modules.new("_".join([*path, *([part] if part else [])]))
            self._attributes[key] = name
            self.made.append(f"self.{name} = {constructor}  # {comment('/'.join(path))}")
            self.arrays.update({f"{name}.{inner}": array for inner, array in arrays.items()})
        return f"self.{self._attributes[key]}"

    def parameters(self, path: Path, arrays: Mapping[str, Array]) -> dict[str, Traced]:
        """The arrays as parameters of one submodule, traced."""
        shapes = ", ".join(f"{name!r}: {tuple(array.shape)}" for name, array in arrays.items())
        inside = f"{{n: nn.Parameter(torch.zeros(shape)) for n, shape in {{{shapes}}}.items()}}"
        owner = self.module(path, f"nn.ParameterDict({inside})", arrays) if arrays else ""
        return {n: Traced(f"{owner}[{n!r}]", tensors.tensor(array, DTYPE)) for n, array in arrays.items()}

    def bind(self, value: Traced, name: str) -> Traced:
        """The value under a name of its own, computed once."""
        if not value.text.isidentifier():
            bound = self.locals.new(name)
            self.lines.append(f"{bound} = {value.text}")
            value.text, value.atom = bound, True
        return value

    def mask(self, value: Traced | None, name: str) -> str:
        return "None" if value is None else self.bind(value, f"{name}_mask").text

    def piece(self, name: str) -> str:
        return self.bundle.add(_PIECES, name)

    def convolution(self, name: str) -> str:
        return self.bundle.add(_CONVOLUTION, name)

    def gate(self, of: Activation) -> str:
        """A function of one tensor: PyTorch's own, or one that the file defines."""
        own = {
            activation("tanh"): "torch.tanh",
            activation("sigmoid"): "torch.sigmoid",
            activation("relu"): "torch.relu",
        }
        if of in own:
            return own[of]
        if not is_elementwise(of):
            raise Unrepresentable(f"a gate with the activation {of} is not stated in one file", class_name=of.name)
        if of not in self.gates:
            name = self.functions.new(of.name)
            x = Traced("x", torch.zeros(1, dtype=DTYPE))
            self.bundle.imports.add(("torch", "Tensor"))
            text = function(of)(x).text  # type: ignore[arg-type, attr-defined]
            self.bundle.definitions[name] = f"def {name}(x: Tensor) -> Tensor:\n    return {text}"
            self.gates[of] = name
        return self.gates[of]
