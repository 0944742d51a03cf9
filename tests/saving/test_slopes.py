"""One hard_sigmoid as the other: 6/5 on the gates that go through it, nothing elsewhere, and the same outputs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from weight_mapping import oracle
from weight_mapping.activations import activation, hard_sigmoid
from weight_mapping.plain import plain
from weight_mapping.saving.slopes import slopes, with_slope
from weight_mapping.spec import Cell, ConvCell, Custom, Input, Operation, Recurrent, chain
from weight_mapping.weights import CellWeights, Portable, Source

FIVE, SIX = hard_sigmoid(1 / 5), hard_sigmoid(1 / 6)
RNG = np.random.default_rng(0)
# kind, gates, those that go through recurrent_activation
KINDS = {"lstm": ("ifco", "ifo"), "gru": ("zrn", "zr"), "rnn": ("n", "")}


def portable(kind: str, act: object = FIVE, bias: str = "single") -> Portable:
    cell = Cell(kind=kind, units=3, bias=bias, recurrent_activation=act)  # type: ignore[arg-type]
    n, parts = len(cell.gates), {"none": 0, "single": 1, "split": 2}[bias]
    found = CellWeights(
        kind=kind, kernel=RNG.normal(size=(n, 3, 4)), recurrent=RNG.normal(size=(n, 3, 3)),
        bias=RNG.normal(size=(parts, n, 3)) if parts else None,
    )  # fmt: skip
    dense = {"kernel": RNG.normal(size=(3, 2)), "bias": RNG.normal(size=2)}
    spec = chain("m", Input(name="x"), {"l": Recurrent(cells=(cell,)), "d": plain("dense", units=2, activation=FIVE)})
    return Portable(spec=spec, weights={("l", "0"): found, ("d",): dense}, source=Source(resolved=("before",)))


@pytest.mark.parametrize("bias", ["single", "split", "none"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_gates_that_go_through_it_are_scaled_and_the_outputs_stay(kind: str, bias: str) -> None:
    old, (gates, through) = portable(kind, bias=bias), KINDS[kind]
    new = with_slope(old, 1 / 6)
    before, after = old.weights["l", "0"], new.weights["l", "0"]
    assert isinstance(before, CellWeights) and isinstance(after, CellWeights)
    for (name, a), (_, b) in zip(before.arrays(), after.arrays(), strict=True):
        for n, gate in enumerate(gates):
            at = (slice(None), n) if name == "bias" else n
            factor = 1.2 if gate in through else 1.0
            assert b[at] == pytest.approx(a[at] * factor, rel=1e-15)  # type: ignore[index]
    dense = new.weights["d",]
    assert isinstance(dense, dict)
    assert dense["kernel"] == pytest.approx(old.weights["d",]["kernel"] * 1.2, rel=1e-15)  # type: ignore[index]
    assert dense["bias"] == pytest.approx(old.weights["d",]["bias"] * 1.2, rel=1e-15)  # type: ignore[index]
    x = RNG.normal(size=(2, 10, 4))
    assert np.max(np.abs(oracle.run(new, x) - oracle.run(old, x))) < 1e-13
    assert slopes(new) == {1 / 6} and slopes(old) == {1 / 5}


def test_the_record_says_which_layers_were_scaled() -> None:
    old = portable("lstm")
    new = with_slope(old, 1 / 6)
    first, *said = new.source.resolved
    assert first == "before"
    assert [text.split(":")[0] for text in said] == ["l/0", "d"]
    assert all("slope is 0.167" in text for text in said)
    assert new.spec.layers["l"] == Recurrent(cells=(Cell(kind="lstm", units=3, recurrent_activation=SIX),))
    assert new.spec.layers["d"] == plain("dense", units=2, activation=SIX)
    assert with_slope(new, 1 / 6) is new


def test_a_convolution_is_scaled_along_its_gates() -> None:
    cell = ConvCell(
        rank=1, units=4, kernel_size=(2,), strides=(1,), padding="same", dilation=(1,), recurrent_activation=FIVE
    )
    found = CellWeights(
        kind="conv_lstm", kernel=RNG.normal(size=(4, 4, 4, 2)), recurrent=RNG.normal(size=(4, 4, 4, 2)),
        bias=RNG.normal(size=(1, 4, 4)),
    )  # fmt: skip
    model = Portable(
        spec=chain("m", Input(name="x"), {"l": Recurrent(cells=(cell,)), "c": plain("conv", activation=FIVE)}),
        weights={("l", "0"): found, ("c",): {"kernel": np.ones((1, 1, 4, 1), np.float32)}},
    )
    new = with_slope(model, 1 / 6)
    scaled = new.weights["l", "0"]
    assert isinstance(scaled, CellWeights) and scaled.bias is not None and found.bias is not None
    factors = np.array([1.2, 1.2, 1.0, 1.2])
    assert scaled.kernel == pytest.approx(found.kernel * factors[:, None, None, None], rel=1e-15)
    assert scaled.recurrent == pytest.approx(found.recurrent * factors[:, None, None, None], rel=1e-15)
    assert scaled.bias == pytest.approx(found.bias * factors[None, :, None], rel=1e-15)
    kernel = new.weights["c",]["kernel"]  # type: ignore[index]
    assert kernel.dtype == np.float32 and kernel == pytest.approx(1.2, rel=1e-7)


def test_what_scaling_can_not_bring_about_stays() -> None:
    own = portable("lstm", act=activation("sigmoid"))
    layers = {
        "l": Recurrent(cells=(Cell(kind="lstm", units=3, activation=FIVE),)), "a": plain("activation", activation=FIVE),
        "op": Operation(name="add"), "f": plain("flatten"), "own": Custom(class_name="Theirs"),
    }  # fmt: skip
    model = replace(own, spec=chain("m", Input(name="x"), layers), weights={("l", "0"): own.weights["l", "0"]})
    assert with_slope(model, 1 / 6) is model
    assert slopes(model) == {1 / 5}
    mixed = replace(model, spec=chain("m", Input(name="x"), {**layers, "b": plain("activation", activation=SIX)}))
    assert slopes(mixed) == {1 / 5, 1 / 6}
    gates_only = chain("m", Input(name="x"), {"l": portable("lstm").spec.layers["l"]})
    assert slopes(replace(own, spec=gates_only)) == {1 / 5}
    plain_rnn = portable("rnn")
    alone = chain("m", Input(name="x"), {"l": plain_rnn.spec.layers["l"]})
    assert slopes(replace(plain_rnn, spec=alone)) == set()  # a SimpleRNN has none, whatever the word says


def test_float32_weights_are_rounded_once() -> None:
    kernel = RNG.normal(size=(40, 50)).astype(np.float32)
    spec = chain("m", Input(name="x"), {"d": plain("dense", units=50, use_bias=False, activation=FIVE)})
    new = with_slope(Portable(spec=spec, weights={("d",): {"kernel": kernel}}), 1 / 6)
    scaled = new.weights["d",]["kernel"]  # type: ignore[index]
    assert scaled.dtype == np.float32
    assert np.array_equal(scaled, (kernel.astype(np.float64) * 1.2).astype(np.float32))
