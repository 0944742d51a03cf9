"""The oracle's forward run against the equations of Keras' documents, number by number in plain Python."""

from __future__ import annotations

from dataclasses import replace
from math import exp, tanh
from typing import Any

import numpy as np
import pytest
from drawn import STEPS, error, patterns, weights

from weight_mapping import oracle
from weight_mapping.activations import hard_sigmoid
from weight_mapping.oracle import Dropout
from weight_mapping.spec import Bidirectional, Cell, Recurrent
from weight_mapping.weights import CellWeights

CELLS = {
    "lstm": Cell(kind="lstm", units=3),
    "lstm, two biases": Cell(kind="lstm", units=3, bias="split"),
    "lstm, no bias": Cell(kind="lstm", units=3, bias="none"),
    "lstm, hard_sigmoid": Cell(kind="lstm", units=3, recurrent_activation=hard_sigmoid(1 / 5)),
    "gru before": Cell(kind="gru", units=3),
    "gru before, two biases": Cell(kind="gru", units=3, bias="split"),
    "gru after": Cell(kind="gru", units=3, bias="split", reset_after=True),
    "gru after, one bias": Cell(kind="gru", units=3, bias="single", reset_after=True),
    "rnn": Cell(kind="rnn", units=3),
}
# Every number is a sum of at most 9 products a step, over ten steps, halves of an ulp each, sixteen-fold.
BOUND = 16 * STEPS * 9 * 2.0**-53


def _step(cell: Cell, w: CellWeights, x: Any, h: list[float], c: list[float]) -> tuple[list[float], list[float]]:
    """One step of one sample. Facts: Keras' LSTM, GRU and SimpleRNN; gates i f c o, z r n."""
    units = range(cell.units)
    parts = [] if w.bias is None else list(w.bias)
    first, second = [*parts, np.zeros_like(w.kernel[..., 0]), np.zeros_like(w.kernel[..., 0])][:2]

    def gate(value: float) -> float:
        if cell.recurrent_activation.name == "hard_sigmoid":
            return min(max(0.2 * value + 0.5, 0), 1)
        return 1 / (1 + exp(-value))

    def fed(g: int, u: int) -> float:
        return sum(w.kernel[g, u, n] * value for n, value in enumerate(x)) + first[g, u]

    def back(g: int, u: int, past: list[float]) -> float:
        return sum(w.recurrent[g, u, n] * value for n, value in enumerate(past)) + second[g, u]

    if cell.kind == "rnn":
        return [tanh(fed(0, u) + back(0, u, h)) for u in units], c
    if cell.kind == "lstm":
        i, f, o = ([gate(fed(g, u) + back(g, u, h)) for u in units] for g in (0, 1, 3))
        c = [f[u] * c[u] + i[u] * tanh(fed(2, u) + back(2, u, h)) for u in units]
        return [o[u] * tanh(c[u]) for u in units], c
    z, r = ([gate(fed(g, u) + back(g, u, h)) for u in units] for g in (0, 1))
    if cell.reset_after:
        n = [tanh(fed(2, u) + r[u] * back(2, u, h)) for u in units]
    else:
        kept = [r[u] * h[u] for u in units]
        n = [tanh(fed(2, u) + back(2, u, kept)) for u in units]
    return [z[u] * h[u] + (1 - z[u]) * n[u] for u in units], c


def _run(layer: Recurrent, w: CellWeights, x: Any, mask: Any, states: list[Any]) -> tuple[Any, list[Any]]:
    """All outputs (B, T, units), in the order in which they are computed, and the last states."""
    (cell,) = layer.cells
    assert isinstance(cell, Cell)
    outputs, last = np.zeros((len(x), x.shape[1], cell.units)), [np.array(s) for s in states]
    order = range(x.shape[1])[::-1] if layer.go_backwards else range(x.shape[1])
    for b in range(len(x)):
        h, c, said = list(states[0][b]), list(states[-1][b]), [0.0] * cell.units
        for place, t in enumerate(order):
            if mask is None or mask[b, t]:
                h, c = _step(cell, w, x[b, t], h, c)
                said = h
            elif layer.zero_output_for_mask:
                said = [0.0] * cell.units
            outputs[b, place] = said
        last[0][b] = h
        if cell.kind == "lstm":
            last[1][b] = c
    return outputs, last


@pytest.mark.parametrize("pattern", [None, *patterns(4)])
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("name", CELLS)
def test_a_layer_is_its_equations(name: str, backwards: bool, pattern: str | None) -> None:
    cell, rng = CELLS[name], np.random.default_rng(2)
    x, mask = rng.normal(size=(4, STEPS, 2)), None if pattern is None else patterns(4)[pattern]
    for zero in (False, True):
        layer = Recurrent(
            cells=(cell,), return_sequences=True, return_state=True, go_backwards=backwards, zero_output_for_mask=zero
        )
        found = weights(layer, 2)
        states = [rng.normal(size=(4, 3)) for _ in cell.states]
        outputs, last = _run(layer, found["0",], x, mask, states)
        trace = oracle.forward(layer, found, x, mask=mask, initial_state=states)
        assert error(trace.outputs[0], outputs) < BOUND
        assert len(trace.outputs) == 1 + len(last)
        for n, state in enumerate(last):
            assert error(trace.states[n], state) < BOUND and np.array_equal(trace.outputs[1 + n], trace.states[n])
        alone = replace(layer, return_sequences=False, return_state=False)
        [only] = oracle.forward(alone, found, x, mask=mask, initial_state=states).outputs
        assert np.array_equal(only, trace.outputs[0][:, -1])
        turned = replace(layer, time_major=True)
        by_time = oracle.forward(
            turned, found, x.swapaxes(0, 1), mask=None if mask is None else mask.T, initial_state=states
        )
        assert np.array_equal(by_time.outputs[0], trace.outputs[0].swapaxes(0, 1))
        nothing = oracle.forward(layer, found, x, mask=mask)
        zeros = [np.zeros((4, 3)) for _ in cell.states]
        assert np.array_equal(
            nothing.outputs[0], oracle.forward(layer, found, x, mask=mask, initial_state=zeros).outputs[0]
        )


@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("merge", ["concat", "sum", "mul", "ave", "none"])
def test_two_directions_are_merged(merge: str, sequences: bool) -> None:
    ahead = Recurrent(cells=(CELLS["lstm"],), return_sequences=sequences, return_state=True)
    back = replace(ahead, cells=(CELLS["gru after"],), go_backwards=True)
    layer = Bidirectional(forward=ahead, backward=back, merge=merge)  # type: ignore[arg-type]
    found, rng = weights(layer, 2), np.random.default_rng(3)
    x, mask = rng.normal(size=(4, STEPS, 2)), patterns(4)["scattered"]
    states = [rng.normal(size=(4, 3)) for _ in range(3)]
    a, first = _run(ahead, found["forward", "0"], x, mask, states[:2])
    b, second = _run(back, found["backward", "0"], x, mask, states[2:])
    a, b = (a, b[:, ::-1]) if sequences else (a[:, -1], b[:, -1])
    expected = {
        "concat": [np.concatenate([a, b], -1)], "sum": [a + b], "mul": [a * b], "ave": [(a + b) / 2], "none": [a, b]
    }[merge]  # fmt: skip
    trace = oracle.forward(layer, found, x, mask=mask, initial_state=states)
    for y, wanted in zip(trace.outputs, [*expected, *first, *second], strict=True):
        assert error(y, wanted) < BOUND
    turned = replace(layer, forward=replace(ahead, time_major=True), backward=replace(back, time_major=True))
    by_time = oracle.forward(turned, found, x.swapaxes(0, 1), mask=mask.T, initial_state=states).outputs[0]
    assert np.array_equal(by_time, trace.outputs[0].swapaxes(0, 1) if sequences else trace.outputs[0])
    silent = replace(layer, forward=replace(ahead, return_state=False), backward=replace(back, return_state=False))
    assert len(oracle.forward(silent, found, x).outputs) == len(expected)


@pytest.mark.parametrize("name", ["lstm", "gru before", "gru after", "rnn"])
def test_dropout_multiplies_what_a_gate_sees(name: str) -> None:
    """A mask of its own for each gate is a cell whose columns are multiplied."""
    cell, rng = CELLS[name], np.random.default_rng(4)
    layer = Recurrent(cells=(cell,), return_sequences=True)
    found, x, gates = weights(layer, 2)["0",], rng.normal(size=(1, STEPS, 2)), len(cell.gates)
    for count in (1, gates):
        fed, back = rng.random((count, 1, 2)) + 0.5, rng.random((count, 1, 3)) + 0.5
        dropped = oracle.forward(layer, {("0",): found}, x, dropout={("0",): Dropout(input=fed, recurrent=back)})
        scaled = replace(found, kernel=found.kernel * fed, recurrent=found.recurrent * back)
        assert error(dropped.outputs[0], oracle.forward(layer, {("0",): scaled}, x).outputs[0]) < BOUND


def test_the_trace_has_every_gate_and_state() -> None:
    layer = Recurrent(cells=(CELLS["lstm"], CELLS["gru after"]), return_sequences=True)
    found, x = weights(layer, 2), np.random.default_rng(5).normal(size=(2, STEPS, 2))
    trace = oracle.forward(layer, found, x)
    lstm, gru = trace.cells["0",], trace.cells["1",]
    assert (list(lstm.gates), list(gru.gates)) == (list("ifco"), list("zrn"))
    assert lstm.h.shape == (2, STEPS + 1, 3) and lstm.c is not None and gru.c is None
    i, f, g, o = (lstm.gates[k] for k in "ifco")
    assert error(lstm.c[:, 1:], f * lstm.c[:, :-1] + i * g) < BOUND
    assert error(lstm.h[:, 1:], o * np.tanh(lstm.c[:, 1:])) < BOUND
    z, n = gru.gates["z"], gru.gates["n"]
    assert error(gru.h[:, 1:], z * gru.h[:, :-1] + (1 - z) * n) < BOUND
    assert np.array_equal(gru.inputs, lstm.outputs) and np.array_equal(lstm.inputs, x)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("mask", [None, *patterns(4)])
def test_a_run_that_is_not_traced_gives_the_same_and_keeps_no_steps(name: str, mask: str | None) -> None:
    one = Recurrent(cells=(CELLS[name], replace(CELLS[name], units=5)), return_sequences=True, return_state=True)
    x = np.random.default_rng(3).normal(size=(4, STEPS, 6))
    for layer in (one, Bidirectional(forward=one, backward=replace(one, go_backwards=True))):
        options: dict[str, Any] = {"mask": None if mask is None else patterns(4)[mask]}
        whole, lean = (oracle.forward(layer, weights(layer, 6), x, traced=told, **options) for told in (True, False))
        for a, b in zip((*whole.outputs, *whole.states), (*lean.outputs, *lean.states), strict=True):
            assert np.array_equal(a, b)
        assert all(cell.steps == () and cell.gates == {} and cell.h.shape[1] == 1 for cell in lean.cells.values())
        assert all(len(cell.steps) == STEPS for cell in whole.cells.values())
