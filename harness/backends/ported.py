"""A ported whole model in PyTorch, for the proof of a port."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import weight_mapping.torch as wt
from weight_mapping.spec import Path
from weight_mapping.torch.model import GraphModule, TimeDistributedLayer
from weight_mapping.torch.plain import PlainLayer
from weight_mapping.torch.reading import cells
from weight_mapping.weights import Portable


def outputs(portable: Portable, inputs: Sequence[NDArray[Any]], dtype: str) -> list[NDArray[Any]]:
    """The module's answer in evaluation, computed in `dtype`."""
    module = wt.build(portable, dtype=getattr(torch, dtype)).eval()
    with torch.no_grad():
        answer = module(*(torch.from_numpy(np.asarray(x, dtype)) for x in inputs))
    return [y.numpy() for y in (answer if isinstance(answer, tuple | list) else [answer])]


def destinations(portable: Portable) -> tuple[dict[str, str], dict[str, str]]:
    """(layer name -> the module's class, array -> the keys of the state_dict that hold it) of the built module."""
    module = wt.build(portable)
    kinds = {name: _kind(module, name) for name in portable.spec.layers}
    keys = {tensor.data_ptr(): key for key, tensor in module.state_dict().items() if tensor.numel()}
    found: dict[str, list[str]] = {}
    for array, tensor in _held(module, ()):
        key = keys.get(tensor.data_ptr())
        found.setdefault(array, []).extend([key] if key else [])
    return kinds, {array: ", ".join(own) for array, own in found.items()}


def _held(module: nn.Module, path: Path) -> Iterator[tuple[str, Tensor]]:
    """Every array of `Portable.arrays`, and the tensors that hold it."""
    match module:
        case GraphModule():
            for name, part in module.layers.items():
                yield from _held(part, (*path, wt.layer_name(name)))
        case TimeDistributedLayer():
            yield from _held(module.layer, (*path, "layer"))
        case wt.RecurrentLayer() | wt.BidirectionalLayer():
            for where, _, cell in cells(module):
                for name, tensor in cell.named_parameters():
                    yield "/".join((*path, *where, _ARRAYS[name.removesuffix("_l0")])), tensor
        case PlainLayer():
            for name, tensor in module.weights().items():
                yield "/".join((*path, name)), tensor


_ARRAYS = {"weight_ih": "kernel", "weight_hh": "recurrent", "bias": "bias", "bias_ih": "bias", "bias_hh": "bias"}


def _kind(module: Any, name: str) -> str:
    found = dict(module.named_modules()).get(f"layers.{wt.module_name(name)}")
    inner = [type(part).__name__ for part in found.modules()] if found is not None else []
    cells = [kind for kind in inner if kind in ("LSTM", "GRU", "RNN") or kind.startswith("Keras")]
    return ", ".join(dict.fromkeys(cells)) or (inner[0] if inner else "computed in forward")
