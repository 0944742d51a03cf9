"""The merges, with masks and without: by hand, the same in NumPy and PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from weight_mapping.merging import MERGES, merged

X, Y = np.array([[[2.0], [3.0], [5.0], [-7.0]]]), np.array([[[4.0], [-1.0], [6.0], [8.0]]])
FIRST, SECOND = np.array([[True, True, False, False]]), np.array([[True, False, True, False]])


@pytest.mark.parametrize(
    ("kind", "masks", "expected"),
    [
        ("multiply", (FIRST, SECOND), [8, 3, 6, 0]), ("multiply", (FIRST, None), [8, -3, 6, 8]),
        ("multiply", (None, None), [8, -3, 30, -56]),
        ("maximum", (FIRST, SECOND), [4, 3, 6, -7]), ("maximum", (FIRST, None), [4, 3, 6, 8]),
        ("maximum", (None, SECOND), [4, 3, 6, -7]),
        ("minimum", (FIRST, SECOND), [2, 3, 6, -7]), ("minimum", (FIRST, None), [2, -1, 6, 8]),
        ("add", (FIRST, SECOND), [6, 2, 11, 1]), ("subtract", (FIRST, SECOND), [-2, 4, -1, -15]),
        ("average", (FIRST, SECOND), [3, 1, 5.5, 0.5]),
    ],
)  # fmt: skip
def test_a_product_and_an_extreme_leave_out_what_masks_hide(kind: str, masks: Any, expected: list[float]) -> None:
    found = merged(kind, True, [X, Y], masks, np)
    np.testing.assert_array_equal(found[0, :, 0], expected)
    tensors = [None if mask is None else torch.tensor(mask) for mask in masks]
    np.testing.assert_array_equal(merged(kind, True, [torch.tensor(X), torch.tensor(Y)], tensors, torch), found)


@pytest.mark.parametrize("kind", MERGES)
def test_masks_change_no_value_where_every_mask_decides(kind: str) -> None:
    np.testing.assert_array_equal(
        merged(kind, False, [X, Y], [FIRST, SECOND], np), merged(kind, True, [X, Y], [None, None], np)
    )


def test_a_third_input_meets_what_the_first_two_left() -> None:
    third = np.array([[[1.0], [9.0], [-3.0], [0.0]]])
    seen = merged("maximum", True, [X, Y, third], [FIRST, SECOND, ~FIRST], np)
    np.testing.assert_array_equal(seen[0, :, 0], [4, 3, 6, 0])
    assert merged("multiply", True, [X, Y, third], [FIRST, SECOND, FIRST], np)[0, :, 0].tolist() == [8, 27, 6, 0]


def test_an_input_of_fewer_axes_is_spread_over_time_and_has_no_mask() -> None:
    row = np.array([[2.0]])
    found = merged("multiply", True, [X, row], [FIRST, SECOND], np)
    np.testing.assert_array_equal(found[0, :, 0], [4, 6, 2, 2])
    np.testing.assert_array_equal(merged("add", False, [row, X], [None, None], np)[0, :, 0], [4, 5, 7, -5])
