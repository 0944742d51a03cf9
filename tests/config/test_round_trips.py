"""Every layer written in the words of each Keras and read again is the layer that it was, or is refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from plain_cases import CASES
from portables import CELLS, layer_weights, plain_weights

import weight_mapping as wm
from weight_mapping.activations import ROWS, activation, hard_sigmoid
from weight_mapping.errors import Unrepresentable
from weight_mapping.plain import plain
from weight_mapping.saving.mask_origins import OPTIONS
from weight_mapping.saving.slopes import with_slope
from weight_mapping.spec import Bidirectional, Cell, ConvCell, Input, Layer, Plain, Recurrent, TimeDistributed, chain
from weight_mapping.weights import Portable

MERGES = ("concat", "sum", "mul", "ave", "none")


def run(*cells: Any, **options: Any) -> Recurrent:
    return Recurrent(cells=cells, **options)


def image(**options: Any) -> ConvCell:
    sizes: dict[str, Any] = {"kernel_size": (3, 2), "strides": (2, 1), "padding": "same", "dilation": (1, 1)}
    return ConvCell(rank=2, units=3, **{**sizes, **options})


LSTM = Cell(kind="lstm", units=5)
RECURRENT: dict[str, Layer] = {
    **{name: run(one) for name, one in CELLS.items() if one.bias != "split" or one.kind == "gru"},
    **{f"lstm {flag}": run(LSTM, **{flag: True}) for flag in
       ("return_sequences", "return_state", "go_backwards", "stateful", "zero_output_for_mask", "time_major")},
    "lstm with dropout": run(replace(LSTM, dropout=0.25, recurrent_dropout=0.5, dropout_per_gate=True)),
    "lstm relu, 1/5": run(replace(LSTM, activation=activation("relu"), recurrent_activation=hard_sigmoid(1 / 5))),
    "stack": run(CELLS["lstm"], CELLS["gru before"], CELLS["rnn"], return_sequences=True, return_state=True),
    "conv_lstm": run(image()), "conv_lstm first": run(image(channels_first=True, bias="none")),
    "conv_lstm start": run(image(pad_start=True)),
    "conv_lstm 1/5": run(image(recurrent_activation=hard_sigmoid(1 / 5))),
    **{f"both ways {merge}": Bidirectional(forward=run(LSTM), backward=run(LSTM, go_backwards=True), merge=merge)
       for merge in MERGES},  # type: ignore[arg-type]
    "both ways, unlike": Bidirectional(
        forward=run(LSTM, return_state=True), backward=run(CELLS["gru"], go_backwards=True, return_state=True)),
    "at every step": TimeDistributed(layer=plain("dense", units=3)),
}  # fmt: skip
ACTIVATIONS: dict[str, Layer] = {
    f"activation {one}": plain("activation", activation=one)
    for one in (*(activation(name) for name in ROWS if name not in ("hard_sigmoid", "hard_silu")), hard_sigmoid(1 / 5),
                hard_sigmoid(1 / 6), activation("relu", max_value=6.0), activation("leaky_relu", negative_slope=0.3),
                activation("relu", threshold=0.5))
}  # fmt: skip
PLAIN: dict[str, Layer] = {name: case.layer for name, case in CASES.items()}
PLAIN["depthwise_conv"] = replace(
    CASES["depthwise_conv"].layer, options={**CASES["depthwise_conv"].layer.options, "filters": 1}
)
LAYERS: Mapping[str, Layer] = {**RECURRENT, **PLAIN, **ACTIVATIONS}
GENERATIONS: Mapping[str, int | None] = {"Keras 3": 3, "tf_keras": 2, "whichever can": None}
_ONLY_KERAS_1 = ("highway", "maxout_dense", "srelu", "parametric_softplus", "cosine")
_ONLY_KERAS_3 = (
    "hard_silu", "hard_tanh", "celu", "soft_shrink", "hard_shrink", "tanh_shrink", "squareplus", "sparse_plus",
    "sparse_sigmoid", "log_sigmoid", "glu", "threshold",
)  # fmt: skip
"""Activations that tf_keras does not have."""


def portable(name: str) -> Portable:
    layer = LAYERS[name]
    if isinstance(layer, Recurrent | Bidirectional):
        weights: dict[Any, Any] = dict(layer_weights(layer, 4))
    elif isinstance(layer, TimeDistributed):
        weights = {("layer",): plain_weights(layer.layer, {"i": 4})}  # type: ignore[arg-type]
    else:
        assert isinstance(layer, Plain)
        weights = {(): plain_weights(layer, CASES[name].sizes if name in CASES else {})}
    weights = {("l", *path): own for path, own in weights.items() if own}
    return Portable(spec=chain("m", Input(name="x", shape=(None, 7, 4)), {"l": layer}), weights=weights)


def normal(layer: Any) -> Any:
    """Without what no Keras writes (whether a layer's gates share a dropout mask), and what weights settle."""
    if isinstance(layer, Recurrent):
        cells = tuple(
            replace(one, input_size=None, **({"dropout_per_gate": False} if isinstance(one, Cell) else {}))
            for one in layer.cells
        )
        return replace(layer, cells=cells)
    if isinstance(layer, Bidirectional):
        return replace(layer, forward=normal(layer.forward), backward=normal(layer.backward))
    if isinstance(layer, TimeDistributed):
        return replace(layer, inner_mask=False)  # says nothing where the layer inside makes no mask
    if isinstance(layer, Plain):
        return replace(layer, options={k: v for k, v in layer.options.items() if k not in OPTIONS})
    return layer


def refused(layer: Layer, generation: int | None) -> bool:
    """Whether the generation has no words for the layer, by what is known of its classes."""
    words = repr(layer)
    if isinstance(layer, Plain) and (layer.kind in _ONLY_KERAS_1 or layer.options.get("causal")):
        return True  # a causal attention stands in a call, and a Sequential has none
    if isinstance(layer, Plain) and layer.kind == "local_conv":
        return generation != 2  # Keras 3, which is written where nothing else is asked for, has none
    if generation is None:
        return False
    if "pad_start=True" in words or "'pad_start': True" in words:
        return True
    slopes = {slope for slope in (1 / 5, 1 / 6) if f"'hard_sigmoid', parameters=(('slope', {slope})" in words}
    if isinstance(layer, Plain) and slopes - {1 / 6 if generation == 3 else 1 / 5}:
        return True  # of a cell the weights are scaled
    if generation == 3:
        return getattr(layer, "time_major", False)
    return (
        "rms_normalization" in words
        or "adaptive_pool" in words
        or any(f"'{option}': True" in words for option in ("antialias", "gate"))
        or "'rms': True" in words
        or any(f"Activation(name='{name}'" in words for name in _ONLY_KERAS_3)
    )


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("name", LAYERS)
def test_there_and_back(name: str, generation: str, tmp_path: Path) -> None:
    model, asked = portable(name), GENERATIONS[generation]
    path = tmp_path / "m.h5"
    if refused(model.spec.layers["l"], asked):
        with pytest.raises(Unrepresentable):
            wm.save(model, path, keras=asked)
        assert not list(tmp_path.iterdir())
        return
    wm.save(model, path, keras=asked)
    again = wm.load(path)
    if asked is not None:
        model = with_slope(model, 1 / 6 if asked == 3 else 1 / 5)  # its gates' weights scaled, where it has the other
    assert normal(again.spec.layers["l"]) == normal(model.spec.layers["l"])
    assert again.fingerprints() == model.fingerprints()
