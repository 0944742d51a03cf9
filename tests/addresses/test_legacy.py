"""Groups in the order of `weight_names`, and tables of names: whose each array is, and what fits no layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from located import WAY_OUT, Config, by_name, found, layer, lstm, model, stored

from weight_mapping.errors import WeightsMismatch
from weight_mapping.files.archive import Stored

ONE = [layer("LSTM", "l", units=3)]
SEEDS = [
    stored("seed_generator/seed_generator_state:0", 2, dtype="u4"), stored("dropout/state", 2, dtype="i8"),
    stored("seed_generator_state", 2, dtype="f4"),
]  # fmt: skip


def names(arrays: Iterable[Stored]) -> tuple[str, ...]:
    return tuple(one.name for one in arrays)


def legacy(layers: Iterable[Config], groups: Mapping[str, Sequence[Stored]]) -> dict[str, tuple[str, ...]]:
    return found(layers, "2.15.0", layers=tuple((name, tuple(arrays)) for name, arrays in groups.items()))


def test_a_layer_has_the_group_of_its_name_and_no_random_state() -> None:
    two = [*ONE, layer("LSTM", "m", units=3)]
    groups = {"m": lstm("m/"), "empty": [], "l": [*SEEDS, *lstm("l/")], "another": lstm("another/")}
    assert legacy(two, groups) == {"l/0": names(lstm("l/")), "m/0": names(lstm("m/"))}


def test_a_layer_of_its_author_s_may_have_no_array() -> None:
    layers = [*ONE, layer("Mine>Own", "own")]
    assert legacy(layers, {"l": lstm("l/")}) == {"l/0": names(lstm("l/")), "own": ()}


def test_under_other_names_layers_are_taken_in_order_if_their_number_agrees() -> None:
    layers = [*ONE, layer("Dropout", "drop", rate=0.5), layer("LSTM", "m", units=3), layer("Mine>Own", "own")]
    groups = {"a": lstm("a/"), "none": SEEDS[:1], "b": lstm("b/"), "c": [stored("c/x", 7)]}
    assert legacy(layers, groups) == {"l/0": names(lstm("a/")), "m/0": names(lstm("b/")), "own": ("c/x",)}
    # Also where some of the names are the configuration's by chance.
    groups = {"m": lstm("a/"), "b": lstm("b/"), "c": [stored("c/x", 7)]}
    assert legacy(layers, groups) == {"l/0": names(lstm("a/")), "m/0": names(lstm("b/")), "own": ("c/x",)}


@pytest.mark.parametrize(
    ("groups", "where", "told"),
    [
        ({"l": lstm()}, "m", "l"), ({"m": lstm(), "x": lstm(), "y": lstm()}, "l", "m, x, y"),
        ({}, "l", "no layer with weights"), ({"l": [], "m": SEEDS}, "l", "no layer with weights"),
    ],
)  # fmt: skip
def test_another_number_of_layers_is_refused(groups: Any, where: str, told: str) -> None:
    with pytest.raises(WeightsMismatch, match=f"no weights for this layer.*{WAY_OUT}") as refused:
        legacy([*ONE, layer("LSTM", "m", units=3)], groups)
    assert (refused.value.where, refused.value.found) == (where, told)
    assert refused.value.expected == "2 layers with weights"


def test_another_number_of_arrays_is_refused_with_both_lists() -> None:
    with pytest.raises(WeightsMismatch, match=f"another number of arrays.*{WAY_OUT}") as refused:
        legacy(ONE, {"l": lstm("l/cell/")[:2]})
    assert (refused.value.where, refused.value.found) == ("l", "2: kernel, recurrent_kernel")
    assert refused.value.expected == "3: kernel, recurrent_kernel, bias"
    many = [layer("RNN", "l", cell=[layer("LSTMCell", f"c{n}", units=3) for n in range(5)])]
    with pytest.raises(WeightsMismatch) as refused:
        legacy(many, {"l": [stored(f"l/a{n}_1:0", 3) for n in range(14)]})
    assert refused.value.found == "14: " + ", ".join(f"a{n}_1" for n in range(12))
    assert refused.value.expected == "15: " + ", ".join(["kernel", "recurrent_kernel", "bias"] * 4)


def test_two_arrays_at_one_place_are_refused() -> None:
    arrays = lstm("l/")
    twice = [*arrays[:2], stored("l/recurrent_kernel:0", 12, path=arrays[1].path)]
    with pytest.raises(
        WeightsMismatch, match=r"two weights under one name: the second one's numbers.*again"
    ) as refused:
        legacy(ONE, {"l": twice})
    assert (refused.value.where, refused.value.found) == ("l", "l/recurrent_kernel:0")


@pytest.mark.parametrize(
    ("wrong", "what", "told", "expected"),
    [
        (stored("l/kernel:0", 5, 12, dtype="i4"), "an array that holds no floats", np.dtype("i4"), "floats"),
        (stored("l/kernel:0", 0, 12), "an array without any number", (0, 12), None),
        (stored("l/kernel:0", 5, 16), "wrong shape", (5, 16), None),
    ],
)  # fmt: skip
def test_an_array_that_can_not_be_the_weight_is_refused(wrong: Stored, what: str, told: Any, expected: Any) -> None:
    with pytest.raises(WeightsMismatch, match=f"{what}.*{WAY_OUT}") as refused:
        legacy(ONE, {"l": [wrong, *lstm("l/")[1:]]})
    assert refused.value.where == "l/0/kernel" and refused.value.found == told
    assert expected is None or refused.value.expected == expected


def test_keras_own_count_of_batches_is_no_float() -> None:
    arrays = [stored("n/mean:0", 4), stored("n/variance:0", 4), stored("n/count:0", dtype="i8")]
    assert legacy([layer("Normalization", "n")], {"n": arrays}) == {"n": names(arrays)}


NORMS = [model("inner", layer("BatchNormalization", "a"), layer("BatchNormalization", "b"))]
MOVED, KEPT = ("gamma", "beta"), ("moving_mean", "moving_variance")


def test_a_composite_layer_lists_what_training_moves_first() -> None:
    """As Keras 2 lists a nested model's weights. Nothing but the order tells them apart: every shape is the same."""
    arrays = [stored(f"x{n}", 4) for n in range(8)]
    assert legacy(NORMS, {"inner": arrays}) == {
        "inner/a": ("x0", "x1", "x4", "x5"),
        "inner/b": ("x2", "x3", "x6", "x7"),
    }
    frozen = [model("inner", *(layer("BatchNormalization", name, trainable=False) for name in "ab"))]
    assert legacy(frozen, {"inner": arrays}) == {"inner/a": names(arrays[:4]), "inner/b": names(arrays[4:])}


def test_names_go_before_that_order() -> None:
    arrays = [stored(f"{one}/{name}:0", 4) for one in "ab" for name in (*MOVED, *KEPT)]
    assert legacy(NORMS, {"inner": arrays}) == {"inner/a": names(arrays[:4]), "inner/b": names(arrays[4:])}


@pytest.mark.parametrize("end", [":0", "_1:0", "_12", ""])
def test_each_array_by_its_name_in_whatever_order(end: str) -> None:
    """Kernel and recurrent kernel have one shape, so that the name alone tells them; recurrent_kernel is no kernel."""
    arrays = lstm("l/", 3, end=end)
    for order in ((2, 1, 0), (1, 0, 2), (1, 2, 0)):
        assert legacy(ONE, {"l": [arrays[n] for n in order]}) == {"l/0": names(arrays)}


def test_two_directions_by_their_names_in_whatever_order() -> None:
    both = [layer("Bidirectional", "b", layer=layer("LSTM", "l", units=3))]
    ahead, back = lstm("b/forward_l/", 3), lstm("b/backward_l/", 3)
    for arrays in ([*ahead, *back], [*back, *ahead], [*back[::-1], *ahead[::-1]]):
        assert legacy(both, {"b": arrays}) == {"b/forward/0": names(ahead), "b/backward/0": names(back)}


@pytest.mark.parametrize("name", ["forward", "backward"])
def test_a_layer_that_is_only_called_so_is_no_direction(name: str) -> None:
    arrays = lstm(f"{name}/cell/", 3)
    for order in (arrays, arrays[::-1], [arrays[1], arrays[0], arrays[2]]):
        assert legacy([layer("LSTM", name, units=3)], {name: order}) == {f"{name}/0": names(arrays)}


def test_an_attention_s_arrays_by_part_and_name() -> None:
    heads = [layer("MultiHeadAttention", "a", key_dim=2, num_heads=2, value_dim=2, use_bias=False)]
    roles = ("query", "key", "value", "attention_output")
    arrays = {role: stored(f"a/{role}/kernel:0", *((2, 2, 4) if "out" in role else (4, 2, 2))) for role in roles}
    spelled = legacy(heads, {"a": list(arrays.values())})["a"]
    assert spelled[:3] == tuple(f"a/{role}/kernel:0" for role in ("query", "key", "value"))
    turned = [arrays[role] for role in ("value", "attention_output", "key", "query")]
    assert legacy(heads, {"a": turned})["a"][:3] == spelled[:3]


# A table of names alone (tfjs, safetensors).


@pytest.mark.parametrize("prefix", ["{}/", "m/{}/", "m/deep/{}/", "{}/lstm_cell/"])
def test_a_table_is_grouped_by_the_layer_in_its_names(prefix: str) -> None:
    layers = [*ONE, layer("LSTM", "k", units=3)]
    one, other = (lstm(prefix.format(name), 3, end="") for name in "lk")
    held = by_name(sorted([*one, *other, stored("m/k/seed_generator_state", 2, dtype="u4")], key=lambda a: a.name))
    assert found(layers, named=held) == {"l/0": names(one), "k/0": names(other)}


def test_a_table_of_another_model_s_names_is_taken_in_order() -> None:
    layers = [*ONE, layer("LSTM", "k", units=3)]
    for one, other in (("m/a/", "m/b/"), ("a/", "b/"), ("a/cell/", "b/cell/")):
        first, second = lstm(one, 3, end=""), lstm(other, 3, end="")
        assert found(layers, named=by_name([*first, *second])) == {"l/0": names(first), "k/0": names(second)}
    with pytest.raises(WeightsMismatch, match="no layer with weights"):
        found(layers)
    alone = lstm("b/", 3, end="")
    assert found(ONE, named=by_name(alone)) == {"l/0": names(alone)}
