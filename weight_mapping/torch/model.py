"""A whole model as a PyTorch module: one submodule a layer, walked by the graph walk that the oracle uses too."""

from __future__ import annotations

import copyreg
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from weight_mapping import operations
from weight_mapping.errors import Unsupported, shown
from weight_mapping.graph import Call, run
from weight_mapping.spec import (
    Bidirectional,
    Custom,
    Layer,
    ModelSpec,
    Operation,
    Path,
    Plain,
    Recurrent,
    TimeDistributed,
)
from weight_mapping.torch import arrays
from weight_mapping.torch.plain import PlainLayer
from weight_mapping.torch.recurrent import RecurrentLayer, build_layer, inside
from weight_mapping.weights import CellWeights, LeafWeights, Portable, Source

_TAKEN = nn.ModuleDict()


def _view(mapping: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(mapping)


def _reduced(view: MappingProxyType[Any, Any]) -> tuple[Any, ...]:
    return _view, (dict(view),)


# A spec's mappings are read-only views, which Python can't copy or pickle unless told how; modules are both.
copyreg.pickle(MappingProxyType, _reduced)
Weights = Mapping[Path, LeafWeights]


def module_name(layer: str) -> str:
    """A layer's name as a submodule's: what PyTorch refuses in one is written %XX. `layer_name` turns it back."""
    name = re.sub(r"[%.]", lambda m: f"%{ord(m[0]):02X}", layer)
    if not name:
        return "%"
    return f"%{ord(name[0]):02X}{name[1:]}" if hasattr(_TAKEN, name) else name


def layer_name(module: str) -> str:
    return re.sub(r"%([0-9A-F]{2})", lambda m: chr(int(m[1], 16)), module) if module != "%" else ""


class GraphModule(nn.Module):
    """The layers of one ModelSpec by their `module_name`; a nested model is a GraphModule among them. `built`: the
    dtype that they were made in, which a model without weights computes in."""

    def __init__(self, spec: ModelSpec, layers: Mapping[str, nn.Module], built: torch.dtype) -> None:
        super().__init__()
        self.spec, self.built = spec, built
        self.layers = nn.ModuleDict({module_name(name): module for name, module in layers.items()})

    @property
    def dtype(self) -> torch.dtype:
        """The dtype that the layers compute in."""
        floating = (p.dtype for p in self.parameters() if p.is_floating_point())
        return next(floating, self.built)

    def evaluate(self, inputs: Sequence[Tensor], masks: Sequence[Any] | None = None) -> list[Tensor]:
        return run(self.spec, inputs, self._call, torch, masks=masks)[0]

    def _call(self, call: Call) -> list[Tensor]:
        if isinstance(call.layer, Operation):
            result = operations.apply(call.layer, call.inputs, torch)
            return list(result) if isinstance(result, tuple | list) else [result]
        return call_layer(self.at(call.path), call.layer, call, self.dtype)

    def at(self, path: Path) -> nn.Module:
        """The module of the layer at this path: ("encoder", "lstm") is a layer of a nested model."""
        module: nn.Module = self
        for name in path:
            assert isinstance(module, GraphModule)
            module = module.layers[module_name(name)]
        return module


class PortedModel(GraphModule):
    """A ported model. Takes the original's inputs in its order, gives its output, or a tuple where it has several.

    `spec` says what it computes, `source` where it came from."""

    def __init__(
        self, spec: ModelSpec, layers: Mapping[str, nn.Module], built: torch.dtype, source: Source,
        unbuilt: Weights | None = None,
    ) -> None:  # fmt: skip
        super().__init__(spec, layers, built)
        self.source = source
        self.unbuilt: Weights = unbuilt or {}
        """The weights of layers that a module of the user's stands for."""

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        outputs = self.evaluate(inputs)
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def reset_states(self) -> None:
        """Zero what every stateful layer carries from batch to batch."""
        for module in self.modules():
            if isinstance(module, RecurrentLayer):
                module.reset_states()


class TimeDistributedLayer(nn.Module):
    """The inner layer on every time step: the steps become samples."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.layer = inner

    def forward(self, x: Tensor, mask: Tensor | None, inner: Layer, dtype: torch.dtype) -> Tensor:
        """A mask goes along where it has an axis more than (batch, steps)."""
        batch, steps = x.shape[:2]
        samples = x.reshape(batch * steps, *x.shape[2:])
        own = None if mask is None or mask.ndim < 3 else mask.reshape(batch * steps, *mask.shape[2:])
        if isinstance(self.layer, GraphModule):
            (y,) = self.layer.evaluate([samples], [own])
        else:
            (y,) = call_layer(self.layer, inner, Call((), inner, [samples], [own]), dtype)
        return y.reshape(batch, steps, *y.shape[1:])


def call_layer(module: nn.Module, layer: Layer, call: Call, dtype: torch.dtype) -> list[Tensor]:
    """One layer's outputs. Whatever is not in the layers' dtype is cast to it, but an embedding's ids."""
    match layer:
        case Plain(kind="embedding"):
            return [module(call.inputs, call.masks)]
        case Plain():
            return [module([x.to(dtype) for x in call.inputs], call.masks)]
        case Recurrent() | Bidirectional():
            outputs: list[Tensor] = module(call.inputs[0].to(dtype), call.mask, call.initial_state)
            return outputs
        case TimeDistributed():
            return [module(call.inputs[0], call.mask, layer.layer, dtype)]
        case _:
            result = module(*call.inputs)
            return list(result) if isinstance(result, tuple | list) else [result]


def build(
    portable: Portable, *, custom: Mapping[str, nn.Module] | None = None, trainable_second_bias: bool = False,
    dtype: torch.dtype | None = None,
) -> PortedModel:  # fmt: skip
    """The model as a module in evaluation mode, as Keras' predict runs it.

    `custom`: modules for layers that only their author has, by the layer's name or its class's. `dtype`: None takes the
    widest that the weights have. Raises Unsupported for a layer without a module."""
    dtype = dtype or arrays.floating_dtype(list(portable.arrays().values()))
    builder = _Builder(custom or {}, dtype, trainable_second_bias)
    layers = builder.layers(portable.spec, portable.weights, ())
    unbuilt = {path: portable.weights[path] for path in builder.supplied if path in portable.weights}
    return PortedModel(portable.spec, layers, dtype, portable.source, unbuilt).eval()


class _Builder:
    """What every layer's building needs, and the paths at which a module of the user's was put."""

    def __init__(self, custom: Mapping[str, nn.Module], dtype: torch.dtype, trainable_second_bias: bool) -> None:
        self.custom, self.dtype, self.trainable_second_bias = custom, dtype, trainable_second_bias
        self.supplied: list[Path] = []

    def layers(self, spec: ModelSpec, weights: Weights, path: Path) -> dict[str, nn.Module]:
        parts = {n: layer for n, layer in spec.layers.items() if not isinstance(layer, Operation)}
        return {name: self.module(layer, inside(weights, name), (*path, name)) for name, layer in parts.items()}

    def module(self, layer: Layer, weights: Weights, path: Path) -> nn.Module:
        where = "/".join(shown(name) for name in path)
        match layer:
            case Recurrent() | Bidirectional():
                return build_layer(
                    layer, weights, dtype=self.dtype, trainable_second_bias=self.trainable_second_bias, where=where
                )
            case TimeDistributed():
                return TimeDistributedLayer(self.module(layer.layer, inside(weights, "layer"), (*path, "layer")))
            case ModelSpec():
                return GraphModule(layer, self.layers(layer, weights, path), self.dtype)
            case Plain():
                own = weights.get((), {})
                assert not isinstance(own, CellWeights)
                return PlainLayer(layer, own, self.dtype, where)
            case Custom():
                return self._supplied(layer, path, where)
            case _:
                raise Unsupported("an operation can't be wrapped as a layer", where=where, class_name=layer.name)

    def _supplied(self, layer: Custom, path: Path, where: str) -> nn.Module:
        found = self.custom.get(path[-1], self.custom.get(layer.class_name))
        if found is None:
            name = shown(layer.class_name)
            raise Unsupported(
                layer.refusal, where=where, class_name=layer.class_name,
                way_out=f'Pass custom={{"{name}": module}}, or port the known layers alone with --layers-only.',
            )  # fmt: skip
        self.supplied.append(path)
        return found
