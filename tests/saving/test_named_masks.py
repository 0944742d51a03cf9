"""A mask beside initial states survives the way into Keras 3, which hands the layer none unless the call names it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import weight_mapping as wm
from weight_mapping import saving
from weight_mapping.plain import plain
from weight_mapping.saving.named_masks import with_named_masks
from weight_mapping.spec import (
    Bidirectional,
    Cell,
    Custom,
    Input,
    Layer,
    ModelSpec,
    Node,
    Operation,
    Recurrent,
    Ref,
    Slot,
    TimeDistributed,
)
from weight_mapping.weights import CellWeights, Portable

UNITS, WORDS, WIDTH = 4, 7, 3


def decoder() -> Portable:
    rng = np.random.default_rng(3)

    def drawn(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    weights = CellWeights(
        kind="lstm", kernel=drawn(4, UNITS, WIDTH), recurrent=drawn(4, UNITS, UNITS), bias=drawn(1, 4, UNITS)
    )
    spec = ModelSpec(
        name="decoder",
        inputs=(Input(name="ids", shape=(None, None)), *(Input(name=n, shape=(None, UNITS)) for n in "hc")),
        layers={
            "words": plain("embedding", input_dim=WORDS, output_dim=WIDTH, mask_zero=True),
            "drop": plain("dropout", rate=0.1),
            "lstm": Recurrent(
                cells=(Cell(kind="lstm", units=UNITS, input_size=WIDTH),), return_sequences=True, return_state=True
            ),
        },
        nodes=(
            Node(name="words", layer="words", inputs=(Ref("ids"),)),
            Node(name="drop", layer="drop", inputs=(Ref("words"),)),
            Node(name="lstm", layer="lstm", inputs=(Ref("drop"),), initial_state=(Ref("h"), Ref("c"))),
        ),
        outputs=tuple(Ref("lstm", n) for n in range(3)),
    )
    return Portable(spec=spec, weights={("words",): {"embeddings": drawn(WORDS, WIDTH)}, ("lstm", "0"): weights})


def given() -> list[np.ndarray]:
    rng = np.random.default_rng(4)
    ids = rng.integers(1, WORDS, (3, 11))
    ids[0, 7:], ids[1, 3], ids[2] = 0, 0, 0
    return [ids.astype(np.float32), *(rng.normal(size=(3, UNITS)).astype(np.float32) for _ in range(2))]


def test_the_mask_arrives_in_keras_3(tmp_path: Path) -> None:
    portable, inputs = decoder(), given()
    wm.save(portable, tmp_path / "m.keras", keras=3)
    expected = wm.oracle.run(portable, *inputs)
    for ours, again in zip(expected, wm.oracle.run(wm.load(tmp_path / "m.keras"), *inputs), strict=True):
        np.testing.assert_array_equal(again, ours)
    keras = pytest.importorskip("keras")
    answer = keras.saving.load_model(tmp_path / "m.keras").predict(inputs, verbose=0)
    for ours, theirs in zip(expected, answer, strict=True):
        assert np.abs(theirs - ours).max() < 1e-5


def test_without_its_name_the_mask_would_be_lost_and_that_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saving, "with_named_masks", lambda spec: spec)
    with pytest.raises(wm.Unrepresentable, match="ignores a mask beside initial states"):
        wm.save(decoder(), tmp_path / "m.keras", keras=3)
    assert not (tmp_path / "m.keras").exists()


WORDS_LAYER = plain("embedding", input_dim=WORDS, output_dim=WIDTH, mask_zero=True)
SEQUENCES = Recurrent(cells=(Cell(kind="gru", units=WIDTH, input_size=WIDTH),), return_sequences=True)
BOTH = Bidirectional(forward=SEQUENCES, backward=replace(SEQUENCES, go_backwards=True), merge="sum")
BETWEEN = {
    "dropout": (plain("dropout"), True), "dense": (plain("dense"), True), "recurrent": (SEQUENCES, True),
    "bidirectional": (BOTH, True), "at each step": (TimeDistributed(layer=plain("dense")), True),
    "last output": (replace(SEQUENCES, return_sequences=False), False), "flatten": (plain("flatten"), False),
    "masking": (plain("masking"), False), "merge": (plain("add"), False), "custom": (Custom(class_name="Own"), False),
    "no mask": (plain("embedding"), False),
}  # fmt: skip


def _between(layer: Layer, first: Layer = WORDS_LAYER, **call: object) -> ModelSpec:
    """ids -> words -> between -> lstm with initial states."""
    last = {"inputs": (Ref("between"),), "initial_state": (Ref("h"), Ref("c")), **call}
    return ModelSpec(
        name="m", inputs=tuple(Input(name=n) for n in ("ids", "h", "c")),
        layers={"words": first, "between": layer, "lstm": replace(SEQUENCES, cells=(Cell(kind="lstm", units=UNITS),))},
        nodes=(
            Node(name="words", layer="words", inputs=(Ref("ids"),)),
            Node(name="between", layer="between", inputs=(Ref("words"),)),
            Node(name="lstm", layer="lstm", **last),  # type: ignore[arg-type]
        ),
        outputs=(Ref("lstm"),),
    )  # fmt: skip


@pytest.mark.parametrize("name", BETWEEN)
def test_the_mask_is_named_where_it_is_that_of_the_ids(name: str) -> None:
    layer, named = BETWEEN[name]
    spec = _between(layer)
    found = with_named_masks(spec)
    if not named:
        assert found == spec
        return
    assert found.layers["lstm_mask"] == Operation(name="not_equal", arguments=(Slot(0), 0))
    assert {n: layer for n, layer in found.layers.items() if n != "lstm_mask"} == dict(spec.layers)
    *before, made, call = found.nodes
    assert before == list(spec.nodes[:2])
    assert made == Node(name="lstm_mask", layer="lstm_mask", inputs=(Ref("ids"),))
    assert call == replace(spec.nodes[2], mask=Ref("lstm_mask"))


def test_a_call_that_needs_no_name_stays() -> None:
    dropout = plain("dropout")
    for spec in (
        _between(dropout, first=plain("embedding")), _between(dropout, initial_state=()),
        _between(dropout, masked=False), _between(dropout, mask=Ref("words")), _between(dropout, inputs=(Ref("h"),)),
    ):  # fmt: skip
        assert with_named_masks(spec) == spec
    spec = _between(dropout)
    named = replace(spec, nodes=(spec.nodes[0], replace(spec.nodes[1], mask=Ref("h")), spec.nodes[2]))
    assert with_named_masks(named) == named
