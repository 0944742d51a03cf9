"""How far rounding may lead a module of the user's own away from the truth, measured on the module itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.bounds import ACTIVATIONS, DELTA, LAMBDA
from harness.compare import UNIT, Limit, difference
from harness.parity.sides import Arrays


def limits(module: Any, run: Any, arrays: Arrays, gradients: bool, draws: int) -> dict[str, Limit]:
    """The error that float32 rounding explains: that of one sum, as `harness.bounds` derives it, times how much the
    module's own result moves in float64 when every weight, input and state moves by a relative δ, over δ, the most of
    so many random moves."""
    from harness.backends import live_torch

    rng = np.random.default_rng(0)
    terms = live_torch.largest_sum(module)
    batch_and_time = int(np.prod(arrays[0].shape[:2]))
    roundings = 2 * terms + batch_and_time if gradients else terms
    local = (LAMBDA * roundings**0.5 + ACTIVATIONS) * UNIT["float32"]
    still = run(*live_torch.perturbed(module, arrays, rng, 0.0))
    factors = dict.fromkeys(still, 1.0)
    for _ in range(draws):
        for name, moved in run(*live_torch.perturbed(module, arrays, rng, DELTA)).items():
            factor = difference(name, still[name], moved).error / DELTA
            # A result that is not finite fails whatever its bound; an infinite bound would let it pass.
            factors[name] = max(factors[name], factor) if np.isfinite(factor) else 1.0
    return {
        name: Limit(
            local * factor,
            f"({LAMBDA:.0f} √{roundings} + {ACTIVATIONS:.0f}) 2^-24, {roundings} roundings, times {factor:.3g}, the "
            "module's own amplification measured in float64",
            chaotic=factor > UNIT["float32"] ** -0.5,
        )
        for name, factor in factors.items()
    }
