"""A ported whole model in PyTorch, for the proof of a port."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import weight_mapping.torch as wt
from weight_mapping.weights import Portable


def outputs(portable: Portable, inputs: Sequence[NDArray[Any]], dtype: str) -> list[NDArray[Any]]:
    """The module's answer in evaluation, computed in `dtype`."""
    module = wt.build(portable, dtype=getattr(torch, dtype)).eval()
    with torch.no_grad():
        answer = module(*(torch.from_numpy(np.asarray(x, dtype)) for x in inputs))
    return [y.numpy() for y in (answer if isinstance(answer, tuple | list) else [answer])]


def destinations(portable: Portable) -> tuple[dict[str, str], dict[str, str]]:
    """(layer name -> the module's class, the state_dict's key -> its shape in words) of the built module."""
    module = wt.build(portable)
    kinds = {name: _kind(module, name) for name in portable.spec.layers}
    return kinds, {key: str(tuple(tensor.shape)) for key, tensor in module.state_dict().items()}


def _kind(module: Any, name: str) -> str:
    found = dict(module.named_modules()).get(f"layers.{wt.module_name(name)}")
    inner = [type(part).__name__ for part in found.modules()] if found is not None else []
    cells = [kind for kind in inner if kind in ("LSTM", "GRU", "RNN") or kind.startswith("Keras")]
    return ", ".join(dict.fromkeys(cells)) or (inner[0] if inner else "computed in forward")
