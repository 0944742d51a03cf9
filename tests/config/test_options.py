"""Each option of a layer around the recurrent ones: what it may be, and by which words it is refused elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from weight_mapping.activations import hard_sigmoid
from weight_mapping.errors import DamagedFile, PortingError, Unsupported
from weight_mapping.keras_config.era import era
from weight_mapping.keras_config.options import read_option
from weight_mapping.keras_config.words import Reading

KERAS_2, KERAS_3 = ("2.15.0", "tensorflow"), ("3.15.1", "jax")


def read(kind: str, option: str, value: Any, rank: int = 2, version: tuple[str, str] = KERAS_3) -> Any:
    return read_option(kind, option, value, rank, Reading(era(*version, {})), "l.key")


@pytest.mark.parametrize(
    ("kind", "option", "value", "expected"),
    [
        ("dense", "units", 3.0, 3), ("dense", "use_bias", 1, True), ("batch_normalization", "epsilon", 1, 1.0),
        ("dropout", "rate", None, 0.0), ("conv", "kernel_size", 3, (3, 3)), ("conv", "kernel_size", [3, 2], (3, 2)),
        ("conv", "strides", None, None), ("conv", "strides", [2, 1], (2, 1)),
        ("softmax", "axis", -1, -1), ("softmax", "axis", [1], 1), ("softmax", "axis", 2.0, 2),
        ("layer_normalization", "axis", None, ()), ("layer_normalization", "axis", -1, (-1,)),
        ("layer_normalization", "axis", [1, 2], (1, 2)),
        ("multi_head_attention", "axes", None, None), ("multi_head_attention", "axes", [1], (1,)),
        ("normalization", "mean", None, None), ("normalization", "mean", 2, 2.0),
        ("normalization", "mean", [[1, 2], [3, 4.5]], ((1.0, 2.0), (3.0, 4.5))),
        ("einsum_dense", "output_shape", 5, 5), ("einsum_dense", "output_shape", [None, 5], (None, 5)),
        ("einsum_dense", "output_shape", None, None), ("einsum_dense", "bias_axes", "bc", "bc"),
        ("einsum_dense", "bias_axes", None, None), ("einsum_dense", "equation", "...ab,bc->...ac", "...ab,bc->...ac"),
        ("einsum_dense", "equation", "aB,Bc->ac", "aB,Bc->ac"),
        ("dropout", "noise_shape", [None, 1, 4], (None, 1, 4)), ("dropout", "noise_shape", None, None),
        ("dot", "axes", -1, -1), ("dot", "axes", [1, 2], (1, 2)), ("conv", "padding", "same", "same"),
        ("group_normalization", "groups", -1, -1), ("dense", "groups", 2, 2),
        ("conv_transpose", "output_padding", [0, 1], (0, 1)), ("conv_transpose", "output_padding", None, None),
        ("prelu", "shared_axes", None, ()), ("prelu", "shared_axes", [1], (1,)),
        ("conv", "channels_first", "channels_first", True), ("conv", "channels_first", "channels_last", False),
        ("multi_head_attention", "value_dim", None, None), ("multi_head_attention", "value_dim", 4, 4),
    ],
)  # fmt: skip
def test_what_it_may_be(kind: str, option: str, value: Any, expected: Any) -> None:
    found = read(kind, option, value)
    assert found == expected and type(found) is type(expected)


@pytest.mark.parametrize(("version", "slope"), [(KERAS_2, 1 / 5), (KERAS_3, 1 / 6)])
def test_an_activation_s_word_is_that_of_its_keras(version: tuple[str, str], slope: float) -> None:
    assert read("dense", "activation", "hard_sigmoid", version=version) == hard_sigmoid(slope)


def test_causal_padding_is_of_one_axis() -> None:
    assert read("conv", "padding", "causal", rank=1) == "causal"
    with pytest.raises(Unsupported, match=r"expected valid or same$"):
        read("conv", "padding", "causal", rank=2)
    with pytest.raises(Unsupported, match=r"expected valid or same$"):
        read("pool", "padding", "causal", rank=1)


@pytest.mark.parametrize(
    ("kind", "option", "value", "error", "what", "found"),
    [
        ("dense", "activation", "nonsense", Unsupported, "nonsense", None),
        ("dense", "units", 0, DamagedFile, "expected a positive whole number", "0"),
        ("dropout", "rate", 2, DamagedFile, "expected a rate from 0 to 1", "2"),
        ("softmax", "axis", [1, 2], Unsupported, "several axes", "[1, 2]"),
        ("softmax", "axis", "a", DamagedFile, "expected a whole number", "a"),
        ("layer_normalization", "axis", [1.5], DamagedFile, "expected a list of whole numbers", "[1.5]"),
        ("dropout", "noise_shape", 3, DamagedFile, "expected a list of sizes", "3"),
        ("dropout", "noise_shape", [0], DamagedFile, "expected a positive whole number", "0"),
        ("normalization", "mean", "a", DamagedFile, "expected a number", "a"),
        ("normalization", "mean", [[1, "a"]], DamagedFile, "expected a number", "a"),
        ("einsum_dense", "output_shape", 0, DamagedFile, "expected a positive whole number", "0"),
        ("einsum_dense", "output_shape", [0], DamagedFile, "expected a positive whole number", "0"),
        ("einsum_dense", "equation", "ab->ac", Unsupported, "an equation of another form than ab,bc->ac", "ab->ac"),
        ("einsum_dense", "equation", 3, Unsupported, "an equation of another form than ab,bc->ac", "3"),
        ("einsum_dense", "bias_axes", "b,c", DamagedFile, "expected axes as letters", "b,c"),
        ("einsum_dense", "bias_axes", "é", DamagedFile, "expected axes as letters", "é"),
        ("einsum_dense", "bias_axes", 3, DamagedFile, "expected axes as letters", "3"),
        ("group_normalization", "groups", -2, DamagedFile, "expected a whole number", "-2"),
        ("dot", "axes", "a", DamagedFile, "expected a whole number", "a"),
        ("dot", "axes", [1.5], DamagedFile, "expected a list of whole numbers", "[1.5]"),
        ("prelu", "shared_axes", [1.5], DamagedFile, "expected a list of whole numbers", "[1.5]"),
        ("conv", "strides", [1], DamagedFile, "expected 2 whole numbers of at least 1", "[1]"),
        ("conv_transpose", "output_padding", [-1, 0], DamagedFile, "expected 2 whole numbers of at least 0", "[-1, 0]"),
    ],
)  # fmt: skip
def test_what_else_it_is_is_refused_with_its_place(
    kind: str, option: str, value: Any, error: type[PortingError], what: str, found: str | None
) -> None:
    with pytest.raises(error) as refused:
        read(kind, option, value)
    assert refused.value.where == "l.key" and what in refused.value.what
    assert found is None or refused.value.found == found
    assert what != "several axes" or refused.value.expected == "one"
