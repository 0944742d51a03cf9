"""The recurrent modules against the float64 oracle: outputs, states, gradients; and that wrong weights show."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from portables import CELLS, NATIVE, SIZES, STEPS, error, layer_weights, masks, rounding, states
from torch import nn

import weight_mapping.torch as wt
from weight_mapping import oracle
from weight_mapping.activations import Activation, activation, hard_sigmoid
from weight_mapping.errors import PortingError, Unsupported, WeightsMismatch
from weight_mapping.spec import Bidirectional, Cell, ConvCell, Recurrent

pytestmark = pytest.mark.usefixtures("either_path")


def check(
    layer: Recurrent | Bidirectional,
    sizes: tuple[int, int, int],
    *,
    mask: Any = None,
    native: bool = True,
    steps: int = STEPS,
    start: bool = True,
) -> None:
    """Outputs and every gradient of a random weighing of them, in float64."""
    batch, width, units = sizes
    rng = np.random.default_rng(7)
    weights = layer_weights(layer, width)
    x = rng.normal(0, 1, (batch, steps, width))
    initial = states(layer, batch) if start else []
    swap = (layer if isinstance(layer, Recurrent) else layer.forward).time_major
    x, mask = (x.swapaxes(0, 1), None if mask is None else mask.T) if swap else (x, mask)
    trace = oracle.forward(layer, weights, x, mask=mask, initial_state=initial)
    module = wt.build_layer(layer, weights, dtype=torch.float64, prefer_native=native)
    tensors = [torch.tensor(v, requires_grad=True) for v in (x, *initial)]
    y = module(tensors[0], None if mask is None else torch.tensor(mask), tensors[1:])
    bound = rounding(width, units)
    assert len(y) == len(trace.outputs)
    assert max(error(a.detach(), b) for a, b in zip(y, trace.outputs, strict=True)) < bound
    weighing = [rng.normal(0, 1, o.shape) for o in trace.outputs]
    sum((a * torch.tensor(w)).sum() for a, w in zip(y, weighing, strict=True)).backward()
    expected = oracle.backward(trace, weighing)
    found = wt.gradients(module)
    assert found.keys() == expected.weights.keys()
    for path, gradient in found.items():
        for (name, a), (_, b) in zip(gradient.arrays(), expected.weights[path].arrays(), strict=True):
            assert error(a, b) < bound, (path, name)
    for a, b in zip(tensors, (expected.x, *expected.initial_state), strict=False):
        assert error(a.grad, b) < bound


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("native", [True, False], ids=["native", "own loop"])
@pytest.mark.parametrize("name", CELLS)
def test_every_cell_agrees_with_the_oracle(name: str, native: bool, sizes: str) -> None:
    layer = Recurrent(
        cells=(replace(CELLS[name], units=SIZES[sizes][2]),),
        return_sequences=True,
        return_state=True,
        go_backwards=True,
    )
    check(layer, SIZES[sizes], native=native)


@pytest.mark.parametrize("zero", [True, False], ids=["zero output", "repeated output"])
@pytest.mark.parametrize("sequences", [True, False], ids=["sequences", "last"])
@pytest.mark.parametrize("pattern", masks(3))
@pytest.mark.parametrize("name", ["lstm", "gru", "gru before", "rnn selu", "lstm hard_sigmoid 1/5"])
def test_masks(name: str, pattern: str, sequences: bool, zero: bool) -> None:
    layer = Recurrent(
        cells=(CELLS[name],), return_sequences=sequences, return_state=True, zero_output_for_mask=zero
    )  # fmt: skip
    check(layer, SIZES["all different"], mask=masks(3)[pattern])


@pytest.mark.parametrize("merge", ["concat", "sum", "mul", "ave", "none"])
@pytest.mark.parametrize("masked", [True, False], ids=["masked", "all steps"])
def test_bidirectional(merge: Any, masked: bool) -> None:
    way = Recurrent(cells=(CELLS["lstm"],), return_sequences=True, return_state=True, zero_output_for_mask=True)
    layer = Bidirectional(forward=way, backward=replace(way, go_backwards=True), merge=merge)
    check(layer, SIZES["all different"], mask=masks(3)["a row masked"] if masked else None)


@pytest.mark.parametrize("time_major", [True, False])
def test_a_stack_of_cells(time_major: bool) -> None:
    cells = (CELLS["lstm"], replace(CELLS["gru before"], units=3), replace(CELLS["rnn"], units=6))
    layer = Recurrent(cells=cells, return_sequences=True, return_state=True, time_major=time_major)
    check(layer, SIZES["all different"], mask=masks(3)["a row masked"])
    check(layer, SIZES["all different"])


@pytest.mark.parametrize("name", CELLS)
def test_one_step_from_zero(name: str) -> None:
    check(Recurrent(cells=(CELLS[name],)), SIZES["one sample"], steps=1, start=False)


@pytest.mark.parametrize("name", ["lstm", "lstm hard_sigmoid 1/5", "gru", "gru before", "rnn"])
def test_float32_is_as_good_as_float32_can_be(name: str) -> None:
    layer = Recurrent(cells=(CELLS[name],), return_sequences=True)
    weights = layer_weights(layer, 4)
    x = np.random.default_rng(0).normal(size=(3, STEPS, 4)).astype(np.float32)
    single = {path: replace(w, **{n: a.astype(np.float32) for n, a in w.arrays()}) for path, w in weights.items()}
    (y,) = wt.build_layer(layer, single)(torch.tensor(x))
    assert y.dtype == torch.float32
    assert error(y.detach(), oracle.forward(layer, single, x).outputs[0]) < rounding(4, 5, 2.0**-24)


@pytest.mark.parametrize("name", CELLS)
def test_pytorchs_own_module_wherever_it_can(name: str) -> None:
    module = wt.build_layer(Recurrent(cells=(CELLS[name],)), layer_weights(Recurrent(cells=(CELLS[name],)), 4))
    assert isinstance(module.cells[0], nn.RNNBase) == (name in NATIVE)


def test_may_be_masked_takes_our_module() -> None:
    layer = Recurrent(cells=(CELLS["lstm"],))
    module = wt.build_layer(layer, layer_weights(layer, 4), may_be_masked=True)
    assert isinstance(module.cells[0], wt.KerasLSTM)


@pytest.mark.parametrize(
    "case",
    [
        {"rank": 1, "kernel_size": (3,), "strides": (2,), "dilation": (1,), "padding": "valid"},
        {"rank": 2, "kernel_size": (3, 2), "strides": (1, 1), "dilation": (2, 1), "padding": "same"},
        {"rank": 2, "kernel_size": (2, 4), "strides": (2, 1), "dilation": (1, 1), "padding": "same", "pad_start": True},
        {
            "rank": 2,
            "kernel_size": (3, 2),
            "strides": (1, 1),
            "dilation": (1, 1),
            "padding": "same",
            "channels_first": True,
        },
        {"rank": 3, "kernel_size": (2, 1, 2), "strides": (1, 2, 1), "dilation": (1, 1, 1), "padding": "same"},
    ],
    ids=["1D", "2D dilated", "2D start", "2D channels first", "3D"],
)
@pytest.mark.parametrize("masked", [True, False], ids=["masked", "all steps"])
def test_conv_lstm(case: dict[str, Any], masked: bool) -> None:
    cell = ConvCell(units=3, recurrent_activation=hard_sigmoid(1 / 5), **case)
    layer = Recurrent(cells=(cell,), return_sequences=True, return_state=True, go_backwards=True)
    space = (7, 6, 5)[: cell.rank]
    shape = (2, 4, 2, *space) if cell.channels_first else (2, 4, *space, 2)
    x = np.random.default_rng(3).normal(size=shape)
    mask = np.array([[1, 0, 1, 1], [0, 1, 1, 0]], bool) if masked else None
    weights = layer_weights(layer, 2)
    trace = oracle.forward(layer, weights, x, mask=mask)
    module = wt.build_layer(layer, weights, dtype=torch.float64)
    assert isinstance(module.cells[0], wt.KerasConvLSTM)
    y = module(torch.tensor(x), None if mask is None else torch.tensor(mask))
    bound = rounding(2 * 12, 3 * 12)
    assert max(error(a.detach(), b) for a, b in zip(y, trace.outputs, strict=True)) < bound
    y[0].sum().backward()
    expected = oracle.backward(trace, [np.ones_like(trace.outputs[0]), None, None]).weights["0",]
    for (_, a), (_, b) in zip(wt.gradients(module)["0",].arrays(), expected.arrays(), strict=True):
        assert error(a, b) < bound


@pytest.mark.parametrize("form", ["shared", "by gate", "by time"])
@pytest.mark.parametrize("name", ["lstm", "gru", "gru before", "rnn", "lstm hard_sigmoid 1/5"])
def test_given_dropout_masks_are_used_exactly(name: str, form: str) -> None:
    cell = replace(CELLS[name], dropout=0.4, recurrent_dropout=0.3)
    layer = Recurrent(cells=(cell,), return_sequences=True)
    weights, rng, gates = layer_weights(layer, 4), np.random.default_rng(2), len(cell.gates)
    x = rng.normal(size=(3, STEPS, 4))
    lead = () if form == "shared" else (gates,)
    of_input = (rng.random((*lead, 3, *((STEPS,) if form == "by time" else ()), 4)) < 0.6) / 0.6
    of_state = (rng.random((*lead, 3, 5)) < 0.7) / 0.7
    dropout = oracle.Dropout(input=of_input, recurrent=of_state)
    trace = oracle.forward(layer, weights, x, dropout={("0",): dropout})
    module = wt.build_layer(layer, weights, dtype=torch.float64)
    given = wt.DropoutMasks(input=torch.tensor(of_input), recurrent=torch.tensor(of_state))
    wt.preset_dropout(module, {("0",): given})
    assert error(module(torch.tensor(x))[0].detach(), oracle.forward(layer, weights, x).outputs[0]) < 1e-12
    (y,) = module.train()(torch.tensor(x))
    assert error(y.detach(), trace.outputs[0]) < rounding(4, 5)
    y.sum().backward()
    expected = oracle.backward(trace, [np.ones_like(trace.outputs[0])]).weights["0",]
    for (_, a), (_, b) in zip(wt.gradients(module)["0",].arrays(), expected.arrays(), strict=True):
        assert error(a, b) < rounding(4, 5)


@pytest.mark.parametrize("per_gate", [True, False])
def test_drawn_dropout_keeps_the_expectation(per_gate: bool) -> None:
    """The first step's candidate of a linear RNN is linear in the mask: its mean over draws is the undropped one."""
    cell = Cell(kind="rnn", units=3, activation=activation("linear"), dropout=0.5, dropout_per_gate=per_gate)
    layer = Recurrent(cells=(cell,))
    module = wt.build_layer(layer, layer_weights(layer, 4), dtype=torch.float64)
    x = torch.randn(1, 1, 4, dtype=torch.float64)
    expected = module(x)[0]
    many = module.train()(x.expand(20000, 1, 4))[0]
    spread = many.std(0) / 20000**0.5
    assert ((many.mean(0) - expected).abs() < 5 * spread).all()
    assert many.std() > 0


def test_a_path_without_a_cell_is_refused() -> None:
    layer = Recurrent(cells=(CELLS["lstm"],))
    module = wt.build_layer(layer, layer_weights(layer, 4))
    with pytest.raises(PortingError, match="no cell at this path"):
        wt.preset_dropout(module, {("forward", "0"): wt.DropoutMasks()})


@pytest.mark.parametrize("name", ["lstm", "gru before"])
def test_stateful_carries_and_forgets(name: str) -> None:
    layer = Recurrent(cells=(CELLS[name],), return_sequences=True, stateful=True)
    weights, x = layer_weights(layer, 4), np.random.default_rng(1).normal(size=(3, STEPS, 4))
    module = wt.build_layer(layer, weights, dtype=torch.float64)
    whole = oracle.forward(layer, weights, x).outputs[0]
    halves = [module(torch.tensor(x[:, part]))[0].detach() for part in (slice(0, 4), slice(4, None))]
    assert error(torch.cat(halves, 1), whole) < rounding(4, 5)
    with pytest.raises(PortingError, match="another size"):
        module(torch.tensor(x[:2]))
    module.reset_states()
    assert error(module(torch.tensor(x))[0].detach(), whole) < rounding(4, 5)


@pytest.mark.parametrize("name", CELLS)
def test_one_step_gives_states_and_gates(name: str) -> None:
    cell = CELLS[name]
    layer = Recurrent(cells=(cell,))
    weights, x, start = layer_weights(layer, 4), np.random.default_rng(1).normal(size=(3, 1, 4)), states(layer, 3)
    trace = oracle.forward(layer, weights, x, initial_state=start)
    new, gates = wt.step(cell, weights["0",], x[:, 0], start, torch.float64)
    assert max(error(a, b) for a, b in zip(new, trace.states, strict=True)) < rounding(4, 5)
    expected = trace.cells["0",].gates
    assert gates.keys() == expected.keys()
    assert max(error(gates[g], expected[g][:, 0]) for g in expected) < rounding(4, 5)


def _swap_gates(w: Any) -> Any:
    return replace(w, kernel=w.kernel[[1, 0, *range(2, len(w.kernel))]])


MUTANTS = {
    "two gates swapped": _swap_gates,
    "recurrent kernel transposed": lambda w: replace(w, recurrent=w.recurrent.swapaxes(1, 2)),
    "bias doubled": lambda w: replace(w, bias=w.bias * 2),
    "bias of one gate dropped": lambda w: replace(w, bias=w.bias * np.array([1, 0, 1, 1][: len(w.kernel)])[:, None]),
}


@pytest.mark.parametrize("mutant", MUTANTS)
@pytest.mark.parametrize("name", ["lstm", "gru", "gru before", "lstm hard_sigmoid 1/5"])
def test_a_wrong_port_shows(name: str, mutant: str) -> None:
    layer = Recurrent(cells=(CELLS[name],), return_sequences=True)
    weights, x = layer_weights(layer, 4), np.random.default_rng(1).normal(size=(3, STEPS, 4))
    wrong = {path: MUTANTS[mutant](w) for path, w in weights.items()}
    (y,) = wt.build_layer(layer, wrong, dtype=torch.float64)(torch.tensor(x))
    assert error(y.detach(), oracle.forward(layer, weights, x).outputs[0]) > 1e-3


@pytest.mark.parametrize("name", ["lstm", "gru", "gru before", "rnn"])
def test_softmax_as_a_gate_is_over_that_gate_s_units(name: str) -> None:
    """And not over several gates that the steps compute side by side: that is told apart here."""
    soft = activation("softmax")
    cell = replace(CELLS[name], activation=soft, recurrent_activation=soft)
    layer = Recurrent(cells=(cell,), return_sequences=True)
    weights, x = layer_weights(layer, 4), np.random.default_rng(1).normal(size=(3, STEPS, 4))
    (y,) = wt.build_layer(layer, weights, dtype=torch.float64)(torch.tensor(x))
    expected = oracle.forward(layer, weights, x).outputs[0]
    assert error(y.detach(), expected) < 1e-13
    together = soft.function(np.random.default_rng(2).normal(size=(2, 3 * cell.units)))
    assert together.reshape(2, 3, -1).sum(-1).max() < 0.99  # over three gates no gate's values add up to 1


@pytest.mark.parametrize("of", [activation("glu"), activation("softmax", axis=1)])
def test_an_activation_that_mixes_more_is_no_gate(of: Activation) -> None:
    layer = Recurrent(cells=(Cell(kind="lstm", units=4, activation=of),))
    with pytest.raises(Unsupported, match=of.name):
        wt.build_layer(layer, layer_weights(layer, 4))


def test_an_image_s_gate_acts_place_by_place() -> None:
    cell = ConvCell(
        units=3, rank=1, kernel_size=(2,), strides=(1,), padding="same", dilation=(1,), activation=activation("softmax")
    )
    with pytest.raises(Unsupported, match="softmax"):
        wt.build_layer(Recurrent(cells=(cell,)), layer_weights(Recurrent(cells=(cell,)), 3))


def test_refusals_name_what_is_wrong() -> None:
    layer = Recurrent(cells=(CELLS["lstm"],))
    weights = layer_weights(layer, 4)
    with pytest.raises(WeightsMismatch, match="without weights"):
        wt.build_layer(layer, {})
    with pytest.raises(WeightsMismatch, match="another cell"):
        wt.build_layer(Recurrent(cells=(CELLS["gru before"],)), weights)
    module = wt.build_layer(layer, weights, dtype=torch.float64)
    x = torch.zeros(2, 3, 4, dtype=torch.float64)
    with pytest.raises(PortingError, match="number of initial states"):
        module(x, None, [torch.zeros(2, 5)])
    with pytest.raises(PortingError, match="shape of an initial state"):
        module(x, None, [torch.zeros(3, 5), torch.zeros(3, 5)])
    with pytest.raises(PortingError, match="without any step"):
        module(x[:, :0])
    for name in ("lstm", "lstm hard_sigmoid 1/5"):
        layer = Recurrent(cells=(CELLS[name],))
        with pytest.raises(PortingError, match=r"another dtype than the weights.*bfloat16.*float64"):
            wt.build_layer(layer, layer_weights(layer, 4), dtype=torch.float64)(x.bfloat16())
    with pytest.raises(PortingError, match="no gradient"):
        wt.gradients(module)
    with pytest.raises(Unsupported, match="recurrent layer"):
        wt.weights(nn.Linear(2, 2))
