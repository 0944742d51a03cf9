"""Wrong ports that no output shows: what training makes of them. Gradients, and fifty steps of an optimizer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from harness.backends import Arrays
from harness.backends.oracle import OracleSubject
from harness.mutants.mutant import Mutant, Run
from harness.problems import Float, Problem
from harness.training.descent import LONG
from harness.training.optimizers import MISTAKEN, WALKS, Walk, Walker


def _halved(problem: Problem, run: Run) -> Arrays:  # noqa: ARG001
    """The one bias is tied to two parameters, and each is given half of its gradient."""
    found = OracleSubject(problem).answer().gradients
    return {name: a / 2 if name.startswith("gradient bias") else a for name, a in found.items()}


class _TwoBiases(Walker):
    """Each of two biases moves as the one would: their sum moves twice."""

    def step(self, weights: dict[object, Float], gradients: dict[object, Float]) -> dict[object, Float]:  # type: ignore[override]
        moved = super().step(weights, gradients)
        return {key: 2 * a - weights[key] if "bias" in key else a for key, a in moved.items()}  # type: ignore[operator]


TWO_BIASES = "second bias trained"


def two_biases(problem: Problem, walk: Walk, steps: int = LONG) -> Arrays:
    """The path of a port whose second bias is trained as well."""
    return OracleSubject(problem).train(steps, walk, walker=_TwoBiases(walk))


def _trained_twice(problem: Problem, run: Run) -> Arrays:  # noqa: ARG001
    return two_biases(problem, WALKS["SGD"])


def _mistaken() -> Iterator[Mutant]:
    """An optimizer of the same name with a convention that is not Keras'."""
    for name, (walk, otherwise) in MISTAKEN.items():
        right = WALKS[walk]
        wrong = replace(right, config={**right.config, **otherwise})
        yield Mutant(
            id=name,
            description=f"{walk}: the optimizer has {', '.join(f'{k}={v}' for k, v in otherwise.items())}",
            fix="take the optimizer from weight_mapping.torch.optimizer_like_keras",
            act=lambda problem, run, wrong=wrong: OracleSubject(problem).train(LONG, wrong),  # type: ignore[misc]
            check="training",
            base=f"training/{walk}",
            regimes=("different",),
        )


ROWS = (
    Mutant(
        id="gradient halved by a tied bias", description="the bias is the sum of two, each with half of its gradient",
        fix="give the bias its whole gradient, and freeze the second", act=_halved, check="gradients",
    ),
    Mutant(
        id=TWO_BIASES, description="both of PyTorch's biases are trained: their sum moves twice as far",
        fix="freeze the second bias, as weight_mapping.torch.build does", act=_trained_twice, check="training",
        base="training/SGD", regimes=("different",),
    ),
    *_mistaken(),
)  # fmt: skip
