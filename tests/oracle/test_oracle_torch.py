"""The oracle against torch's own layers in float64: outputs, states, and gradients by autograd."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drawn import SIZES, STEPS, error, rounding, weights

from weight_mapping import oracle
from weight_mapping.packing import pack, unpack
from weight_mapping.spec import Bidirectional, Cell, Recurrent
from weight_mapping.weights import CellWeights

torch = pytest.importorskip("torch")
DIRECTIONS = {"forward": "_l0", "backward": "_l0_reverse"}


def _layer(kind: str, units: int, bias: str) -> Bidirectional:
    cell = Cell(kind=kind, units=units, bias=bias, reset_after=kind == "gru")  # type: ignore[arg-type]
    one = Recurrent(cells=(cell,), return_sequences=True, return_state=True)
    return Bidirectional(forward=one, backward=replace(one, go_backwards=True))


def _module(kind: str, layer: Bidirectional, found: dict, input_size: int):  # type: ignore[no-untyped-def,type-arg]
    cell = layer.forward.cells[0]
    made = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}[kind]
    module = made(
        input_size, cell.units, batch_first=True, bidirectional=True, bias=cell.bias != "none", dtype=torch.float64
    )
    for name, suffix in DIRECTIONS.items():
        for array_name, array in pack("torch", found[name, "0"]).items():
            getattr(module, array_name + suffix).data = torch.from_numpy(array)
    return module


@pytest.mark.parametrize("bias", ["split", "none"])
@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("sizes", SIZES)
def test_forward_and_backward_agree_with_torch(kind: str, sizes: str, bias: str) -> None:
    batch, width, units = SIZES[sizes]
    layer, rng = _layer(kind, units, bias), np.random.default_rng(1)
    found = weights(layer, width)
    module = _module(kind, layer, found, width)
    count = len(layer.forward.cells[0].states)
    x = torch.from_numpy(rng.normal(size=(batch, STEPS, width))).requires_grad_()
    states = [torch.from_numpy(rng.normal(size=(2, batch, units))).requires_grad_() for _ in range(count)]

    y, last = module(x, tuple(states) if count == 2 else states[0])
    last = last if count == 2 else (last,)
    # torch keeps a state's two directions together, Keras a direction's states.
    order = [(d, s) for d in range(2) for s in range(count)]
    results = [y, *(last[s][d] for d, s in order)]
    d_results = [torch.from_numpy(rng.normal(size=tuple(r.shape))) for r in results]
    torch.autograd.backward(results, d_results)

    trace = oracle.forward(
        layer, found, x.detach().numpy(), initial_state=[states[s][d].detach().numpy() for d, s in order]
    )
    bound = rounding(layer, width)
    for ours, theirs in zip(trace.outputs, results, strict=True):
        assert error(ours, theirs.detach().numpy()) <= bound

    gradients = oracle.backward(trace, [d.numpy() for d in d_results])
    assert error(gradients.x, x.grad.numpy()) <= bound
    for ours, (d, s) in zip(gradients.initial_state, order, strict=True):
        assert error(ours, states[s].grad[d].numpy()) <= bound
    for name, suffix in DIRECTIONS.items():
        grads = {n: getattr(module, n + suffix).grad.numpy() for n in pack("torch", found[name, "0"])}
        expected = unpack("torch", kind, grads, reset_after=True)
        _assert_same(gradients.weights[name, "0"], expected, bound)


def _assert_same(found: CellWeights, expected: CellWeights, bound: float) -> None:
    for (name, ours), (_, theirs) in zip(found.arrays(), expected.arrays(), strict=True):
        assert error(ours, theirs) <= bound, name


@pytest.mark.parametrize("letters", ["if", "fc", "io"])
def test_two_gates_exchanged_are_seen(letters: str) -> None:
    """The comparison above can fail: a wrong order of gates is ten orders of magnitude beyond its bound."""
    layer = _layer("lstm", 5, "split")
    found, x = weights(layer, 4), np.random.default_rng(2).normal(size=(3, STEPS, 4))
    a, b = ("ifco".index(letter) for letter in letters)
    order = list(range(4))
    order[a], order[b] = order[b], order[a]
    wrong = {
        path: replace(w, kernel=w.kernel[order], recurrent=w.recurrent[order], bias=w.bias[:, order])  # type: ignore[index]
        for path, w in found.items()
    }
    y, mutant = (oracle.forward(layer, w, x).outputs[0] for w in (found, wrong))
    assert error(mutant, y) > 1e-3 > 1e9 * rounding(layer, 4)


def test_the_states_at_every_step_are_those_of_the_cell() -> None:
    layer = Recurrent(cells=(Cell(kind="lstm", units=5, bias="split"),), return_sequences=True)
    found, rng = weights(layer, 4), np.random.default_rng(3)
    x, h, c = rng.normal(size=(3, STEPS, 4)), rng.normal(size=(3, 5)), rng.normal(size=(3, 5))
    cell = torch.nn.LSTMCell(4, 5, dtype=torch.float64)
    for name, array in pack("torch", found["0",]).items():
        getattr(cell, name).data = torch.from_numpy(array)
    trace = oracle.forward(layer, found, x, initial_state=[h, c]).cells["0",]
    state = (torch.from_numpy(h), torch.from_numpy(c))
    for t in range(STEPS):
        state = cell(torch.from_numpy(x[:, t]), state)
        assert error(trace.h[:, t + 1], state[0].detach().numpy()) <= rounding(layer, 4)
        assert trace.c is not None
        assert error(trace.c[:, t + 1], state[1].detach().numpy()) <= rounding(layer, 4)
    i, f, g = (trace.gates[letter] for letter in "ifc")
    assert error(trace.c[:, 1:], f * trace.c[:, :-1] + i * g) <= rounding(layer, 4)  # type: ignore[index]
