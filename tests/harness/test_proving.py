"""The bound of a port's proof: what rounding can explain, and no more."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.bounds import MORE
from harness.porting import proving
from harness.results import FAILS, HOLDS
from weight_mapping import oracle
from weight_mapping.plain import plain
from weight_mapping.spec import Input, ModelSpec, Node, Ref
from weight_mapping.weights import Portable


def added(tensors: int) -> Portable:
    """A model that adds its input to itself so many times."""
    node = Node(name="add", layer="add", inputs=(Ref("x"),) * tensors)
    one = Input(name="x", shape=(None, 7))
    return Portable(
        spec=ModelSpec(name="m", inputs=(one,), layers={"add": plain("add")}, nodes=(node,), outputs=(Ref("add"),)),
        weights={},
    )


def in_turn(portable: Portable, inputs: Any, dtype: str) -> list[Any]:
    """The sum as a framework has it, rounded after every term."""
    x, tensors = np.asarray(inputs[0], dtype), len(portable.spec.nodes[0].inputs)
    total = x.copy()
    for _ in range(tensors - 1):
        total += x
    return [total]


def verdicts(portable: Portable, outputs: proving.Outputs) -> set[str]:
    return {a.verdict for a in proving.prove(portable, outputs).agreements}


@pytest.mark.parametrize("tensors", [2, 100, 2000])
def test_a_sum_of_many_tensors_is_granted_its_roundings(tensors: int) -> None:
    assert verdicts(added(tensors), in_turn) == {HOLDS}


@pytest.mark.parametrize("tensors", [2, 100, 2000])
def test_a_tensor_too_few_is_seen(tensors: int) -> None:
    def too_few(portable: Portable, inputs: Any, dtype: str) -> list[Any]:
        (x,) = (np.asarray(one, dtype) for one in inputs)
        return [oracle.outputs(portable, *inputs)[0].astype(dtype) - x]

    assert verdicts(added(tensors), too_few) == {FAILS}


def test_a_port_that_is_wrong_is_held_to_many_moves_first(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    usual = proving._amplification
    monkeypatch.setattr(proving, "_amplification", lambda *given: asked.append(given[-1]) or usual(*given))
    wrong = lambda *given: [in_turn(*given)[0] * (1 + 2.0**-10)]  # noqa: E731
    for outputs, verdict, times in ((in_turn, HOLDS, [1]), (wrong, FAILS, [1, MORE])):
        asked.clear()
        case = proving.prove(added(3), outputs)
        assert {a.verdict for a in case.agreements} == {verdict}
        assert asked == [proving.DRAWS * n for n in times]
