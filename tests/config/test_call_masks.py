"""Masks and other tensors that a call names: refused where another than the first input's, or not understood."""

from __future__ import annotations

from typing import Any

import pytest

from weight_mapping.errors import Unsupported
from weight_mapping.keras_config import parse

PLACE = {"query": ["q", 0, 0], "mask": ["m", 0, 0]}


def _attention(**keywords: Any) -> dict[str, Any]:
    """An Attention of tf.keras over one input, its call with these keywords."""
    inputs = [
        {
            "class_name": "InputLayer",
            "name": n,
            "config": {"name": n, "batch_input_shape": [None, *s]},
            "inbound_nodes": [],
        }
        for n, s in (("q", (5, 3)), ("m", (5,)))
    ]
    called = [[*PLACE["query"], keywords], [*PLACE["query"], {}]]
    attention = {"class_name": "Attention", "name": "a", "config": {"name": "a"}, "inbound_nodes": [called]}
    ends = {"input_layers": [["q", 0, 0], ["m", 0, 0]], "output_layers": [["a", 0, 0]]}
    return {"class_name": "Functional", "config": {"name": "f", "layers": [*inputs, attention], **ends}}


def test_a_mask_of_the_first_input_is_its() -> None:
    [node] = parse(_attention(mask=[PLACE["mask"], None]), "2.11.0").spec.nodes
    assert node.mask is not None and node.mask.node == "m"


def test_a_mask_of_another_input_is_not_taken_for_the_first_s() -> None:
    """It was: the values were then masked where the queries should have been."""
    for mask in ([None, PLACE["mask"]], [PLACE["mask"], PLACE["mask"]]):
        with pytest.raises(Unsupported, match=r"a mask for another than the first input.*--layers-only"):
            parse(_attention(mask=mask), "2.11.0")


def test_a_tensor_under_an_unknown_keyword_is_named() -> None:
    with pytest.raises(Unsupported, match="the call keyword attention_mask; found the output of m"):
        parse(_attention(attention_mask=PLACE["mask"]), "2.11.0")
