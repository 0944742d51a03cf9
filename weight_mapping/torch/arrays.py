"""Between NumPy and PyTorch: arrays to tensors, parameters back to arrays, no bit lost on the way."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from weight_mapping.weights import Array


def tensor(array: Array, dtype: torch.dtype | None = None) -> Tensor:
    """A copy of the array. Floating numbers become `dtype` where one is given; integers and booleans stay."""
    native = np.array(array, dtype=array.dtype.newbyteorder("="), order="C", copy=True)
    made = torch.from_numpy(native)
    return made.to(dtype) if dtype is not None and made.is_floating_point() else made


def array(value: Tensor) -> Array:
    """A copy of the tensor's numbers; NumPy has no bfloat16, whose numbers all are float32 numbers."""
    value = value.detach().cpu()
    return (value.float() if value.dtype == torch.bfloat16 else value).numpy().copy()


def parameter(values: Array, dtype: torch.dtype | None = None, *, trainable: bool = True) -> nn.Parameter:
    return nn.Parameter(tensor(values, dtype), requires_grad=trainable)


def floating_dtype(arrays: list[Array]) -> torch.dtype:
    """The widest floating dtype among the arrays; PyTorch's default where there is none."""
    kinds = {a.dtype.newbyteorder("=") for a in arrays if np.issubdtype(a.dtype, np.floating)}
    if not kinds:
        return torch.get_default_dtype()
    widest: Any = np.result_type(*kinds)
    return torch.from_numpy(np.empty(0, widest)).dtype
