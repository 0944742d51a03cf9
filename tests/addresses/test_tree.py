"""Keras 3's tree of objects: every leaf gets its own arrays, or is named as the one without."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from located import MANY, WAY_OUT, WITH_OWN, found, layer, stored

from weight_mapping.addresses.tree import snake
from weight_mapping.errors import WeightsMismatch
from weight_mapping.files.archive import Stored


def tree(*keys: str) -> Mapping[str, Stored]:
    return {key: stored(key, 2) for key in keys}


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
