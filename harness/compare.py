"""Comparing two answers: the greatest difference, where it is, and what it means.

NaN dominates: a number that is not finite, an array that is missing or has another shape is an infinite difference,
never a pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.results import CHAOTIC, FAILS, HOLDS, NOT_MEASURED, Agreement
from weight_mapping.spec import GATES

Named = Mapping[str, NDArray[Any]]
"""Arrays by what they are: 'y', 'h', 'gradient kernel', 'gate f'; behind a ' of ' the cell that they belong to."""

UNIT = {"float64": 2.0**-53, "float32": 2.0**-24}
_AXES: Mapping[str, tuple[str, ...]] = {
    "kernel": ("gate", "unit", "feature"),
    "recurrent": ("gate", "unit", "previous unit"),
    "bias": ("part", "gate", "unit"),
    "x": ("batch", "step", "feature"),
    "losses": ("training step",),
}


@dataclass(frozen=True, slots=True)
class Difference:
    """The greatest absolute difference over the scale (the reference's greatest magnitude), and its place in words."""

    error: float
    where: str


@dataclass(frozen=True, slots=True)
class Limit:
    """The greatest relative error that rounding can explain, and why it is that one. `chaotic`: so much amplification
    that two correct computations part ways, so that nothing can be said."""

    bound: float
    reason: str
    chaotic: bool = False


def difference(name: str, reference: NDArray[Any], found: NDArray[Any] | None, *, kind: str = "") -> Difference:
    """Of one array. `kind` of the cell names the gates by letter."""
    if found is None:
        return Difference(np.inf, f"{name}: missing")
    if reference.shape != found.shape:
        return Difference(np.inf, f"{name}: shape {found.shape}, expected {reference.shape}")
    if not reference.size:
        return Difference(np.inf, f"{name}: nothing to compare")
    for whose, array in (("", found), ("the reference's ", reference)):
        finite = np.isfinite(array)
        if not finite.all():
            index = tuple(int(n) for n in np.argwhere(~finite)[0])
            return Difference(np.inf, f"{whose}{name}: {array[index]} at {place(name, index, kind)}")
    apart = np.abs(np.asarray(found, np.float64) - reference)
    index = tuple(int(n) for n in np.unravel_index(int(apart.argmax()), apart.shape))
    scale = float(np.abs(reference).max()) or 1.0
    return Difference(float(apart[index]) / scale, f"{name}, {place(name, index, kind)}")


def place(name: str, index: tuple[int, ...], kind: str = "") -> str:
    """An index in words: 'batch 1, step 9, unit 3'."""
    axes = _AXES.get(name.split(" of ")[0].split()[-1])
    if axes is None or len(axes) != len(index):
        axes = ("batch", "step", "unit") if len(index) == 3 else ("batch", "unit") if len(index) == 2 else ()
    words = []
    for n, at in enumerate(index):
        axis = axes[n] if n < len(axes) else f"axis {n}"
        letter = GATES[kind][at] if axis == "gate" and kind in GATES else str(at)
        words.append(f"{axis} {letter}")
    return ", ".join(words)


def agreement(
    check: str, backend: str, reference: Named, found: Named, limits: Mapping[str, Limit], *,
    dtype: str, kind: str = "", against: str = "oracle",
) -> Agreement:  # fmt: skip
    """One verdict over several arrays: that of the array with the least margin. Every name of the reference must be
    among the found ones; arrays that nobody asked for are a difference too."""
    extra = sorted(found.keys() - reference.keys())
    differences = {n: difference(n, a, found.get(n), kind=kind) for n, a in reference.items()}
    if extra or not reference:
        where = f"unexpected {', '.join(extra)}" if extra else "nothing to compare"
        worst, limit = Difference(np.inf, where), Limit(0.0, "the answers have different parts")
    else:
        name = max(differences, key=lambda n: _severity(differences[n], limits[n]))
        worst, limit = differences[name], limits[name]
    holds = bool(np.isfinite(limit.bound)) and worst.error <= limit.bound  # within infinity nothing is proved
    chaotic = limit.chaotic and np.isfinite(worst.error)
    unit = UNIT["float32"] if dtype == "float32" else 1.0
    return Agreement(
        check=f"{check} {dtype}",
        backend=backend,
        reference=against,
        error=worst.error / unit,
        bound=limit.bound / unit,
        unit="u" if dtype == "float32" else "relative",
        reason=limit.reason,
        verdict=CHAOTIC if chaotic else HOLDS if holds else FAILS,
        where=worst.where,
    )


def _severity(found: Difference, limit: Limit) -> float:
    """How much of its bound a difference takes up; what is not finite comes before everything else."""
    return found.error / limit.bound if np.isfinite(found.error) else np.inf


def not_measured(check: str, backend: str, reason: str) -> Agreement:
    return Agreement(
        check=check, backend=backend, reference="oracle", error=None, bound=None, unit="relative", reason=reason,
        verdict=NOT_MEASURED,
    )  # fmt: skip


def failed(check: str, backend: str, reason: str) -> Agreement:
    """A backend that gave no answer where one was due."""
    return Agreement(
        check=check, backend=backend, reference="oracle", error=np.inf, bound=0.0, unit="relative", reason=reason,
        verdict=FAILS, where="no answer",
    )  # fmt: skip
