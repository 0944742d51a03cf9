"""An input whose shape the file leaves open takes it from the first layer that reads it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from weight_mapping.plain import plain
from weight_mapping.spec import (
    Bidirectional,
    Cell,
    ConvCell,
    Custom,
    Input,
    Layer,
    ModelSpec,
    Node,
    Recurrent,
    Ref,
    TimeDistributed,
    chain,
)
from weight_mapping.widths import with_input_shapes

LSTM = Recurrent(cells=(Cell(kind="lstm", units=3, input_size=5), Cell(kind="gru", units=4, input_size=3)))
CONV_CELL = ConvCell(rank=1, units=3, kernel_size=(2,), strides=(1,), padding="same", dilation=(1,), input_size=6)
DENSE, KERNEL = plain("dense", units=2), {"kernel": np.zeros((7, 2))}
# The layer, its path below its own name, its arrays there, the shape that it settles.
FIRST: dict[str, tuple[Layer, tuple[str, ...], dict[str, Any], Any]] = {
    "recurrent": (LSTM, (), {}, (None, None, 5)),
    "bidirectional": (Bidirectional(forward=LSTM, backward=LSTM), (), {}, (None, None, 5)),
    "a convolutional cell": (Recurrent(cells=(CONV_CELL,)), (), {}, None),
    "dense": (DENSE, (), KERNEL, (None, 7)),
    "dense at each step": (TimeDistributed(layer=DENSE), ("layer",), KERNEL, (None, None, 7)),
    "something at each step": (TimeDistributed(layer=plain("flatten")), (), {}, None),
    "recurrent at each step": (TimeDistributed(layer=LSTM), (), {}, (None, None, None, 5)),
    "maxout": (plain("maxout_dense"), (), {"kernel": np.zeros((4, 9, 2))}, (None, 9)),
    "embedding": (plain("embedding"), (), {}, (None, None)),
    "conv": (plain("conv", rank=1), (), {"kernel": np.zeros((2, 8, 3))}, (None, None, 8)),
    "image": (plain("conv"), (), {"kernel": np.zeros((2, 4, 8, 3))}, (None, None, None, 8)),
    "channels first": (
        plain("conv", channels_first=True), (), {"kernel": np.zeros((2, 4, 8, 3))}, (None, 8, None, None),
    ),
    "flatten": (plain("flatten"), (), {}, None), "their own": (Custom(class_name="Theirs"), (), {}, None),
}  # fmt: skip


def _shape(layers: dict[str, Layer], weights: dict[tuple[str, ...], Any], given: Any = None) -> Any:
    return with_input_shapes(chain("m", Input(name="x", shape=given), layers), weights).inputs[0].shape


@pytest.mark.parametrize("name", FIRST)
def test_the_first_layer_settles_the_shape(name: str) -> None:
    layer, below, arrays, shape = FIRST[name]
    assert _shape({"l": layer}, {("l", *below): arrays}) == shape
    # Also behind layers that give what they take, and inside a model.
    assert _shape({"m": plain("masking"), "d": plain("dropout"), "l": layer}, {("l", *below): arrays}) == shape
    inner = chain("inner", Input(name="i"), {"n": plain("batch_normalization"), "l": layer})
    assert _shape({"inner": inner}, {("inner", "l", *below): arrays}) == shape


def test_a_shape_that_is_known_stays() -> None:
    assert _shape({"l": LSTM}, {}, given=(None, 4, 5)) == (None, 4, 5)
    inner = chain("inner", Input(name="i", shape=(None, 9, 5)), {"l": LSTM})
    assert _shape({"inner": inner}, {}) == (None, 9, 5)
    assert _shape({}, {}) is None
    assert _shape({"f": plain("flatten"), "l": LSTM}, {}) is None


def test_each_input_takes_its_own_place() -> None:
    inner = ModelSpec(
        name="inner", inputs=(Input(name="a"), Input(name="b")), layers={"d": DENSE, "l": LSTM},
        nodes=(Node(name="d", layer="d", inputs=(Ref("a"),)), Node(name="l", layer="l", inputs=(Ref("b"),))),
        outputs=(Ref("d"), Ref("l")),
    )  # fmt: skip
    spec = ModelSpec(
        name="m", inputs=(Input(name="x", dtype="float64"), Input(name="y")), layers={"inner": inner},
        nodes=(Node(name="inner", layer="inner", inputs=(Ref("x"), Ref("y"))),), outputs=(Ref("inner"),),
    )  # fmt: skip
    found = with_input_shapes(spec, {("inner", "d"): KERNEL})
    assert found.inputs == (
        Input(name="x", shape=(None, 7), dtype="float64"), Input(name="y", shape=(None, None, 5)),
    )  # fmt: skip
    assert (found.layers, found.nodes) == (spec.layers, spec.nodes)
