"""Merges whose way with masks the generations differ in: written for the other one only where that changes nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import weight_mapping as wm
from weight_mapping.errors import Unrepresentable
from weight_mapping.plain import plain
from weight_mapping.spec import Bidirectional, Cell, Input, Layer, ModelSpec, Node, Recurrent, Ref, TimeDistributed
from weight_mapping.weights import CellWeights, Portable

RNG = np.random.default_rng(3)
LSTM = Recurrent(cells=(Cell(kind="lstm", units=4, input_size=4),), return_sequences=True)
CONV = plain("conv", rank=1, filters=4, kernel_size=(3,), strides=(1,), dilation=(1,), padding="same")
DENSE = TimeDistributed(layer=plain("dense", units=4), inner_mask=True)


def _portable(merge: Layer, other: Layer, after: Layer, ids: int = 1) -> Portable:
    """An Embedding's output merged with another layer's of it; `ids`: how many inputs, the second one's own mask."""
    layers = {"e": plain("embedding", input_dim=9, output_dim=4, mask_zero=True), "o": other, "m": merge, "z": after}
    inputs = tuple(Input(name=f"x{n}", shape=(None, 6)) for n in range(ids))
    nodes = [
        Node(name="e", layer="e", inputs=(Ref("x0"),)),
        *([Node(name="e#1", layer="e", inputs=(Ref("x1"),))] if ids == 2 else []),
        Node(name="o", layer="o", inputs=(Ref("e#1" if ids == 2 else "e"),)),
        Node(name="m", layer="m", inputs=(Ref("e"), Ref("o"))),
        Node(name="z", layer="z", inputs=(Ref("m"),)),
    ]
    spec = ModelSpec(name="m", inputs=inputs, layers=layers, nodes=tuple(nodes), outputs=(Ref("z"),))
    weights: dict[tuple[str, ...], object] = {("e",): {"embeddings": RNG.normal(size=(9, 4))}}
    for name, layer in (("o", other), ("z", after)):
        if layer is LSTM:
            kernel, recurrent = RNG.normal(size=(2, 4, 4, 4))
            bias = RNG.normal(size=(1, 4, 4))
            weights[name, "0"] = CellWeights(kind="lstm", kernel=kernel, recurrent=recurrent, bias=bias)
        if layer is CONV:
            weights[name,] = {"kernel": RNG.normal(size=(3, 4, 4)), "bias": RNG.normal(size=4)}
        if layer is DENSE:
            weights[name, "layer"] = {"kernel": RNG.normal(size=(4, 4)), "bias": RNG.normal(size=4)}
    return Portable(spec=spec, weights=weights)  # type: ignore[arg-type]


ADD, CONCATENATED, PRODUCT = plain("add"), plain("concatenate", axis=1), plain("multiply")


@pytest.mark.parametrize(
    ("merge", "other", "after", "ids"),
    [(ADD, LSTM, LSTM, 1), (ADD, CONV, DENSE, 1), (ADD, CONV, plain("flatten"), 1), (CONCATENATED, LSTM, LSTM, 2)],
    ids=["one mask", "a mask that nobody uses", "a mask that ends", "joined along time"],
)
def test_it_is_written_for_keras_3_where_nothing_changes(
    tmp_path: Path, merge: Layer, other: Layer, after: Layer, ids: int
) -> None:
    portable = _portable(merge, other, after, ids)
    given = [RNG.integers(0, 9, (3, 6)) * (RNG.random((3, 6)) > 0.4) for _ in range(ids)]
    wm.save(portable, tmp_path / "m.keras", keras=3)
    again = wm.oracle.run(wm.load(tmp_path / "m.keras"), *given)
    np.testing.assert_allclose(again, wm.oracle.run(portable, *given), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("merge", "other", "after", "ids"),
    [(ADD, CONV, LSTM, 1), (ADD, LSTM, LSTM, 2), (PRODUCT, LSTM, DENSE, 1), (ADD, CONV, plain("multiply"), 1)],
    ids=["a mask beside none", "two masks", "values under a mask", "used by a merge"],
)
def test_it_is_refused_where_something_does_and_goes_to_keras_2(
    tmp_path: Path, merge: Layer, other: Layer, after: Layer, ids: int
) -> None:
    portable = _portable(merge, other, after, ids)
    with pytest.raises(Unrepresentable, match="treats a mask that reaches this layer otherwise"):
        wm.save(portable, tmp_path / "m.keras", keras=3)
    wm.save(portable, tmp_path / "m.h5")
    assert (wm.load(tmp_path / "m.h5").source.keras_version or "").startswith("2")


def test_what_leaves_a_model_inside_may_be_used(tmp_path: Path) -> None:
    portable = _portable(ADD, CONV, plain("dropout"))
    wm.save(portable, tmp_path / "alone.keras", keras=3)
    inner = portable.spec
    outer = ModelSpec(
        name="outer", inputs=inner.inputs, layers={"inner": inner},
        nodes=(Node(name="inner", layer="inner", inputs=(Ref("x0"),)),), outputs=(Ref("inner"),),
    )  # fmt: skip
    within = Portable(spec=outer, weights={("inner", *path): w for path, w in portable.weights.items()})
    with pytest.raises(Unrepresentable, match="inner/m"):
        wm.save(within, tmp_path / "within.keras", keras=3)


def test_both_outputs_of_a_bidirectional_that_merges_nothing_carry_one_mask(tmp_path: Path) -> None:
    portable = _portable(ADD, LSTM, LSTM)
    weights = dict(portable.weights)
    both = Bidirectional(forward=LSTM, backward=LSTM, merge="none")
    layers = {**portable.spec.layers, "o": both}
    nodes = [n for n in portable.spec.nodes if n.name != "m"]
    nodes.insert(-1, Node(name="m", layer="m", inputs=(Ref("o"), Ref("o", 1))))
    cell = weights.pop(("o", "0"))
    weights |= {("o", "forward", "0"): cell, ("o", "backward", "0"): cell}
    spec = ModelSpec(
        name="m", inputs=portable.spec.inputs, layers=layers, nodes=tuple(nodes), outputs=portable.spec.outputs
    )
    with pytest.raises(Unrepresentable, match="Bidirectional"):  # which repeats, but the merge is no hindrance
        wm.save(Portable(spec=spec, weights=weights), tmp_path / "m.keras", keras=3)
