"""Between NumPy and PyTorch: arrays to tensors, parameters back to arrays, no bit lost on the way."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from weight_mapping.bits import copied
from weight_mapping.weights import Array

_NUMPY: dict[torch.dtype | None, Any] = {
    torch.float16: np.float16, torch.float32: np.float32, torch.float64: np.float64,
}  # fmt: skip


def tensor(array: Array, dtype: torch.dtype | None = None) -> Tensor:
    """A copy of the array. Floating numbers become `dtype` where one is given; integers and booleans stay."""
    floating = array.dtype.kind == "f" and dtype is not None
    kind = _NUMPY.get(dtype) if floating else None
    with np.errstate(over="ignore"):  # to infinity, as in PyTorch
        made = torch.from_numpy(copied(array, kind or array.dtype.newbyteorder("=")))
    return made.to(dtype) if floating else made


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
