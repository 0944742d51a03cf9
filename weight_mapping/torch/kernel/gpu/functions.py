"""The functions that activations are written with, for a tile of floats or doubles: `functions.h` in Triton.

Triton's own exp and log serve; near zero, where 1 + x forgets x, series do.
"""

from __future__ import annotations

import linecache
from functools import cache
from typing import Any, NamedTuple

import triton
import triton.language as tl
from triton.language import constexpr, tensor

from weight_mapping.activations import Activation
from weight_mapping.torch.kernel import formulas


@triton.jit
def splat(like: tensor, value: constexpr) -> tensor:
    return tl.full(like.shape, value, like.dtype)


@triton.jit
def at_least(x: tensor, bound: constexpr) -> tensor:
    return tl.where(x < bound, splat(x, bound), x)  # NaN stays NaN


@triton.jit
def at_most(x: tensor, bound: constexpr) -> tensor:
    return tl.where(x > bound, splat(x, bound), x)


@triton.jit
def sign(x: tensor) -> tensor:
    return tl.where(x > 0, splat(x, 1.0), tl.where(x < 0, splat(x, -1.0), x))


@triton.jit
def expm1(x: tensor) -> tensor:
    terms: constexpr = 14 if x.dtype == tl.float64 else 8  # of the Taylor series, to half an ulp where |x| < 1/2
    series = splat(x, 1.0)
    for k in tl.static_range(terms, 1, -1):
        series = series * (x * (1.0 / k)) + 1.0
    return tl.where(tl.abs(x) < 0.5, x * series, tl.exp(x) - 1.0)


@triton.jit
def tanh(x: tensor) -> tensor:
    e = expm1(-2.0 * tl.abs(x))
    y = -e / (e + 2.0)
    return tl.where(x == 0, x, tl.where(x < 0, -y, y))  # zero keeps its sign


@triton.jit
def sigmoid(x: tensor) -> tensor:
    e = tl.exp(-tl.abs(x))
    return tl.where(x < 0, e, splat(x, 1.0)) / (e + 1.0)


@triton.jit
def log1p_of_a_fraction(x: tensor) -> tensor:
    """log(1 + x) = 2 artanh(x / (2 + x)) for 0 <= x <= 1."""
    terms: constexpr = 17 if x.dtype == tl.float64 else 8
    s = x / (x + 2.0)
    square = s * s
    series = splat(x, 0.0)
    for k in tl.static_range(terms, -1, -1):
        series = series * square + 1.0 / (2 * k + 1)
    return 2.0 * s * series


@triton.jit
def logaddexp(a: tensor, b: tensor) -> tensor:
    distance = tl.where(a == b, splat(a, 0.0), tl.abs(a - b))  # also where both are the same infinity
    return tl.where(a > b, a, b) + log1p_of_a_fraction(tl.exp(-distance))


class Compiled(NamedTuple):
    """An activation and its derivative as functions that a kernel can call."""

    value: Any
    slope: Any


@cache
def compiled(of: Activation) -> Compiled:
    """Triton reads a function's text by its file: here one that only `linecache` knows."""
    text, known = formulas.triton_source(of), dict(globals())
    file = f"<{of} in Triton>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    exec(compile(text, file, "exec"), known)
    return Compiled(known["value"], known["slope"])
