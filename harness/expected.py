"""What the oracle says of a problem, and how far rounding may lead a correct answer away from it.

float64 proves (a wrong mapping shows as 1e-4 or more, rounding as 1e-12), float32 is measured against the same oracle,
and one step from the oracle's own states separates a wrong mapping from chaos.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.backends import Arrays, Backend
from harness.backends.oracle import OracleSubject
from harness.bounds import amplification, at_a_jump, limits, underflow
from harness.compare import Limit
from harness.problems import Float, Problem
from harness.training import descent
from weight_mapping import oracle
from weight_mapping.spec import Path, Recurrent

DTYPES = ("float64", "float32")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the oracle says of a problem, and how far rounding may lead away from it, by dtype."""

    outputs: Arrays
    gradients: Arrays
    trained: Arrays
    """The losses, and the weights after the last training step; empty where nothing is trained."""
    steps: Mapping[Path, tuple[Float, list[Float], Arrays]]
    """By cell: x, states, and what one step makes of them."""
    output_limits: Mapping[str, Mapping[str, Limit]]
    gradient_limits: Mapping[str, Mapping[str, Limit]]
    training_limits: Mapping[str, Mapping[str, Limit]]
    step_limits: Mapping[Path, Mapping[str, Mapping[str, Limit]]]


def expect(problem: Problem, *, training: bool = True, of_argument: Collection[str] = (), times: int = 1) -> Expected:
    """The oracle's answers with their bounds. `of_argument`: see `bounds.own_errors`; `times`: `bounds.judged`."""
    answer = OracleSubject(problem).answer()
    whole = {**answer.outputs, **answer.gradients}

    def again(moved: Problem) -> Arrays:
        found = OracleSubject(moved).answer()
        return {**found.outputs, **found.gradients}

    factors = amplification(problem, again, whole, of_argument, times)
    trained = OracleSubject(problem).train(descent.STEPS) if training else {}
    training_factors = (
        amplification(problem, lambda p: OracleSubject(p).train(descent.STEPS), trained, of_argument, times)
        if training
        else {}
    )
    steps = {path: _one_step(problem, path) for path, _ in problem.cells()}
    return Expected(
        outputs=answer.outputs,
        gradients=answer.gradients,
        trained=trained,
        steps=steps,
        output_limits={d: limits(problem, {n: factors[n] for n in answer.outputs}, d) for d in DTYPES},
        gradient_limits={
            d: limits(problem, {n: factors[n] for n in answer.gradients}, d, backward=True) for d in DTYPES
        },
        training_limits={d: limits(problem, training_factors, d, backward=True) for d in DTYPES},
        step_limits={path: _step_limits(problem, path, *steps[path], of_argument, times) for path in steps},
    )


def expect_outputs(
    problem: Problem, dtype: str = "float64", of_argument: Collection[str] = (), times: int = 1
) -> tuple[Arrays, dict[str, dict[str, Limit]]]:
    """The oracle's outputs with their bounds by dtype, and nothing else. Numbers too small to be held are allowed for
    in this `dtype` alone. `of_argument`: see `bounds.own_errors`; `times`: `bounds.judged`."""

    def run(moved: Problem) -> Arrays:
        return OracleSubject(moved).outputs()

    outputs = run(problem)
    factors = amplification(problem, run, outputs, of_argument, times)
    lost = {dtype: underflow(problem, run, outputs, dtype)}
    found = {d: limits(problem, factors, d, lost=lost.get(d)) for d in DTYPES}
    reach = max(limit.bound for limit in found[dtype].values())
    if any(at_a_jump(trace, reach) for trace in OracleSubject(problem).traces()):
        why = "an activation's argument is so near its jump that rounding may cross it"
        found = {d: {n: replace(b, reason=why, chaotic=True) for n, b in bounds.items()} for d, bounds in found.items()}
    return outputs, found


def _one_step(problem: Problem, path: Path) -> tuple[Float, list[Float], Arrays]:
    """Every step of the cell's run as a batch of single steps, each from the oracle's state rounded to float32."""
    trace = oracle.forward(
        problem.layer, problem.weights, problem.x, mask=problem.mask, initial_state=problem.initial_state
    ).cells[path]
    x = _single(trace.inputs.reshape(-1, trace.inputs.shape[-1]))
    states = [_single(s[:, :-1].reshape(-1, s.shape[-1])) for s in trace.states]
    return x, states, OracleSubject(problem).step(path, x, states)


def _single(array: Float) -> Float:
    return array.astype(np.float32).astype(np.float64)


def _step_limits(
    problem: Problem, path: Path, x: Float, states: Sequence[Float], reference: Arrays, of_argument: Collection[str],
    times: int,
) -> dict[str, dict[str, Limit]]:  # fmt: skip
    cell = dict(problem.cells())[path]
    alone = Problem(
        layer=Recurrent(cells=(cell,)), weights={("0",): problem.weights[path]}, xs=(x[:, None],),
        initial_state=tuple(states),
    )  # fmt: skip

    def step(moved: Problem) -> Arrays:
        return OracleSubject(moved).step(("0",), moved.x[:, 0], moved.initial_state)

    factors = amplification(alone, step, reference, of_argument, times)
    return {dtype: limits(alone, factors, dtype) for dtype in DTYPES}


def granted(
    bounds: Mapping[str, Mapping[str, Limit]], dtype: str, problem: Problem, backend: Backend
) -> Mapping[str, Limit]:
    """The bounds of this dtype; those of float32 where the backend computes something in float32 all the same."""
    why = backend.coarse(problem) if dtype == "float64" else ""
    if not why:
        return bounds[dtype]
    return {name: replace(limit, reason=f"{limit.reason}; {why}") for name, limit in bounds["float32"].items()}
