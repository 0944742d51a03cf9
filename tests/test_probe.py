"""The inputs that a port is proved on: ids wherever they reach an Embedding, and blanks that make a mask."""

from __future__ import annotations

import numpy as np
import pytest

from weight_mapping.plain import plain
from weight_mapping.probe import probe
from weight_mapping.spec import Input, Layer, ModelSpec, Node, Operation, Ref, Slot, TimeDistributed, chain

IDS = plain("embedding", input_dim=5, output_dim=3, mask_zero=True)
INNER = chain("inner", Input(name="words", shape=(None, 4)), {"e": IDS})
FIRST = Operation(name="get_item", arguments=(Slot(0), (slice(None), slice(0, 3))))


@pytest.mark.parametrize(
    "layers",
    [
        {"e": IDS}, {"e": TimeDistributed(layer=IDS)}, {"m": INNER}, {"m": TimeDistributed(layer=INNER)},
        {"m": chain("outer", Input(name="again"), {"inner": INNER})},
        {"r": plain("reshape", target_shape=(4, 6)), "e": IDS},
        {"d": plain("dropout"), "f": plain("flatten"), "e": IDS}, {"s": FIRST, "e": IDS},
    ],
    ids=["embedding", "each step", "model", "model at each step", "model in a model", "reshaped", "flattened", "part"],
)  # fmt: skip
def test_ids_are_within_the_vocabulary_that_they_reach(layers: dict[str, Layer]) -> None:
    [x] = probe(chain("m", Input(name="x", shape=(None, 6, 4)), layers), batch=3)
    assert x.shape == (3, 6, 4) and set(np.unique(x)) == {1, 2, 3, 4}


@pytest.mark.parametrize("inside", [False, True])
def test_steps_are_blank_where_a_mask_arises(inside: bool) -> None:
    layers: dict[str, Layer] = {"e": IDS, "z": plain("dropout")}
    if inside:
        layers = {"m": chain("inner", Input(name="words"), layers)}
    [x] = probe(chain("m", Input(name="x", shape=(None, 6)), layers), batch=3)
    assert not x[1, -3:].any() and not x[2, 1] and x[0].all()


def test_each_input_of_a_model_within_has_its_own() -> None:
    both = ModelSpec(
        name="both", inputs=(Input(name="a"), Input(name="b")), layers={"d": plain("dense"), "e": IDS},
        nodes=(Node(name="d", layer="d", inputs=(Ref("a"),)), Node(name="e", layer="e", inputs=(Ref("b"),))),
        outputs=(Ref("d"), Ref("e")),
    )  # fmt: skip
    inputs = (Input(name="y", shape=(None, 6)), Input(name="z", shape=(None, 6)))
    node = Node(name="both", layer="both", inputs=(Ref("z"), Ref("y")))
    ids, numbers = probe(
        ModelSpec(name="m", inputs=inputs, layers={"both": both}, nodes=(node,), outputs=(Ref("both"),))
    )
    assert np.array_equal(ids, ids.round()) and not np.array_equal(numbers, numbers.round())


def test_an_input_of_truths_shows_some_step_of_every_row() -> None:
    [x] = probe(chain("m", Input(name="x", shape=(None, 6), dtype="bool"), {"d": plain("dropout")}), batch=40)
    assert set(np.unique(x)) == {0, 1} and x[:, 0].all()


def test_numbers_that_a_layer_changes_are_no_ids() -> None:
    [x] = probe(chain("m", Input(name="x", shape=(None, 6, 4)), {"d": plain("dense"), "e": IDS}))
    assert not np.array_equal(x, x.round())
