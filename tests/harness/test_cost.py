"""What a call is told to cost, beside the multiplications that NumPy does for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from harness.porting.cost import Cost, cost
from weight_mapping.graph import Call
from weight_mapping.plain import KINDS, plain
from weight_mapping.spec import Bidirectional, Cell, ConvCell, Layer, Operation, Recurrent, Slot
from weight_mapping.weights import CellWeights


def told(layer: Layer, *shapes: tuple[int, ...], **arrays: Any) -> Cost:
    weights: Mapping[Any, Any] = {("l",): {name: np.zeros(shape) for name, shape in arrays.items()}}
    return cost(Call(("l",), layer, [np.broadcast_to(0.0, shape) for shape in shapes], [None]), weights)


WINDOW = {"rank": 1, "kernel_size": (3,), "strides": (1,), "dilation": (1,), "padding": "same"}
PRODUCTS: Mapping[str, tuple[Cost, int]] = {
    "dense": (told(plain("dense", units=7), (4, 10, 5), kernel=(5, 7)), 4 * 10 * 5 * 7),
    "conv": (told(plain("conv", filters=7, **WINDOW), (4, 10, 5), kernel=(3, 5, 7)), 4 * 10 * 3 * 5 * 7),
    "conv by twos": (
        told(plain("conv", filters=7, **{**WINDOW, "strides": (2,)}), (4, 10, 5), kernel=(3, 5, 7)), 4 * 5 * 3 * 5 * 7
    ),
    "conv, channels first": (
        told(plain("conv", filters=7, channels_first=True, **WINDOW), (4, 5, 10), kernel=(3, 5, 7)), 4 * 10 * 3 * 5 * 7
    ),
    "dot": (told(plain("dot", axes=2), (4, 10, 5), (4, 9, 5)), 4 * 10 * 9 * 5),
    "einsum_dense": (told(plain("einsum_dense", equation="abc,cd->abd"), (4, 10, 5), kernel=(5, 7)), 4 * 10 * 5 * 7),
    "dots": (told(plain("einsum_dense", equation="...c,cd->...d"), (4, 10, 5), kernel=(5, 7)), 4 * 10 * 5 * 7),
    "up_sampling": (told(plain("up_sampling", rank=1, size=(3,)), (4, 10, 5)), 4 * 10 * 5 * 30),
    "matmul": (told(Operation(name="matmul", arguments=(Slot(0), Slot(1))), (4, 10, 5), (4, 5, 9)), 4 * 10 * 5 * 9),
    "einsum": (
        told(Operation(name="einsum", arguments=("bqd,bkd->bqk", Slot(0), Slot(1))), (4, 10, 5), (4, 9, 5)),
        4 * 10 * 9 * 5,
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", PRODUCTS)
def test_every_product_is_counted(what: str) -> None:
    found, products = PRODUCTS[what]
    assert found.products == products


def cells(kind: str, *window: int) -> CellWeights:
    gates = {"lstm": 4, "conv_lstm": 4, "gru": 3}[kind]
    shapes = ((gates, 6, 5, *window), (gates, 6, 6, *window))
    return CellWeights(kind=kind, kernel=np.zeros(shapes[0]), recurrent=np.zeros(shapes[1]))


def test_a_recurrent_layer_costs_every_weight_at_every_step_of_every_sample() -> None:
    cell = Cell(kind="lstm", units=6, bias="none")
    one = Recurrent(cells=(cell,))
    both = Bidirectional(forward=one, backward=one)
    x = np.broadcast_to(0.0, (4, 10, 5))
    once = cost(Call(("l",), one, [x], [None]), {("l", "0"): cells("lstm")})
    assert (once.steps, once.products) == (10, 4 * 10 * 4 * 6 * (5 + 6))
    weights = {
        ("l", "forward", "0"): cells("lstm"),
        ("l", "backward", "0"): cells("lstm"),
        ("other", "0"): cells("gru"),
    }
    twice = cost(Call(("l",), both, [x], [None]), weights)
    assert (twice.steps, twice.products) == (20, 2 * once.products)


def test_a_convlstm_does_so_at_every_place() -> None:
    options: dict[str, Any] = {"kernel_size": (3, 3), "strides": (1, 1), "dilation": (1, 1), "padding": "same"}
    layer = Recurrent(cells=(ConvCell(rank=2, units=6, bias="none", **options),))
    x = np.broadcast_to(0.0, (4, 10, 8, 7, 5))
    found = cost(Call(("l",), layer, [x], [None]), {("l", "0"): cells("conv_lstm", 3, 3)})
    assert found.products == 4 * 10 * 8 * 7 * 9 * 4 * 6 * (5 + 6)


def test_what_a_small_file_can_blow_up_costs_more_for_it() -> None:
    """A window, a dilation, a stride, a row of steps: a thousand times as much of each is told."""
    grow = {
        "pool": lambda n: told(plain("pool", rank=1, size=(n,), strides=(1,), padding="same"), (3, 12, 5)),
        "conv": lambda n: told(plain("conv", **{**WINDOW, "dilation": (n,)}), (3, 12, 5), kernel=(3, 5, 1)),
        "conv_transpose": lambda n: told(
            plain("conv_transpose", **{**WINDOW, "strides": (n,)}), (3, 12, 5), kernel=(3, 1, 5)
        ),
        "attention": lambda n: told(plain("attention"), (3, n, 5), (3, n, 5)),
        "additive": lambda n: told(plain("attention", score_mode="additive"), (3, n, 5), (3, n, 5)),
        "heads": lambda n: told(plain("multi_head_attention", num_heads=n), (3, 12, 5), (3, 12, 5)),
        "resize": lambda n: told(plain("resize", rank=1, size=(n,)), (3, 12, 5)),
    }  # fmt: skip
    for kind, make in grow.items():
        large, small = make(100_000), make(100)
        assert large.working + large.products > 100 * (small.working + small.products), kind


@pytest.mark.parametrize("channels_first", [False, True])
def test_what_repeats_and_what_pads_holds_what_comes_of_it(channels_first: bool) -> None:
    sides = {"rank": 1, "padding": ((3, 100_000),), "channels_first": channels_first}
    assert told(plain("repeat_vector", n=100_000), (3, 12)).working == 3 * 100_000 * 12
    assert told(plain("zero_padding", **sides), (3, 12, 12)).working == 3 * (12 + 100_003) * 12


def test_a_layer_without_kernels_costs_what_it_is_given() -> None:
    assert told(plain("flatten"), (3, 12, 5)) == Cost(numbers=180)
    assert all(told(plain(kind), (3, 12, 5)).products == 0 for kind, row in KINDS.items() if row.training_only)
