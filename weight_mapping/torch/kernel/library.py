"""The compiled code in this process: the cells' functions, the activations', and what they are called with."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from weight_mapping import compiler
from weight_mapping.activations import Activation
from weight_mapping.torch.kernel import formulas
from weight_mapping.torch.kernel.words import understood

FOLDER = Path(__file__).parent
DTYPES = {torch.float32: "float", torch.float64: "double"}
FLAGS = {
    "AVX512": ("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx2", "-mfma", "-mprefer-vector-width=512"),
    "AVX2": ("-mavx2", "-mfma"),
}
"""By PyTorch's word for what this processor can, which ATEN_CPU_CAPABILITY lowers, the most first; without a row, the
compiler's own default."""

_SIZES = ("steps", "batch", "inputs", "units", "x_step", "x_row")
TENSORS = (
    "x", "weight_ih", "bias_ih", "weight_hh", "bias_hh", "h", "c", "mask", "y", "c_last", "c_all", "saved", "grad_y",
    "grad_c", "d_products", "d_recurrent", "d_h", "d_c",
)  # fmt: skip
_FUNCTIONS = ("activation", "recurrent_activation", "activation_slope", "recurrent_slope")


class Problem(ctypes.Structure):
    """`Problem` of run.h, field by field."""

    _fields_ = (
        *((name, ctypes.c_long) for name in (*_SIZES, "threads")),
        *((name, ctypes.c_void_p) for name in (*TENSORS, *_FUNCTIONS)),
    )


def call(function: str, activation: str, recurrent_activation: str, x: Tensor, tensors: Mapping[str, Tensor]) -> None:
    """Run `function` ('lstm_forward') with two activations in words on x (T, B, i), its last axis contiguous, and
    contiguous tensors, named as in run.h."""
    run, functions = _compiled_for(function, activation, recurrent_activation, DTYPES[x.dtype])
    addresses = {name: t.data_ptr() for name, t in tensors.items()}
    (steps, batch, inputs), (x_step, x_row, _), units = x.shape, x.stride(), tensors["h"].shape[-1]
    run(Problem(
        steps, batch, inputs, units, x_step, x_row, torch.get_num_threads(), x.data_ptr(), **addresses, **functions
    ))  # fmt: skip


@cache
def _compiled_for(function: str, activation: str, recurrent_activation: str, dtype: str) -> tuple[Any, dict[str, int]]:
    """The compiled function, and the addresses of the activations' by their fields of `Problem`."""
    run = getattr(cells(), f"{function}_{dtype}")
    run.argtypes, run.restype = (ctypes.POINTER(Problem),), None
    a, r = understood(activation), understood(recurrent_activation)
    pairs = zip(_FUNCTIONS, ((a, "value"), (r, "value"), (a, "slope"), (r, "slope")), strict=True)
    return run, {field: address(of, what, dtype) for field, (of, what) in pairs}


@cache
def address(of: Activation, what: str, dtype: str) -> int:
    """Where in memory the compiled 'value' or 'slope' of an activation is."""
    function = getattr(_compiled(of.name, formulas.source(of)), f"{what}_{dtype}")
    return ctypes.cast(function, ctypes.c_void_p).value or 0


@cache
def cells() -> ctypes.CDLL:
    return _compiled("cells", (FOLDER / "scan.cpp").read_text(encoding="utf-8"))


@cache
def target() -> tuple[str, tuple[str, ...]]:
    """What is compiled for, and its flags: this processor, or the next lesser one that the compiler knows."""
    capability = torch.backends.cpu.get_cpu_capability()
    known = list(FLAGS)
    lesser = known[known.index(capability) :] if capability in known else []
    return next(((name, FLAGS[name]) for name in lesser if compiler.takes(FLAGS[name])), ("any processor", ()))


@cache
def _compiled(name: str, source: str) -> ctypes.CDLL:
    processor, flags = target()
    flags = ("-O3", "-std=c++17", *flags)
    path = compiler.library(name, source, FOLDER, flags, key=f"{torch.__version__} {processor}")
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise compiler.CannotCompile("compiled code can't be loaded", where=str(path), found=error) from error
