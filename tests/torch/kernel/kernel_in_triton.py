"""For the tests of the kernels for CUDA: a kernel that applies a function; and, as a program, every kernel compiled for
a GPU that isn't there."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
import triton
import triton.language as tl
from triton.language import constexpr, tensor

KINDS = {torch.float32: "*fp32", torch.float64: "*fp64", torch.bool: "*i1"}


@triton.jit
def applied(x: tensor, function: constexpr, size: constexpr) -> None:
    at = x + tl.program_id(0) * size + tl.arange(0, size)
    tl.store(at, function(tl.load(at)))


def translated(capability: int, kernel: Any, y: torch.Tensor, *arguments: Any) -> None:
    """In the place of `launch`: compiles the kernel for such arguments and prints its name."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    given = dict(zip(kernel.arg_names, (*arguments, *y.shape), strict=True))
    signature = {name: _kind(value) for name, value in given.items()}
    constants = {name: value for name, value in given.items() if signature[name] == "constexpr"}
    source = ASTSource(kernel, signature, constants)
    made = triton.compile(source, target=GPUTarget("cuda", capability, 32), options={"enable_fp_fusion": True})
    assert made.asm["cubin"]
    print(f"{kernel.__module__.rpartition('.')[2]}.{kernel.__name__}.{str(y.dtype)[6:]}")


def _kind(value: Any) -> str:
    return KINDS[value.dtype] if isinstance(value, torch.Tensor) else "i32" if isinstance(value, int) else "constexpr"


def main(capability: int) -> None:
    """The C++ cells compute what the check asks for, so that it goes on."""
    from weight_mapping.torch.kernel import check, library
    from weight_mapping.torch.kernel.gpu import gru_after, gru_before, lstm, rnn, running

    for cell in (lstm, gru_after, gru_before, rnn):
        cell.launch = partial(translated, capability)
    real = library.call

    def both(function: str, a: Any, r: Any, x: torch.Tensor, tensors: Mapping[str, torch.Tensor]) -> None:
        running.call(function, a, r, x, tensors)
        real(function, a, r, x, tensors)

    library.call = both
    check.RUNS = ((2, 7),)
    for dtype in (torch.float32, torch.float64):
        for kind in ("lstm", "gru_after", "gru_before", "rnn"):
            check.difference((kind, "tanh", "hard_sigmoid slope=0.2"), dtype)


if __name__ == "__main__":
    main(int(sys.argv[1]))
