"""The arrays that were found for a leaf, held to what it expects of their shapes and types."""

from __future__ import annotations

from collections.abc import Sequence

from weight_mapping.errors import WeightsMismatch
from weight_mapping.expectations import Expectation
from weight_mapping.files.archive import Stored

Found = list[tuple[Expectation, tuple[Stored, ...]]]
"""Every leaf with its arrays' headers, in the leaf's own order."""
WAY_OUT = "The weights belong to another configuration, or the file is incomplete."


def settle(one: Expectation, headers: Sequence[Stored]) -> object:
    """The leaf with its sizes, from the headers; a mismatch says in which layer."""
    try:
        for name, header in zip(one.names, headers, strict=True):
            _check_numbers(name, header)
        return one.settle({name: header.shape for name, header in zip(one.names, headers, strict=True)})
    except WeightsMismatch as problem:
        where = f"{one.where}/{problem.where}"
        raise WeightsMismatch(
            problem.what, where=where, found=problem.found, expected=problem.expected, way_out=WAY_OUT
        ) from None


def _check_numbers(name: str, header: Stored) -> None:
    """Weights are floats, and there are some; `count` is Keras' own of the batches that a Normalization has seen."""
    if header.dtype.kind != "f" and name != "count":
        raise WeightsMismatch("an array that holds no floats", where=name, found=header.dtype, expected="floats")
    if 0 in header.shape:
        raise WeightsMismatch("an array without any number", where=name, found=header.shape)


def missing(where: str, found: str, expected: str) -> WeightsMismatch:
    """A leaf, or a layer, has no weights in the place where they should be."""
    return WeightsMismatch("no weights for this layer", where=where, found=found, expected=expected, way_out=WAY_OUT)
