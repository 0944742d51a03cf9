"""How a mask travels: each rule on its own, as `compute_mask` of Keras' layers has it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from weight_mapping.masks import propagate, reachable
from weight_mapping.plain import plain
from weight_mapping.spec import (
    Bidirectional,
    Cell,
    Custom,
    Input,
    Layer,
    ModelSpec,
    Node,
    Operation,
    Plain,
    Recurrent,
    Ref,
    TimeDistributed,
    chain,
)

LAST = Recurrent(cells=(Cell(kind="lstm", units=3), Cell(kind="gru", units=2)))
ALL = replace(LAST, return_sequences=True)
BOTH = Bidirectional(forward=ALL, backward=replace(ALL, go_backwards=True))
X = np.array([[[1.0, 0], [0, 0], [0, 2]], [[0, 0], [5, 5], [0, 0]]])
MASK = np.array([[True, False, True], [False, True, True]])
OTHER = np.array([[True, True, False], [False, True, False]])


def states(layer: Recurrent) -> Recurrent:
    return replace(layer, return_state=True)


def went_on(layer: Layer, *masks: Any) -> list[Any]:
    return propagate(layer, [X] * len(masks), masks, np)


@pytest.mark.parametrize(
    ("layer", "out"),
    [
        (LAST, [None]), (ALL, [MASK]), (states(LAST), [None] * 4), (states(ALL), [MASK, None, None, None]),
        (BOTH, [MASK]), (replace(BOTH, merge="none"), [MASK, MASK]),
        (Bidirectional(forward=LAST, backward=LAST), [None]),
        (Bidirectional(forward=LAST, backward=LAST, merge="none"), [None, None]),
        (Bidirectional(forward=states(ALL), backward=states(ALL)), [MASK] + [None] * 6),
        (Bidirectional(forward=states(ALL), backward=states(ALL), merge="none"), [MASK, MASK] + [None] * 6),
        (TimeDistributed(layer=LAST), [MASK]), (Custom(class_name="Theirs"), [MASK]), (plain("dense"), [MASK]),
        (Operation(name="add"), [None]), (plain("flatten"), [None]), (plain("attention"), [MASK]),
        (plain("embedding"), [None]),
    ],
)  # fmt: skip
def test_each_output_has_the_mask_that_keras_gives_it(layer: Layer, out: list[Any]) -> None:
    found = went_on(layer, MASK)
    assert len(found) == len(out)
    assert all(mask is expected for mask, expected in zip(found, out, strict=True))
    assert went_on(layer, None) == [None] * len(out)


def test_layers_that_make_a_mask() -> None:
    ids = np.array([[3, 0], [0, 1]])
    [made] = propagate(plain("embedding", mask_zero=True), [ids], [None], np)
    assert np.array_equal(made, [[True, False], [False, True]])
    [made] = propagate(plain("masking"), [X], [None], np)
    assert np.array_equal(made, [[True, False, True], [False, True, False]])
    [made] = propagate(plain("masking", mask_value=5.0), [X], [MASK], np)
    assert np.array_equal(made, [[True, True, True], [True, False, True]])


def test_attention_keeps_its_querys_mask() -> None:
    assert went_on(plain("attention"), MASK, OTHER)[0] is MASK
    assert went_on(plain("attention"), None, OTHER) == [None]
    assert propagate(plain("attention"), [X], [], np) == propagate(plain("dense"), [X], [], np) == [None]


@pytest.mark.parametrize("layer", [plain(kind) for kind in ("identity", "rescaling", "normalization")])
def test_a_layer_that_ends_masks_in_one_keras_hands_them_on_in_another(layer: Plain) -> None:
    assert went_on(layer, MASK)[0] is MASK
    assert went_on(replace(layer, options={**layer.options, "ends_mask": True}), MASK) == [None]


@pytest.mark.parametrize("kind", ["einsum_dense", "rms_normalization"])
def test_a_layer_that_hands_on_no_mask(kind: str) -> None:
    assert went_on(plain(kind), MASK) == [None]


@pytest.mark.parametrize("kind", ["add", "concatenate"])
def test_a_merge_counts_a_step_that_any_input_counts_in_keras_3(kind: str) -> None:
    [either] = went_on(plain(kind, any_mask=True), MASK, OTHER)
    assert np.array_equal(either, [[True, True, True], [False, True, True]])
    assert went_on(plain(kind, any_mask=True), MASK, None) == went_on(plain(kind, any_mask=True), None, MASK) == [None]


@pytest.mark.parametrize("kind", ["add", "concatenate"])
def test_a_merge_counts_a_step_that_every_input_counts(kind: str) -> None:
    third = np.array([[True, True, True], [True, False, True]])
    [both] = went_on(plain(kind), MASK, OTHER)
    assert np.array_equal(both, [[True, False, False], [False, True, False]])
    [every] = went_on(plain(kind), third, MASK, OTHER)
    assert np.array_equal(every, [[True, False, False], [False, False, False]])
    assert went_on(plain(kind), None, None) == [None]
    assert propagate(plain(kind), [X], [], np) == [None]


def test_a_merge_with_an_input_without_mask() -> None:
    for kind in ("add", "concatenate"):
        assert went_on(plain(kind), MASK, None)[0] is MASK
        assert went_on(plain(kind), None, MASK)[0] is MASK


@pytest.mark.parametrize("axis", [1, -2])
def test_masks_are_joined_along_time_as_the_inputs_are(axis: int) -> None:
    [joined] = went_on(plain("concatenate", axis=axis), MASK, OTHER)
    assert np.array_equal(joined, np.hstack([MASK, OTHER]))
    narrow = X[..., :1]
    [joined] = propagate(plain("concatenate", axis=axis), [narrow, narrow], (MASK, None), np)
    assert np.array_equal(joined, np.hstack([MASK, np.full((2, 3), True)]))


def test_a_model_within_has_its_masks_from_its_run() -> None:
    with pytest.raises(TypeError, match="come out of its run"):
        went_on(chain("m", Input(name="x"), {"l": ALL}), MASK)


def _reached(layers: dict[str, Layer], entering: bool = False) -> set[str]:
    return {"/".join(path) for path in reachable(chain("m", Input(name="x"), layers), entering)}


EMBEDDING, DENSE = plain("embedding", mask_zero=True), plain("dense")
MAKERS = {
    "embedding": (EMBEDDING, True), "embedding of everything": (plain("embedding"), False),
    "masking": (plain("masking"), True), "dense": (DENSE, False), "operation": (Operation(name="add"), False),
    "recurrent": (ALL, False), "model": (chain("i", Input(name="y"), {"e": EMBEDDING}), True),
    "model without": (chain("i", Input(name="y"), {"d": DENSE}), False),
}  # fmt: skip
CARRIERS = {
    "recurrent": (ALL, True), "last output": (LAST, False), "bidirectional": (BOTH, True),
    "bidirectional, last outputs": (Bidirectional(forward=LAST, backward=LAST), False), "dense": (DENSE, True),
    "flatten": (plain("flatten"), False), "embedding": (plain("embedding"), False),
    "operation": (Operation(name="add"), False), "custom": (Custom(class_name="Theirs"), True),
    "time distributed": (TimeDistributed(layer=DENSE), True), "masking": (plain("masking"), True),
    "model": (chain("i", Input(name="y"), {"d": DENSE}), True),
}  # fmt: skip


@pytest.mark.parametrize("name", MAKERS)
def test_a_mask_reaches_what_is_behind_a_layer_that_makes_one(name: str) -> None:
    maker, makes = MAKERS[name]
    assert ("l" in _reached({"maker": maker, "l": ALL})) is makes


@pytest.mark.parametrize("name", CARRIERS)
def test_a_mask_reaches_what_is_behind_a_layer_that_lets_it_through(name: str) -> None:
    carrier, carries = CARRIERS[name]
    assert ("l" in _reached({"e": EMBEDDING, "carrier": carrier, "l": ALL})) is carries
    assert "carrier" in _reached({"e": EMBEDDING, "carrier": carrier})
    assert ("l" in _reached({"carrier": carrier, "l": ALL}, entering=True)) is carries
    assert _reached({"d": DENSE, "l": ALL}) == set()


def test_a_mask_is_followed_into_a_model_and_out_of_its_states_no_mask_comes() -> None:
    inner = chain("i", Input(name="y"), {"d": DENSE, "l": states(ALL)})
    assert _reached({"e": EMBEDDING, "in": inner}) == {"in", "in/d", "in/l"}
    spec = ModelSpec(
        name="m", inputs=(Input(name="x"), Input(name="z")),
        layers={"e": EMBEDDING, "l": states(ALL), "after": ALL, "h": DENSE, "own": LAST, "unmasked": ALL, "z": ALL},
        nodes=(
            Node(name="e", layer="e", inputs=(Ref("x"),)),
            Node(name="l", layer="l", inputs=(Ref("e"),)),
            Node(name="after", layer="after", inputs=(Ref("z"), Ref("l"))),
            Node(name="h", layer="h", inputs=(Ref("l", 1),)),
            Node(name="own", layer="own", inputs=(Ref("z"),), mask=Ref("x")),
            Node(name="unmasked", layer="unmasked", inputs=(Ref("e"),), masked=False),
            Node(name="z", layer="z", inputs=(Ref("unmasked"),)),
        ),
        outputs=(Ref("l"),),
    )  # fmt: skip
    reached = reachable(spec)
    # Its states carry none; yet the graph alone can't tell an output of many from another: none is missed.
    assert reached >= {("l",), ("after",), ("own",), ("z",)}
    assert not reached & {("e",), ("unmasked",)}
    assert all(path[0] == "outer" for path in reachable(spec, path=("outer",)))


@pytest.mark.parametrize("calls", [("e", "x"), ("x", "e"), ("e", "e")])
def test_a_model_that_is_called_twice_is_reached_by_the_mask_of_either_call(calls: tuple[str, str]) -> None:
    inner = chain("i", Input(name="y"), {"l": ALL})
    spec = ModelSpec(
        name="m", inputs=(Input(name="x"),), layers={"e": EMBEDDING, "in": inner, "free": inner},
        nodes=(
            Node(name="e", layer="e", inputs=(Ref("x"),)),
            *(Node(name=f"call {n}", layer="in", inputs=(Ref(of),)) for n, of in enumerate(calls)),
            Node(name="free", layer="free", inputs=(Ref("x"),)),
        ),
        outputs=(Ref("call 0"), Ref("free")),
    )  # fmt: skip
    assert reachable(spec) == {("in",), ("in", "l")}


def test_a_mask_comes_out_of_both_outputs_of_a_bidirectional_that_merges_nothing() -> None:
    spec = ModelSpec(
        name="m", inputs=(Input(name="x"),),
        layers={"e": EMBEDDING, "b": replace(BOTH, merge="none"), "l": ALL},
        nodes=(
            Node(name="e", layer="e", inputs=(Ref("x"),)), Node(name="b", layer="b", inputs=(Ref("e"),)),
            Node(name="l", layer="l", inputs=(Ref("b", 1),)),
        ),
        outputs=(Ref("l"),),
    )  # fmt: skip
    assert reachable(spec) == {("b",), ("l",)}


def test_a_time_distributed_of_keras_2_hands_on_what_its_layer_makes_of_the_steps() -> None:
    """Words of letters, 0 where there is none: from ids to a mask of letters, to one of words."""
    ids = np.array([[[3, 1, 0], [2, 0, 0], [0, 0, 0]], [[1, 4, 2], [0, 0, 0], [0, 0, 0]]])
    embedding = TimeDistributed(layer=plain("embedding", input_dim=5, output_dim=2, mask_zero=True), inner_mask=True)
    (letters,) = propagate(embedding, [ids], [None], np)
    assert np.array_equal(letters, ids != 0)
    (words,) = propagate(TimeDistributed(layer=LAST, inner_mask=True), [np.zeros((2, 3, 3, 2))], [letters], np)
    assert np.array_equal(words, [[True, True, False], [True, False, False]])
    dense = TimeDistributed(layer=plain("dense"), inner_mask=True)
    assert np.array_equal(propagate(dense, [np.zeros((2, 3, 3, 2))], [letters], np)[0], letters)
    assert np.array_equal(propagate(dense, [X], [MASK], np)[0], MASK)
    model = chain("m", Input(name="x", shape=(None, 3, 2)), {"dense": plain("dense")})
    (words,) = propagate(TimeDistributed(layer=model, inner_mask=True), [np.zeros((2, 3, 3, 2))], [letters], np)
    assert np.array_equal(words, [[True, True, False], [True, False, False]])


def test_keras_3_hands_on_the_mask_that_came() -> None:
    embedding = TimeDistributed(layer=plain("embedding", input_dim=5, output_dim=2, mask_zero=True))
    assert propagate(embedding, [np.zeros((2, 3, 4))], [None], np) == [None]
    layers: dict[str, Layer] = {"embedding": embedding, "lstm": TimeDistributed(layer=LAST)}
    model = chain("m", Input(name="x", shape=(None, 3, 4)), layers)
    assert not reachable(model)
    layers["embedding"] = replace(embedding, inner_mask=True)
    assert reachable(replace(model, layers=layers)) == {("lstm",)}
