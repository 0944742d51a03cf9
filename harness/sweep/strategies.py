"""Hypothesis strategies over the whole space of recurrent layers, and of the numbers to run them on."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from harness.problems import MASKS, Layer
from harness.sweep.samples import MAGNITUDES, Sample
from weight_mapping.activations import ROWS, Activation, activation, hard_sigmoid
from weight_mapping.spec import Bidirectional, Cell, Merge, Recurrent

GROUP = 16
"""So many samples share a layer: it is built once in every backend."""

_PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "relu": [{"max_value": 1.5}, {"negative_slope": 0.25}, {"threshold": 0.5}],
    "elu": [{"alpha": 0.5}],
    "celu": [{"alpha": 0.5}],
    "leaky_relu": [{"negative_slope": 0.01}],
    "gelu": [{"approximate": True}],
    "soft_shrink": [{"threshold": 0.25}],
    "hard_shrink": [{"threshold": 0.25}],
    "squareplus": [{"b": 1}],
    "threshold": [{"threshold": 0.25, "default_value": -0.5}],
}
"""Parameters other than a row's defaults."""


def _gates() -> list[Activation]:
    """Every row that can be a gate, with its defaults and with the parameters above."""
    slopes = [hard_sigmoid(1 / 6), hard_sigmoid(1 / 5)]
    rows = [name for name, row in ROWS.items() if row.derivative is not None and name != "hard_sigmoid"]
    return [*slopes, *(activation(n, **p) for n in rows for p in ({}, *_PARAMETERS.get(n, [])))]


ACTIVATIONS = _gates()
"""The activations by which a gate can go."""
WIDTHS = st.one_of(st.integers(1, 6), st.integers(1, 33))
LENGTHS = st.one_of(st.integers(1, 12), st.integers(1, 40))


@st.composite
def cells(draw: st.DrawFn, units: int, inputs: int) -> Cell:
    """A cell of any kind and form of this width. Half of them are Keras' defaults in their activations."""
    kind = draw(st.sampled_from(["lstm", "gru", "rnn"]))
    after = kind == "gru" and draw(st.booleans())
    bias = draw(st.booleans())
    chosen = draw(st.booleans())
    options: dict[str, Any] = {}
    if chosen:
        options["activation"] = draw(st.sampled_from(ACTIVATIONS))
        if kind != "rnn":
            options["recurrent_activation"] = draw(st.sampled_from(ACTIVATIONS))
    form: Any = "none" if not bias else "split" if after else "single"
    return Cell(kind=kind, units=units, input_size=inputs, bias=form, reset_after=after, **options)


@st.composite
def runs(draw: st.DrawFn, inputs: int, square: int | None, **options: Any) -> Recurrent:
    """One cell, or a stack of up to three of different kinds, widths and activations. `square`: the one width."""
    count = draw(st.sampled_from([1, 1, 1, 2, 3]))
    found: list[Cell] = []
    for _ in range(count):
        units = square or draw(WIDTHS)
        found.append(draw(cells(units, found[-1].units if found else inputs)))
    return Recurrent(cells=tuple(found), **options)


@st.composite
def layers(draw: st.DrawFn, inputs: int, square: int | None) -> Layer:
    """A recurrent layer, or two of which the second may differ in everything but what Keras asks of both."""
    flags = ("return_sequences", "return_state", "stateful")
    options: dict[str, Any] = {name: draw(st.booleans()) for name in flags}
    if draw(st.sampled_from([True, True, True, False])):
        more = {name: draw(st.booleans()) for name in ("go_backwards", "zero_output_for_mask")}
        time_major = draw(st.sampled_from([False, False, False, True]))
        return draw(runs(inputs, square, **options, **more, time_major=time_major))
    merge: Merge = draw(st.sampled_from(["concat", "sum", "mul", "ave", "none"]))
    options["zero_output_for_mask"] = options["return_sequences"]  # as Keras sets it within
    forward = draw(runs(inputs, square, **options))
    backward = draw(runs(inputs, square, **options, go_backwards=True))
    if merge in ("sum", "mul", "ave"):
        last = draw(cells(forward.cells[-1].units, backward.cells[-1].input_size or inputs))
        backward = Recurrent(cells=(*backward.cells[:-1], last), **options, go_backwards=True)
    return Bidirectional(forward=forward, backward=backward, merge=merge)


@st.composite
def groups(draw: st.DrawFn) -> tuple[Sample, ...]:
    """Samples of one layer and dtype, masked or not, with initial states or without: what a layer is built for. In the
    square class all sizes are alike, so that a transpose fits; else each is drawn for itself."""
    square = draw(WIDTHS) if draw(st.sampled_from([False, False, True])) else None
    layer = draw(layers(square or draw(WIDTHS), square))
    runner = layer.forward if isinstance(layer, Bidirectional) else layer
    masked, given = draw(st.booleans()), not runner.stateful and draw(st.booleans())
    shared = {"layer": layer, "dtype": draw(st.sampled_from(["float64", "float32"]))}
    batch = square or draw(WIDTHS)
    found, seed = [], draw(st.integers(0, 2**31))
    for n in range(GROUP):
        sizes = {"batch": batch, "time": square or draw(LENGTHS)}
        if not (square or runner.stateful):
            sizes["batch"] = draw(WIDTHS)
        found.append(
            Sample(
                **shared, **sizes,
                batches=3 if runner.stateful else 1,
                mask=draw(st.sampled_from(sorted(MASKS.keys() - {"none"}))) if masked else "none",
                states=draw(_MAGNITUDES) if given else "",
                kernel=draw(_MAGNITUDES), recurrent=draw(_MAGNITUDES), bias=draw(_MAGNITUDES), x=draw(_MAGNITUDES),
                seed=seed + n,
            )
        )  # fmt: skip
    return tuple(found)


_MAGNITUDES = st.one_of(st.just("ordinary"), st.just("ordinary"), st.sampled_from(list(MAGNITUDES)))
