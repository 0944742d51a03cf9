"""TensorFlow's object graph: every leaf gets its own variables, or is named as the one without."""

from __future__ import annotations

import pytest
from located import MANY, WAY_OUT, by_name, found, layer, stored

from weight_mapping.errors import WeightsMismatch

VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
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
