"""A comparison that failed, in words: what to say where a test of the user's own turns red."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.compare import UNIT
from harness.parity.comparing import Comparison
from harness.results import Agreement


def message(found: Comparison) -> str:
    """A failed comparison in words: what, where, actual, expected, the bound and its reason, how to repeat it."""
    lines = [f"{found.case.spec['keras']} and {found.case.spec['torch']} disagree"]
    for failed in found.failures:
        lines += [f"  {failed.check}: {failed.verdict}", f"    where     {failed.where}"]
        name = next((n for n in found.expected if failed.where.startswith(f"{n},")), None)
        if name is not None:
            expected, actual = _values(found.expected[name], found.actual[name])
            lines += [f"    expected  {expected!r}  ({failed.reference})", f"    actual    {actual!r}  (PyTorch)"]
            lines += _first_step(found.expected[name], found.actual[name], failed)
        lines += [f"    error     {failed.error:.4g} u of the greatest magnitude, u = 2^-24"]
        lines += [f"    bound     {failed.bound:.4g} u: {failed.reason}"]
    lines += [f"  weights   {place}" for place in found.located]
    lines += [f"  likely    {finding}" for finding in found.likely]
    return "\n".join([*lines, f"  repeat    {found.case.repeat}"])


def _first_step(expected: NDArray[Any], actual: NDArray[Any], failed: Agreement) -> list[str]:
    """Of a sequence (batch, time, …): the first step that is beyond the bound."""
    if expected.ndim < 3 or expected.shape != actual.shape or failed.bound is None:
        return []
    allowed = failed.bound * UNIT["float32"] * (float(np.abs(expected).max()) or 1.0)
    within = (np.abs(np.asarray(actual, np.float64) - expected) <= allowed).all((0, *range(2, expected.ndim)))
    return [f"    first     at step {int(within.argmin())} of {len(within)}"]


def _values(expected: NDArray[Any], actual: NDArray[Any]) -> tuple[float, float]:
    """Both numbers at the place of the greatest difference; one that is not finite comes first."""
    apart = np.abs(np.asarray(actual, np.float64) - expected)
    at = np.unravel_index(int(np.where(np.isfinite(apart), apart, np.inf).argmax()), apart.shape)
    return float(expected[at]), float(actual[at])
