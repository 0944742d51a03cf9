"""The oracle against Keras 3 and tf_keras in float64: what a layer returns under each option, and its gradients."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from drawn import STEPS, error, patterns, rounding, weights

from weight_mapping import oracle
from weight_mapping.activations import activation, hard_sigmoid
from weight_mapping.oracle import Dropout
from weight_mapping.packing import pack
from weight_mapping.spec import Bidirectional, Cell, ConvCell, Path, Recurrent
from weight_mapping.weights import CellWeights

tf = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")
tf_keras = pytest.importorskip("tf_keras")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
BATCH, WIDTH, UNITS = 3, 4, 5
BOTH = {"keras 3": keras, "tf_keras": tf_keras}
CLASSES = {"lstm": "LSTM", "gru": "GRU", "rnn": "SimpleRNN"}


def _made(module: Any, layer: Recurrent, cells: dict[Path, CellWeights], **more: Any) -> tuple[Any, list[Any]]:
    """Keras' layer of one cell with these options, and its weights in Keras' order."""
    (cell,) = layer.cells
    assert isinstance(cell, Cell)
    options: dict[str, Any] = {"units": cell.units, "use_bias": cell.bias != "none", "dtype": "float64", **more}
    options["activation"] = cell.activation.name
    if cell.kind != "rnn":
        options["recurrent_activation"] = cell.recurrent_activation.name
    if cell.kind == "gru":
        options["reset_after"] = cell.reset_after
    names = ("return_sequences", "return_state", "go_backwards", "zero_output_for_mask")
    given = {name: getattr(layer, name) for name in names}
    made = getattr(module.layers, CLASSES[cell.kind])(**options, **given)
    return made, list(pack("keras", cells["0",]).values())


def _listed(results: Any) -> list[np.ndarray]:  # type: ignore[type-arg]
    return [np.asarray(r) for r in (results if isinstance(results, list | tuple) else [results])]


def _cell(kind: str, module: str, **options: Any) -> Cell:
    reset_after = options.pop("reset_after", True) and kind == "gru"
    slope = 1 / 6 if module == "keras 3" else 1 / 5
    bias = "split" if reset_after else "single"
    return Cell(
        kind=kind,
        units=UNITS,
        recurrent_activation=hard_sigmoid(slope),
        reset_after=reset_after,
        **{"bias": bias, **options},
    )


CASES: dict[str, tuple[dict[str, Any], dict[str, Any], str | None]] = {
    "sequences, scattered mask": ({}, {"return_sequences": True, "return_state": True}, "scattered"),
    "last output, a row masked": ({"reset_after": False}, {"return_state": True}, "a row masked"),
    "zero output, last": ({}, {"return_state": True, "zero_output_for_mask": True}, "right"),
    "zero output, backwards": (
        {"activation": activation("softsign")},
        {"return_sequences": True, "go_backwards": True, "zero_output_for_mask": True}, "left",
    ),
    "backwards without bias": ({"bias": "none"}, {"return_sequences": True, "go_backwards": True}, None),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("module", BOTH)
def test_one_layer_agrees(module: str, kind: str, case: str) -> None:
    cell_options, options, pattern = CASES[case]
    layer = Recurrent(cells=(_cell(kind, module, **cell_options),), **options)
    found, rng = weights(layer, WIDTH), np.random.default_rng(1)
    x = rng.normal(size=(BATCH, STEPS, WIDTH))
    states = [rng.normal(size=(BATCH, UNITS)) for _ in range(layer.state_count)]
    mask = None if pattern is None else patterns(BATCH)[pattern]
    made, arrays = _made(BOTH[module], layer, found)
    made.build((BATCH, STEPS, WIDTH))
    made.set_weights(arrays)
    expected = _listed(
        made(
            tf.constant(x),
            mask=None if mask is None else tf.constant(mask),
            initial_state=[tf.constant(s) for s in states],
        )
    )
    trace = oracle.forward(layer, found, x, mask=mask, initial_state=states)
    assert len(trace.outputs) == len(expected)
    for ours, theirs in zip(trace.outputs, expected, strict=True):
        assert error(ours, theirs) <= rounding(layer, WIDTH)


@pytest.mark.parametrize("sequences", [True, False])
@pytest.mark.parametrize("merge", ["concat", "sum", "mul", "ave", None])
@pytest.mark.parametrize("module", BOTH)
def test_two_directions_agree(module: str, merge: str | None, sequences: bool) -> None:
    """A masked Bidirectional has zero outputs where it returns sequences, repeated ones where it does not."""
    options = {"return_sequences": sequences, "return_state": True, "zero_output_for_mask": sequences}
    one = Recurrent(cells=(_cell("lstm", module),), **options)
    layer = Bidirectional(forward=one, backward=replace(one, go_backwards=True), merge=merge or "none")  # type: ignore[arg-type]
    found, x = weights(layer, WIDTH), np.random.default_rng(1).normal(size=(BATCH, STEPS, WIDTH))
    mask = patterns(BATCH)["scattered"]
    plain_one = replace(one, zero_output_for_mask=False)
    made, ahead = _made(BOTH[module], plain_one, {("0",): found["forward", "0"]})
    back = list(pack("keras", found["backward", "0"]).values())
    both = BOTH[module].layers.Bidirectional(made, merge_mode=merge, dtype="float64")
    both.build((BATCH, STEPS, WIDTH))
    both.set_weights([*ahead, *back])
    expected = _listed(both(tf.constant(x), mask=tf.constant(mask)))
    ours = oracle.forward(layer, found, x, mask=mask).outputs
    assert len(ours) == len(expected)
    for a, b in zip(ours, expected, strict=True):
        assert error(a, b) <= rounding(layer, WIDTH)


def test_a_stack_of_cells_agrees() -> None:
    lstm, gru = _cell("lstm", "keras 3"), replace(_cell("gru", "keras 3"), units=3)
    layer = Recurrent(cells=(lstm, gru), return_sequences=True, return_state=True)
    found, x = weights(layer, WIDTH), np.random.default_rng(1).normal(size=(BATCH, STEPS, WIDTH))
    mask = patterns(BATCH)["scattered"]
    hard = {"recurrent_activation": "hard_sigmoid", "dtype": "float64"}
    cells = [keras.layers.LSTMCell(UNITS, **hard), keras.layers.GRUCell(3, **hard)]
    made = keras.layers.RNN(
        keras.layers.StackedRNNCells(cells, dtype="float64"),
        return_sequences=True, return_state=True, dtype="float64",
    )  # fmt: skip
    made.build((BATCH, STEPS, WIDTH))
    made.set_weights([array for path in found for array in pack("keras", found[path]).values()])
    y, *states = made(tf.constant(x), mask=tf.constant(mask))
    expected = [y, *(s for cell in states for s in (cell if isinstance(cell, list | tuple) else [cell]))]
    for ours, theirs in zip(oracle.forward(layer, found, x, mask=mask).outputs, expected, strict=True):
        assert error(ours, np.asarray(theirs)) <= rounding(layer, WIDTH)


@pytest.mark.parametrize("kind", CLASSES)
def test_dropout_with_the_same_masks_and_gradients_agree(kind: str) -> None:
    """Keras 3 in training, its masks preset: one a gate where recurrent dropout makes it compute by gate."""
    layer = Recurrent(cells=(_cell(kind, "keras 3"),), return_sequences=True)
    found, rng = weights(layer, WIDTH), np.random.default_rng(1)
    gates, x = len(layer.cells[0].gates), rng.normal(size=(BATCH, STEPS, WIDTH))
    inputs, states = ((rng.random((gates, BATCH, n)) < 0.7) / 0.7 for n in (WIDTH, UNITS))
    made, arrays = _made(keras, layer, found, dropout=0.3, recurrent_dropout=0.3)
    made.build((BATCH, STEPS, WIDTH))
    made.set_weights(arrays)
    made.reset_dropout_masks = lambda *_: None
    listed = [[tf.constant(m) for m in masks] for masks in (inputs, states)]
    made.cell._dropout_mask, made.cell._recurrent_dropout_mask = listed if kind != "rnn" else [m[0] for m in listed]
    made.cell.reset_dropout_mask = made.cell.reset_recurrent_dropout_mask = lambda: None
    d = rng.normal(size=(BATCH, STEPS, UNITS))
    with tf.GradientTape() as tape:
        given = tf.constant(x)
        tape.watch(given)
        y = made(given, training=True)
        loss = tf.reduce_sum(y * d)
    d_x, *d_weights = tape.gradient(loss, [given, *(v.value for v in made.trainable_variables)])
    trace = oracle.forward(layer, found, x, dropout={("0",): Dropout(input=inputs, recurrent=states)})
    gradients, bound = oracle.backward(trace, [d]), rounding(layer, WIDTH)
    assert error(trace.outputs[0], np.asarray(y)) <= bound
    assert error(gradients.x, np.asarray(d_x)) <= bound
    for ours, theirs in zip(pack("keras", gradients.weights["0",]).values(), d_weights, strict=True):
        assert error(ours, np.asarray(theirs)) <= bound


CONV = {
    "1d": (1, {"kernel_size": (3,), "strides": (2,), "padding": "same", "dilation": (1,)}),
    "2d, dilated": (2, {"kernel_size": (3, 2), "strides": (1, 1), "padding": "valid", "dilation": (1, 2)}),
    "2d, even": (2, {"kernel_size": (2, 4), "strides": (1, 2), "padding": "same", "dilation": (1, 1)}),
    "3d": (3, {"kernel_size": (2, 2, 3), "strides": (1, 1, 1), "padding": "same", "dilation": (1, 1, 1)}),
}


@pytest.mark.parametrize("case", CONV)
def test_a_conv_lstm_agrees(case: str) -> None:
    rank, options = CONV[case]
    cell = ConvCell(rank=rank, units=2, recurrent_activation=hard_sigmoid(1 / 6), **options)
    layer = Recurrent(cells=(cell,), return_sequences=True, go_backwards=True)
    found = weights(layer, 3)
    x = np.random.default_rng(0).normal(size=(2, 4, *(6, 5, 4)[:rank], 3))
    mask = np.array([[1, 0, 1, 1], [1, 1, 0, 0]], bool)
    names = {"dilation_rate": options["dilation"], **{k: v for k, v in options.items() if k != "dilation"}}
    made = getattr(keras.layers, f"ConvLSTM{rank}D")(
        2, recurrent_activation="hard_sigmoid", return_sequences=True, go_backwards=True, dtype="float64", **names
    )
    made.build(x.shape)
    made.set_weights(list(pack("keras", found["0",]).values()))
    expected = np.asarray(made(tf.constant(x), mask=tf.constant(mask)))
    found_outputs = oracle.forward(layer, found, x, mask=mask).outputs[0]
    assert error(found_outputs, expected) <= rounding(layer, 3 * int(np.prod(cell.kernel_size)))
    turned = replace(layer, cells=(replace(cell, channels_first=True),))
    first = oracle.forward(turned, found, np.moveaxis(x, -1, 2), mask=mask).outputs[0]
    assert np.array_equal(np.moveaxis(first, 2, -1), found_outputs)


def test_the_other_slope_of_hard_sigmoid_is_seen() -> None:
    layer = Recurrent(cells=(_cell("lstm", "keras 3"),), return_sequences=True)
    other = Recurrent(cells=(_cell("lstm", "tf_keras"),), return_sequences=True)
    found, x = weights(layer, WIDTH), np.random.default_rng(1).normal(size=(BATCH, STEPS, WIDTH))
    a, b = (oracle.forward(each, found, x).outputs[0] for each in (layer, other))
    assert error(b, a) > 1e-3
