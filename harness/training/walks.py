"""Fifty steps of an optimizer: the losses and the weights at the end, each backend against the oracle's equations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from harness.backends import Arrays, Backend
from harness.backends.oracle import OracleSubject
from harness.bounds import amplification, limits
from harness.compare import UNIT, Limit, agreement, failed, not_measured
from harness.drawn import Drawn
from harness.problems import Problem
from harness.results import Agreement
from harness.training.descent import LONG
from harness.training.optimizers import Walk
from weight_mapping.errors import Unrepresentable


def walked(problem: Problem, walk: Walk, backends: Sequence[Backend], drawn: Drawn) -> Iterator[Agreement]:
    """One agreement a backend and dtype. In float64 a Keras is held to float32's bound where an option is one that
    float32 can't hold: it casts them through it."""
    reference = OracleSubject(problem).train(LONG, walk)
    bounds = long_limits(problem, walk, reference)
    for backend in backends:
        for dtype in UNIT:
            why = _coarse(problem, walk, backend) if dtype == "float64" else ""
            allowed = bounds["float32" if why else dtype]
            if why:
                allowed = {name: replace(limit, reason=f"{limit.reason}; {why}") for name, limit in allowed.items()}
            try:
                found = backend.build(problem, dtype).train(LONG, walk)
            except Unrepresentable as refusal:
                yield not_measured(f"training {dtype}", backend.name, str(refusal))
                continue
            except Exception as error:  # whatever a framework raises is this backend's failure
                yield failed(f"training {dtype}", backend.name, f"{type(error).__name__}: {error}")
                continue
            if dtype == "float64":
                drawn.training[backend.name] = tuple(float(loss) for loss in found["losses"])
            yield agreement("training", backend.name, reference, found, allowed, dtype=dtype, kind="lstm")


def _coarse(problem: Problem, walk: Walk, backend: Backend) -> str:
    """What of it a float64 walk takes in float32, in words."""
    cast = "Keras casts an option of the optimizer through float32"
    return backend.coarse(problem) or (cast if backend.keras is not None and not walk.exact else "")


def long_limits(problem: Problem, walk: Walk, reference: Arrays) -> Mapping[str, Mapping[str, Limit]]:
    """The bounds by dtype, from how much the whole walk amplifies."""
    factors = amplification(problem, lambda moved: OracleSubject(moved).train(LONG, walk), reference)
    return {dtype: limits(problem, factors, dtype, backward=True) for dtype in UNIT}
