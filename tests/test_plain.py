"""What each layer around the recurrent ones stores, with the shapes of Keras' own `build`; letters stand for sizes."""

from __future__ import annotations

from typing import Any

import pytest

from weight_mapping.errors import WeightsMismatch
from weight_mapping.plain import KINDS, match, plain, weight_shapes
from weight_mapping.spec import Plain

_2D: dict[str, Any] = {"kernel_size": (3, 5), "filters": 7}
SHAPES: list[tuple[str, dict[str, Any], dict[str, tuple[Any, ...]]]] = [
    ("dense", {"units": 4}, {"kernel": ("i", 4), "bias": (4,)}),
    ("dense", {"units": 4, "use_bias": False}, {"kernel": ("i", 4)}),
    ("embedding", {"input_dim": 9, "output_dim": 4}, {"embeddings": (9, 4)}),
    ("prelu", {}, {"alpha": ("*",)}),
    ("batch_normalization", {}, dict.fromkeys(("gamma", "beta", "moving_mean", "moving_variance"), ("c",))),
    ("batch_normalization", {"scale": False}, dict.fromkeys(("beta", "moving_mean", "moving_variance"), ("c",))),
    ("batch_normalization", {"center": False}, dict.fromkeys(("gamma", "moving_mean", "moving_variance"), ("c",))),
    ("layer_normalization", {}, {"gamma": ("c",), "beta": ("c",)}),
    ("layer_normalization", {"axis": (1, 2, 3)}, {"gamma": ("c", "d", "e"), "beta": ("c", "d", "e")}),
    ("layer_normalization", {"axis": (1, 2), "center": False}, {"gamma": ("c", "d")}),
    ("layer_normalization", {"rms": True, "scale": False}, {"gamma": ("c",)}),
    ("group_normalization", {"center": False}, {"gamma": ("c",)}),
    ("rms_normalization", {"axis": (1, 2)}, {"scale": ("c", "d")}),
    ("normalization", {}, {"mean": ("*",), "variance": ("*",), "count": ()}),
    ("normalization", {"mean": 1.0, "variance": 2.0}, {}),
    ("conv", _2D, {"kernel": (3, 5, "i", 7), "bias": (7,)}),
    ("conv", {**_2D, "use_bias": False}, {"kernel": (3, 5, "i", 7)}),
    ("conv_transpose", _2D, {"kernel": (3, 5, 7, "i"), "bias": (7,)}),
    ("depthwise_conv", {**_2D, "depth_multiplier": 2}, {"depthwise_kernel": (3, 5, "i", 2), "bias": ("o",)}),
    (
        "separable_conv", {**_2D, "depth_multiplier": 2},
        {"depthwise_kernel": (3, 5, "i", 2), "pointwise_kernel": (1, 1, "o", 7), "bias": (7,)},
    ),
    (
        "separable_conv", {"rank": 1, "kernel_size": (3,), "filters": 7, "use_bias": False},
        {"depthwise_kernel": (3, "i", 1), "pointwise_kernel": (1, "o", 7)},
    ),
    ("local_conv", {"filters": 7}, {"kernel": ("p", "w", 7), "bias": ("y", "x", 7)}),
    ("local_conv", {"rank": 1, "filters": 7}, {"kernel": ("p", "w", 7), "bias": ("x", 7)}),
    ("local_conv", {"filters": 7, "use_bias": False}, {"kernel": ("p", "w", 7)}),
    ("attention", {}, {}),
    ("attention", {"use_scale": True}, {"scale": ()}),
    ("attention", {"use_scale": True, "score_mode": "additive"}, {"scale": ("d",)}),
    ("attention", {"score_mode": "concat"}, {"concat_score_weight": ()}),
    ("attention", {"use_scale": True, "score_mode": "concat"}, {"scale": (), "concat_score_weight": ()}),
    (
        "multi_head_attention", {"num_heads": 2, "key_dim": 3, "value_dim": 5},
        {
            "query_kernel": ("q", 2, 3), "query_bias": (2, 3), "key_kernel": ("k", 2, 3), "key_bias": (2, 3),
            "value_kernel": ("v", 2, 5), "value_bias": (2, 5), "output_kernel": (2, 5, "o"), "output_bias": ("o",),
        },
    ),
    (
        "multi_head_attention", {"num_heads": 2, "key_dim": 3, "value_dim": 5, "use_bias": False},
        {
            "query_kernel": ("q", 2, 3), "key_kernel": ("k", 2, 3), "value_kernel": ("v", 2, 5),
            "output_kernel": (2, 5, "o"),
        },
    ),
    (
        "multi_head_attention",
        {"num_heads": 6, "key_value_heads": 2, "key_dim": 3, "value_dim": 5, "use_bias": False, "gate": True},
        {
            "query_kernel": ("q", 6, 3), "key_kernel": ("k", 2, 3), "gate_kernel": ("q", 6, 5),
            "value_kernel": ("v", 2, 5), "output_kernel": (6, 5, "o"),
        },
    ),
    (
        "multi_head_attention",
        {"num_heads": 2, "key_dim": 3, "value_dim": 5, "use_bias": False, "output_shape": (7, 4)},
        {
            "query_kernel": ("q", 2, 3), "key_kernel": ("k", 2, 3), "value_kernel": ("v", 2, 5),
            "output_kernel": (2, 5, 7, 4),
        },
    ),
    ("einsum_dense", {"equation": "abc,cd->abd"}, {"kernel": ("c", "d")}),
    ("einsum_dense", {"equation": "abc,cd->abd", "bias_axes": "d"}, {"kernel": ("c", "d"), "bias": ("d",)}),
    ("einsum_dense", {"equation": "abc,cd->abd", "bias_axes": "b"}, {"kernel": ("c", "d"), "bias": ("b", 1)}),
    ("einsum_dense", {"equation": "abc,cde->abde", "bias_axes": "be"}, {"kernel": tuple("cde"), "bias": ("b", 1, "e")}),
    ("highway", {}, {"kernel": ("i", "i"), "carry_kernel": ("i", "i"), "bias": ("i",), "carry_bias": ("i",)}),
    ("highway", {"use_bias": False}, {"kernel": ("i", "i"), "carry_kernel": ("i", "i")}),
    ("maxout_dense", {"units": 3, "features": 2}, {"kernel": (2, "i", 3), "bias": (2, 3)}),
    ("maxout_dense", {"units": 3, "features": 2, "use_bias": False}, {"kernel": (2, "i", 3)}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "options", "shapes"), SHAPES)
def test_a_layer_stores_what_keras_builds(
    kind: str, options: dict[str, Any], shapes: dict[str, tuple[Any, ...]]
) -> None:
    found = weight_shapes(plain(kind, **options))
    assert list(found.items()) == list(shapes.items())  # in Keras' order


def test_every_kind_whose_shapes_say_something_is_here() -> None:
    kinds = {kind for kind, _, _ in SHAPES}
    others = [shape for kind in KINDS.keys() - kinds for shape in weight_shapes(plain(kind)).values()]
    assert set(others) <= {("*",)}


def test_options_are_the_rows_and_no_others() -> None:
    assert plain("dense", units=4).options == {**KINDS["dense"].options, "units": 4}
    assert plain("dense", units=4) == Plain(kind="dense", options={**KINDS["dense"].options, "units": 4})
    with pytest.raises(TypeError, match=r"^dense has no option colour, unit$"):
        plain("dense", unit=4, colour=1)


def test_a_letter_is_one_size_everywhere() -> None:
    sizes: dict[str, int] = {}
    match("kernel", (5, 7), ("i", 7), sizes)
    assert sizes == {"i": 5}
    match("carry", (5, 5), ("i", "i"), sizes)
    with pytest.raises(WeightsMismatch) as refused:
        match("kernel", (5,), ("n", 7), {})
    assert refused.value.expected == ("n", 7)  # what no array has told yet is a letter
    match("anything", (1, 2, 3), ("*",), sizes)
    for found, expected, wanted in (
        ((4, 7), ("i", 7), (5, 7)), ((5, 8), ("i", 7), (5, 7)), ((5,), ("i", 7), (5, 7)), ((5, 7, 1), ("i", 7), (5, 7)),
        ((2, 3), ("o", "o"), (2, 2)), ((), ("i",), (5,)),
    ):  # fmt: skip
        with pytest.raises(WeightsMismatch, match=r"^kernel: wrong shape") as refused:
            match("kernel", found, expected, dict(sizes))
        assert (refused.value.found, refused.value.expected) == (found, wanted)
