"""The roof over every timing: what a matrix product and a read of memory reach on this machine, through PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from statistics import median
from typing import Any

import torch

from harness.bench import stopwatch
from harness.bench.speed import Roof

PRODUCTS = ((2048, 2048, 2048), (3200, 128, 512), (3200, 64, 2048), (32, 128, 512), (32, 512, 2048))
"""(m, k, n): one large product; the inputs of all steps through the kernel; one step's state through the recurrent
kernel; of (32, 100, 128, 128) and (32, 100, 64, 512)."""
MATRICES = (64 << 10, 256 << 10, 1 << 20, 4 << 20, 64 << 20)
"""Bytes: the recurrent kernels of 64, 128, 256 and 512 units of an LSTM, and what no cache holds."""
_TRAFFIC = 256 << 20
"""Bytes that one measured call reads."""


def measure(rounds: int = 10, seconds: float = 3.0) -> Iterator[dict[str, Any]]:
    """A Roof as plain data."""
    products = {f"{m} x {k} x {n}": (2 * m * k * n, _product(m, k, n)) for m, k, n in PRODUCTS}
    readings = {_size(size): _reading(size) for size in MATRICES}
    runs = [*products.values(), *readings.values()]
    with torch.inference_mode():
        found = stopwatch.interleave([run for _, run in runs], rounds=rounds, seconds=seconds)
    rates = [amount / median(spent) / 1e9 for (amount, _), spent in zip(runs, found, strict=True)]
    gemm = dict(zip(products, rates, strict=False))
    yield asdict(Roof(gemm=gemm, bandwidth=dict(zip(readings, rates[len(gemm) :], strict=True))))


def _product(m: int, k: int, n: int) -> Callable[[], object]:
    a, b, out = torch.randn(m, k), torch.randn(k, n), torch.empty(m, n)
    return lambda: torch.mm(a, b, out=out)


def _reading(size: int) -> tuple[int, Callable[[], object]]:
    """So many bytes added up, again and again as one call: a call's own cost is spread thin, and an addition costs less
    than to read what is added. (A product with a vector, of one matrix repeated, is copied first.)"""
    numbers, times = size // 4, max(1, _TRAFFIC // size)
    repeated = torch.randn(numbers).expand(times, numbers)
    return times * size, lambda: repeated.sum()


def _size(size: int) -> str:
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size >> 10} KiB"
