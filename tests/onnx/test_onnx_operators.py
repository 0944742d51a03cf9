"""The recurrent operators: which one, with which attributes, and every activation against the oracle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest
from judged import UNITS, agreement, alone
from recurrent_models import CELLS, behind_masking

from harness.backends.ported_onnx import outputs
from harness.rows import both_ways, run
from weight_mapping import oracle
from weight_mapping.activations import ROWS, Activation, activation, hard_sigmoid
from weight_mapping.onnx import functions, operators, recurrent, scan, to_onnx
from weight_mapping.onnx.activations import NAMED, Named
from weight_mapping.plain import plain
from weight_mapping.spec import Bidirectional, Input, chain
from weight_mapping.weights import CellWeights, Portable

OPERATORS = {"LSTM", "GRU", "RNN"}
ELEMENTWISE = sorted(name for name, row in ROWS.items() if row.derivative is not None)
SCALES = {"exponential": 0.1, "tanh_shrink": 0.7}
"""Of the weights: a cell that feeds exp back to itself grows beyond float32; x - tanh x of a small x cancels there."""


def the_node(portable: Portable, kinds: set[str] = OPERATORS) -> Any:
    """The model's one node of these kinds."""
    (node,) = (node for node in to_onnx(portable).graph.node if node.op_type in kinds)
    return node


def attributes(node: Any) -> dict[str, Any]:
    found = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    return {name: [v.decode() for v in value] if name == "activations" else value for name, value in found.items()}


def named(name: str) -> Activation:
    return hard_sigmoid(1 / 5) if name == "hard_sigmoid" else activation(name)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_every_activation_in_every_cell(cell: str, name: str) -> None:
    """By the operator where it has the activation, else by the loop."""
    for changed in ({"activation": named(name)}, {"recurrent_activation": named(name)}):
        if "recurrent_activation" in changed and cell == "rnn":
            continue
        portable = alone(run(replace(CELLS[cell], **changed)), SCALES.get(name, 0.3))
        assert the_node(portable, {*OPERATORS, "Scan"}).op_type in (OPERATORS if name in NAMED else {"Scan"})
        found = agreement(portable)
        assert found.verdict == "holds", f"{changed}: {found.error} of {found.bound}"


@pytest.mark.parametrize("slope", [1 / 5, 1 / 6])
def test_hard_sigmoid_has_its_slope_as_alpha(slope: float) -> None:
    cell = replace(CELLS["lstm"], recurrent_activation=hard_sigmoid(slope), activation=activation("elu", alpha=0.7))
    found = attributes(the_node(alone(run(cell))))
    assert found["activations"] == ["HardSigmoid", "Elu", "Elu"] and found["hidden_size"] == UNITS
    np.testing.assert_allclose(found["activation_alpha"], [slope, 0.7, 0.7], rtol=1e-7)
    assert found["activation_beta"] == [0.5]


def test_reset_after_is_linear_before_reset() -> None:
    for name, expected in (("gru", 1), ("gru before", 0)):
        assert attributes(the_node(alone(run(CELLS[name]))))["linear_before_reset"] == expected


def test_directions() -> None:
    lstm = CELLS["lstm"]
    assert attributes(the_node(alone(run(lstm))))["direction"] == b"forward"
    assert attributes(the_node(alone(run(lstm, go_backwards=True))))["direction"] == b"reverse"
    assert attributes(the_node(alone(both_ways(lstm, "concat"))))["direction"] == b"bidirectional"


def test_two_directions_that_one_operator_cannot_run() -> None:
    """Cells that differ in kind, or a bias that one of them lacks."""
    for other in (CELLS["gru"], replace(CELLS["lstm"], bias="none")):
        layer = Bidirectional(forward=run(CELLS["lstm"]), backward=run(other, go_backwards=True))
        kinds = [node.op_type for node in to_onnx(alone(layer)).graph.node]
        assert sum(kind in OPERATORS for kind in kinds) == 2
        assert agreement(alone(layer)).verdict == "holds"


def test_activations_may_differ_between_the_directions() -> None:
    slow = replace(CELLS["lstm"], recurrent_activation=hard_sigmoid(1 / 5))
    portable = alone(Bidirectional(forward=run(CELLS["lstm"]), backward=run(slow, go_backwards=True)))
    found = attributes(the_node(portable))
    assert found["activations"] == ["Sigmoid", "Tanh", "Tanh", "HardSigmoid", "Tanh", "Tanh"]
    np.testing.assert_allclose(found["activation_alpha"], [1 / 5], rtol=1e-7)
    assert agreement(portable).verdict == "holds"


def test_a_mask_is_a_loop_and_never_the_operator() -> None:
    for cell in CELLS.values():
        kinds = {node.op_type for node in to_onnx(behind_masking(run(cell))).graph.node}
        assert "Scan" in kinds and not kinds & OPERATORS


def _swapped(pack: Callable[..., Any]) -> Callable[..., Any]:
    """The first two gates of the kernel in each other's place."""

    def wrong(format: str, weights: CellWeights) -> dict[str, Any]:
        packed = pack(format, weights)
        w = packed["W"].copy()
        w[:, :UNITS], w[:, UNITS : 2 * UNITS] = packed["W"][:, UNITS : 2 * UNITS], packed["W"][:, :UNITS]
        return {**packed, "W": w}

    return wrong


def _recurrent_bias_first(pack: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(format: str, weights: CellWeights) -> dict[str, Any]:
        packed = pack(format, weights)
        return {**packed, "B": np.roll(packed["B"], packed["B"].shape[1] // 2, 1)}

    return wrong


def _ignoring_the_mask(over_time: Callable[..., Any]) -> Callable[..., Any]:
    return lambda g, cell, weights, x, mask, states, **how: over_time(g, cell, weights, x, None, states, **how)


def _other_zeros(over_time: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(*given: Any, zero_output: bool, **how: Any) -> Any:
        return over_time(*given, zero_output=not zero_output, **how)

    return wrong


_FIFTH = replace(CELLS["lstm"], recurrent_activation=hard_sigmoid(1 / 5))
_MUTANTS: dict[str, tuple[Any, str, Callable[[Any], Any], Callable[[], Portable]]] = {
    "gates swapped": (operators, "pack", _swapped, lambda: alone(run(CELLS["lstm"]))),
    "GRU gates swapped": (operators, "pack", _swapped, lambda: alone(run(CELLS["gru"]))),
    "biases swapped": (operators, "pack", _recurrent_bias_first, lambda: alone(run(CELLS["gru"]))),
    "outputs not turned": (functions, "flip", lambda _: lambda x, axes: x, lambda: alone(
        run(CELLS["lstm"], go_backwards=True, return_sequences=True))),
    "mask ignored": (scan, "run", _ignoring_the_mask, lambda: behind_masking(run(CELLS["lstm"]))),
    "zeros for repeats": (scan, "run", _other_zeros, lambda: behind_masking(
        run(CELLS["lstm"], return_sequences=True))),
    "both directions ahead": (recurrent.operators, "run", lambda right: lambda g, cells, x, states, reverse: [
        right(g, [one], x, [own], reverse=False)[0] for one, own in zip(cells, states, strict=True)],
        lambda: alone(both_ways(CELLS["lstm"], "concat"))),
}  # fmt: skip


@pytest.mark.parametrize("name", _MUTANTS)
def test_a_wrong_port_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, attribute, wrong, build = _MUTANTS[name]
    assert agreement(build()).verdict == "holds"
    monkeypatch.setattr(module, attribute, wrong(getattr(module, attribute)))
    assert agreement(build()).verdict == "fails"


@pytest.mark.parametrize(
    "row", [Named("HardSigmoid", 1 / 6, 0.5), Named("HardSigmoid", "slope", 0.49), Named("Sigmoid")]
)
def test_another_hard_sigmoid_is_caught(row: Named, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NAMED, "hard_sigmoid", row)
    assert agreement(alone(run(_FIFTH))).verdict == "fails"


def test_softplus_does_not_overflow() -> None:
    """As the runtime's own operators do from 89 on, the reason why the table lacks it."""
    assert "softplus" not in NAMED
    x = np.array([[-1000.0, -90.0, 0.5, 90.0, 1000.0]], np.float32)
    spec = chain("model", Input(name="x", shape=(None, 5)), {"a": plain("activation", activation=named("softplus"))})
    portable = Portable(spec=spec, weights={})
    np.testing.assert_allclose(outputs(portable, [x], "float32")[0], oracle.run(portable, x), rtol=1e-6, atol=1e-6)
