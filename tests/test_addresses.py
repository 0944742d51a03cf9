"""Where each kind of container keeps a layer's arrays: every leaf gets its own, or is named as the one without.

The places are those of Keras' own files: its tree of objects (Keras 3), TensorFlow's object graph, and the order of
`weight_names` (legacy)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from weight_mapping.addresses import locate, snake
from weight_mapping.errors import WeightsMismatch
from weight_mapping.expectations import expectations
from weight_mapping.files.archive import Archive, Stored
from weight_mapping.keras_config import parse

WAY_OUT = r"The weights belong to another configuration, or the file is incomplete\.$"
VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
Config = dict[str, Any]


def layer(class_name: str, name: str, **config: Any) -> Config:
    return {"class_name": class_name, "config": {"name": name, **config}}


def model(name: str, *layers: Config) -> Config:
    return {"class_name": "Sequential", "config": {"name": name, "layers": list(layers)}}


def stored(name: str, *shape: int, dtype: str = "f4", path: str | None = None) -> Stored:
    return Stored(name=name, path=path or name, shape=shape, dtype=np.dtype(dtype))


def lstm(prefix: str = "", width: int = 5, units: int = 3, end: str = ":0") -> list[Stored]:
    shapes = {"kernel": (width, 4 * units), "recurrent_kernel": (units, 4 * units), "bias": (4 * units,)}
    return [stored(f"{prefix}{name}{end}", *shape) for name, shape in shapes.items()]


def found(model_layers: Iterable[Config], version: str = "3.15.1", **held: Any) -> dict[str, tuple[str, ...]]:
    """The names of the arrays that each leaf gets, in its own order."""
    parsed = parse(model("m", *model_layers), version, "tensorflow")
    archive = Archive(container="a test's", path=Path("w"), sha256="", reader=lambda _: np.zeros(()), **held)
    return {
        "/".join(one.path): tuple(header.name for header in headers)
        for one, headers in locate(parsed, list(expectations(parsed)), archive)
    }


def tree(*keys: str) -> Mapping[str, Stored]:
    return {key: stored(key, 2) for key in keys}


def by_name(arrays: Iterable[Stored]) -> Mapping[str, Stored]:
    return {one.name: one for one in arrays}


# Keras 3: a tree of objects.

CELLS = [layer(f"{kind}Cell", f"c{n}", units=3) for n, kind in enumerate(("LSTM", "LSTM", "GRU", "SimpleRNN", "GRU"))]
MANY = [
    layer("LSTM", "one", units=3), layer("Dense", "d", units=3), layer("LSTM", "two", units=3),
    layer("Bidirectional", "both", layer=layer("GRU", "g", units=3)),
    layer("TimeDistributed", "each", layer=layer("Dense", "t", units=3)), layer("RNN", "stack", cell=CELLS),
    layer("ConvLSTM2D", "image", filters=2, kernel_size=2), layer("Dropout", "drop", rate=0.5),
    model("inner", layer("LSTM", "x", units=3), layer("LSTM", "y", units=3)), layer("BatchNormalization", "norm"),
    layer("LSTM", "three", units=3), model("other", layer("LSTM", "z", units=3)),
    layer("TimeDistributed", "steps", layer=model("inside", layer("LSTM", "v", units=3), layer("LSTM", "w", units=3))),
]  # fmt: skip
WITH_OWN = [MANY[0], layer("Mine>Own", "own"), *MANY[1:]]
PLACES = {
    "one/0": "layers/lstm/cell", "d": "layers/dense", "two/0": "layers/lstm_1/cell",
    "both/forward/0": "layers/bidirectional/forward_layer/cell",
    "both/backward/0": "layers/bidirectional/backward_layer/cell", "each/layer": "layers/time_distributed/layer",
    "stack/0": "layers/rnn/cell/cells/lstm_cell", "stack/1": "layers/rnn/cell/cells/lstm_cell_1",
    "stack/2": "layers/rnn/cell/cells/gru_cell", "stack/3": "layers/rnn/cell/cells/simple_rnn_cell",
    "stack/4": "layers/rnn/cell/cells/gru_cell_1", "image/0": "layers/conv_lstm2d/cell",
    "inner/x/0": "layers/sequential/layers/lstm/cell", "inner/y/0": "layers/sequential/layers/lstm_1/cell",
    "norm": "layers/batch_normalization", "three/0": "layers/lstm_2/cell",
    "other/z/0": "layers/sequential_1/layers/lstm/cell",
    "steps/layer/v/0": "layers/time_distributed_1/layer/layers/lstm/cell",
    "steps/layer/w/0": "layers/time_distributed_1/layer/layers/lstm_1/cell",
}  # fmt: skip
COUNT = {"d": 2, "each/layer": 2, "norm": 4}
KEYS = {path: tuple(f"{place}/vars/{n}" for n in range(COUNT.get(path, 3))) for path, place in PLACES.items()}
OWN = ("layers/own/deep/vars/0", "layers/own/vars/0")


def test_every_layer_of_a_tree_by_its_class_and_number() -> None:
    assert found(WITH_OWN, tree=tree(*sum(KEYS.values(), ()), *OWN)) == {**KEYS, "own": OWN}


def test_names_that_the_file_tells_go_before_the_count() -> None:
    told = {"layers/lstm": "two", "layers/lstm_1": "three", "layers/sequential/layers/lstm": "y", "elsewhere/lstm": "x"}
    within = "layers/time_distributed_1/layer/layers"
    told |= {f"{within}/lstm": "w", f"{within}/lstm_1": "v"}
    swapped = {
        **KEYS, "steps/layer/v/0": KEYS["steps/layer/w/0"], "steps/layer/w/0": KEYS["steps/layer/v/0"],
        "two/0": KEYS["one/0"], "three/0": KEYS["two/0"], "inner/y/0": KEYS["inner/x/0"],
    }  # fmt: skip
    assert found(WITH_OWN, names=told, tree=tree(*sum(KEYS.values(), ()), *OWN)) == {**swapped, "own": OWN}


@pytest.mark.parametrize("lost", [f"{place}/vars/1" for place in PLACES.values()])
def test_what_a_tree_lacks_is_named_with_its_place(lost: str) -> None:
    path = next(path for path, place in PLACES.items() if f"{place}/vars/1" == lost)
    keys = [key for key in sum(KEYS.values(), ()) if key != lost]
    with pytest.raises(WeightsMismatch, match=WAY_OUT) as refused:
        found(MANY, tree=tree(*keys))
    second = {"d": "bias", "each/layer": "bias", "norm": "beta"}.get(path, "recurrent_kernel")
    assert refused.value.where == f"{path}/{second}"
    assert refused.value.expected == f"an array at {lost}" and refused.value.found == ", ".join(sorted(keys)[:6])


def test_an_empty_tree_is_told_as_one() -> None:
    with pytest.raises(WeightsMismatch, match="d/kernel: no weights for this layer; found an empty file; expected"):
        found([layer("Dense", "d", units=2)], tree={})


@pytest.mark.parametrize(
    ("version", "class_name", "first", "second"),
    [
        ("3.15.1", "MultiHeadAttention", "", "_"), ("2.15.0", "MultiHeadAttention", "_", ""),
        ("3.15.1", "GroupQueryAttention", "_", ""),
    ],
)  # fmt: skip
def test_an_attention_s_parts_stand_under_either_name(version: str, class_name: str, first: str, second: str) -> None:
    sizes = {"key_dim": 3, "num_heads": 2} if class_name.startswith("Multi") else {
        "head_dim": 3, "num_query_heads": 2, "num_key_value_heads": 1,
    }  # fmt: skip
    heads, place = [layer(class_name, "a", **sizes)], f"layers/{snake(class_name)}"
    parts = [(role, n) for role in ("query", "key", "value", "output") for n in (0, 1)]
    for prefix in (first, second):
        keys = tuple(f"{place}/{prefix}{role}_dense/vars/{n}" for role, n in parts)
        assert found(heads, version, tree=tree(*keys))["a"] == keys
    both = tree(*(f"{place}/{prefix}{role}_dense/vars/{n}" for prefix in (first, second) for role, n in parts))
    assert all(f"/{first}{name.split('/')[2].lstrip('_')}" in name for name in found(heads, version, tree=both)["a"])
    with pytest.raises(WeightsMismatch) as refused:
        found(heads, version, tree={})
    assert refused.value.expected == f"an array at {place}/{first}query_dense/vars/0"


def test_an_attention_s_gate_has_its_own_name_before_any_other() -> None:
    """Source: MultiHeadAttention of Keras 3.15, whose gate is no public property, as its other parts are."""
    heads, place = (
        [layer("MultiHeadAttention", "a", key_dim=3, num_heads=2, use_gate=True)],
        "layers/multi_head_attention",
    )
    roles = ("query", "key", "gate", "value", "output")
    keys = [f"{place}/{prefix}{role}_dense/vars/{n}" for prefix in ("", "_") for role in roles for n in (0, 1)]
    expected = tuple(f"{place}/{'_' if role == 'gate' else ''}{role}_dense/vars/{n}" for role in roles for n in (0, 1))
    assert found(heads, tree=tree(*keys))["a"] == expected


@pytest.mark.parametrize(
    ("class_name", "expected"),
    [
        ("LSTM", "lstm"), ("SimpleRNN", "simple_rnn"), ("ConvLSTM2D", "conv_lstm2d"),
        ("Conv2DTranspose", "conv2d_transpose"),
        ("TimeDistributed", "time_distributed"), ("GRU", "gru"), ("Mine>My_Layer", "my__layer"), ("a.B-C", "a_bc"),
        ("GroupQueryAttention", "grouped_query_attention"), ("PReLU", "p_re_lu"),
    ],
)  # fmt: skip
def test_a_class_in_snake_case_is_keras_own_spelling(class_name: str, expected: str) -> None:
    assert snake(class_name) == expected


# TensorFlow's object graph.

GRAPH = {
    "one/0": "layer_with_weights-0/cell", "d": "layer_with_weights-1", "two/0": "layer_with_weights-2/cell",
    "both/forward/0": "layer_with_weights-3/forward_layer/cell",
    "both/backward/0": "layer_with_weights-3/backward_layer/cell", "each/layer": "layer_with_weights-4/layer",
    **{f"stack/{n}": f"layer_with_weights-5/cell/cells/{n}" for n in range(5)}, "image/0": "layer_with_weights-6/cell",
    "inner/x/0": "layer_with_weights-7/layer_with_weights-0/cell",
    "inner/y/0": "layer_with_weights-7/layer_with_weights-1/cell", "norm": "layer_with_weights-8",
    "three/0": "layer_with_weights-9/cell", "other/z/0": "layer_with_weights-10/layer_with_weights-0/cell",
    "steps/layer/v/0": "layer_with_weights-11/layer/layer_with_weights-0/cell",
    "steps/layer/w/0": "layer_with_weights-11/layer/layer_with_weights-1/cell",
}  # fmt: skip
NAMES = {"d": ("kernel", "bias"), "norm": ("gamma", "beta", "moving_mean", "moving_variance")}
VARIABLES = {
    path: tuple(
        f"{place}/{name}{VALUE}"
        for name in NAMES.get("d" if path == "each/layer" else path, ("kernel", "recurrent_kernel", "bias"))
    )
    for path, place in GRAPH.items()
}


@pytest.mark.parametrize("root", ["", "model/"])
def test_every_layer_of_an_object_graph_by_its_number_among_those_with_weights(root: str) -> None:
    expected = {path: tuple(root + name for name in names) for path, names in VARIABLES.items()}
    held = by_name(stored(name, 2) for names in expected.values() for name in names)
    assert found(MANY, "2.15.0", named=held) == expected


def test_beside_one_model_an_object_graph_may_hold_other_things_and_no_second_model() -> None:
    """As tf.train.Checkpoint(net=model, step=…) keeps them."""
    net = [stored(f"net/{name}", 2) for names in VARIABLES.values() for name in names]
    step = stored(f"step{VALUE}", 2)
    assert found(MANY, "2.15.0", named=by_name([step, *net]))["one/0"][0] == f"net/{VARIABLES['one/0'][0]}"
    other = stored(f"another/{VARIABLES['one/0'][0]}", 2)
    for held in ([*net, other], [step]):
        with pytest.raises(
            WeightsMismatch, match=r"no weights for this layer.*; expected a variable layer_with_weights-0/"
        ):
            found(MANY, "2.15.0", named=by_name(held))


def test_what_an_object_graph_lacks_is_named_with_its_place() -> None:
    for path, names in VARIABLES.items():
        held = by_name(stored(name, 2) for own in VARIABLES.values() for name in own if name != names[1])
        with pytest.raises(WeightsMismatch, match=f"no weights for this layer.*{WAY_OUT}") as refused:
            found(MANY, "2.15.0", named=held)
        assert refused.value.where == path and refused.value.expected == f"a variable {names[1]}"
        assert refused.value.found == ", ".join(sorted(held)[:6])


def test_an_attention_s_variables_lie_in_its_parts() -> None:
    parts = [f"_{role}_dense/{what}" for role in ("query", "key", "value", "output") for what in ("kernel", "bias")]
    names = [f"layer_with_weights-0/{part}{VALUE}" for part in parts]
    heads = [layer("MultiHeadAttention", "a", key_dim=3, num_heads=2)]
    assert found(heads, "2.15.0", named=by_name(stored(n, 2) for n in names[::-1]))["a"] == tuple(names)


# Legacy: a group a layer.

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
