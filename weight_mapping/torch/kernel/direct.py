"""The operator's functions without the way to them: PyTorch's dispatcher and what `torch.library` puts around a
gradient take longer than a small cell over its whole sequence."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from weight_mapping.torch.kernel import operators

_PLAIN = {Tensor, nn.Parameter, type(None), str, bool}


def recurrence(*given: Any) -> tuple[Tensor, ...]:
    """What `operators.recurrence` gives for the same, by it where anything follows PyTorch's operators."""
    if _followed(given):
        found: tuple[Tensor, ...] = operators.recurrence(*given)
    elif given[-1]:  # a gradient will be asked for
        found = _Recurrence.apply(*given)  # type: ignore[no-untyped-call]
    else:
        found = operators.forward(*given)
    return found


def _followed(given: tuple[Any, ...]) -> bool:
    """Whether a compiler, a trace, a mode or a kind of tensor of its own wants to see the operator."""
    return (
        torch.compiler.is_compiling()
        or torch._C._get_tracing_state() is not None
        or torch._C._len_torch_dispatch_stack() > 0
        or not _PLAIN.issuperset(map(type, given))
    )


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *given: Any) -> tuple[Tensor, ...]:
        found = operators.forward(*given)
        operators.remember(ctx, given, found)
        return found

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor | None, ...]:
        # A second derivative is the operator's to refuse.
        again = torch.is_grad_enabled() or _followed(gradients)
        return operators.back(ctx, *gradients, run=operators.recurrence_backward if again else operators.backward)
