"""How the arrays of a file become canonical, where Keras 1 stored a kernel's axes in another order.

The orders are those of `preprocess_weights_for_loading` in Keras 2: index by index, with every size another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from weight_mapping import packing
from weight_mapping.activations import hard_sigmoid
from weight_mapping.errors import WeightsMismatch
from weight_mapping.expectations import Expectation, expectations
from weight_mapping.keras_config import parse
from weight_mapping.spec import Cell

ROWS, COLUMNS, DEEP, IN, OUT = 2, 3, 4, 5, 7
_1D = {"nb_filter": OUT, "filter_length": ROWS}
_2D = {"nb_filter": OUT, "nb_row": ROWS, "nb_col": COLUMNS}
_3D = {"nb_filter": OUT, "kernel_dim1": ROWS, "kernel_dim2": COLUMNS, "kernel_dim3": DEEP}
# Keras 1 also states the output_shape of a transposed convolution, which a port does not take (it is refused by name).
# Class, configuration, shape in the file, place in the file of the canonical (window…, i, o).
Case = tuple[str, dict[str, Any], tuple[int, ...], Callable[..., tuple[int, ...]]]
KERNELS: dict[str, Case] = {
    "1D": ("Convolution1D", _1D, (ROWS, 1, IN, OUT), lambda r, i, o: (r, 0, i, o)),
    "1D, legacy": ("Convolution1D", _1D, (OUT, IN, ROWS, 1), lambda r, i, o: (o, i, r, 0)),
    "2D, tf": (
        "Convolution2D", {**_2D, "dim_ordering": "tf"}, (ROWS, COLUMNS, IN, OUT), lambda r, c, i, o: (r, c, i, o),
    ),
    "2D, th": (
        "Convolution2D", {**_2D, "dim_ordering": "th"}, (OUT, IN, ROWS, COLUMNS), lambda r, c, i, o: (o, i, r, c),
    ),
    "3D, th": (
        "Convolution3D", {**_3D, "dim_ordering": "th"}, (OUT, IN, ROWS, COLUMNS, DEEP),
        lambda r, c, d, i, o: (o, i, r, c, d),
    ),
    "transposed, tf": (
        "Deconvolution2D", {**_2D, "dim_ordering": "tf"}, (ROWS, COLUMNS, IN, OUT), lambda r, c, o, i: (r, c, i, o),
    ),
    "transposed, th": (
        "Deconvolution2D", {**_2D, "dim_ordering": "th"}, (OUT, IN, ROWS, COLUMNS), lambda r, c, o, i: (o, i, r, c),
    ),
}  # fmt: skip


def _expected(
    class_name: str, config: dict[str, Any], version: str = "1.2.2", backend: str = "tensorflow"
) -> Expectation:
    layers = [{"class_name": class_name, "config": {"name": "l", **config}}]
    [one] = expectations(parse({"class_name": "Sequential", "config": layers}, version, backend))
    return one


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_of_keras_1_finds_its_axes(name: str) -> None:
    class_name, config, shape, place = KERNELS[name]
    one = _expected(class_name, config)
    assert one.names == ("W", "b") and one.where == "l"
    stored = {"W": np.arange(np.prod(shape), dtype=np.float32).reshape(shape), "b": np.ones(OUT, np.float32)}
    assert one.settle({n: a.shape for n, a in stored.items()}) == one.leaf
    taken = one.take(stored)
    assert isinstance(taken, dict)
    kernel = taken["kernel"]
    assert kernel.size == stored["W"].size and kernel.dtype == np.float32 and not kernel.flags.writeable
    for index in np.ndindex(kernel.shape):
        assert kernel[index] == stored["W"][place(*index)]
    # Of the backend Theano, which convolves, the window is turned round as well.
    turned = _expected(class_name, config, backend="theano").take(stored)["kernel"]  # type: ignore[index]
    assert np.array_equal(turned, np.flip(kernel, tuple(range(kernel.ndim - 2))))


def test_a_separable_kernel_of_channels_first_finds_its_axes() -> None:
    """(multiplier, in, window) and (out, in times multiplier, 1, 1). Source: SeparableConvolution2D of Keras 1.2.2."""
    one = _expected("SeparableConvolution2D", {**_2D, "dim_ordering": "th", "depth_multiplier": DEEP})
    shapes = {"depthwise_kernel": (DEEP, IN, ROWS, COLUMNS), "pointwise_kernel": (OUT, IN * DEEP, 1, 1)}
    stored = {n: np.random.default_rng(3).normal(size=shape) for n, shape in shapes.items()} | {"b": np.ones(OUT)}
    assert one.settle({n: a.shape for n, a in stored.items()}) == one.leaf
    taken = one.take(stored)
    assert isinstance(taken, dict)
    for name in shapes:
        assert np.array_equal(taken[name], stored[name].transpose(2, 3, 1, 0))
    last = _expected("SeparableConvolution2D", {**_2D, "dim_ordering": "tf", "depth_multiplier": DEEP})
    with pytest.raises(WeightsMismatch, match="wrong shape"):
        last.settle({n: a.shape for n, a in stored.items()})


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_of_another_shape_is_refused(name: str) -> None:
    class_name, config, shape, _ = KERNELS[name]
    one = _expected(class_name, config)
    for axis in range(len(shape)):
        wrong = tuple(n + 9 if n == axis else size for n, size in enumerate(shape))
        if shape[axis] == IN:
            one.settle({"W": wrong, "b": (OUT,)})  # the width of the input is open
        elif shape[axis] != 1:
            with pytest.raises(WeightsMismatch, match="W: wrong shape"):
                one.settle({"W": wrong, "b": (OUT,)})
    with pytest.raises(WeightsMismatch, match="b: wrong shape"):
        one.settle({"W": shape, "b": (OUT + 1,)})
    for other in (shape[:-1], (*shape, 2), (OUT,), ()):
        with pytest.raises(WeightsMismatch, match="W: wrong shape"):
            one.settle({"W": other, "b": (OUT,)})


def test_a_file_of_keras_2_is_as_it_is() -> None:
    config = {"filters": OUT, "kernel_size": [ROWS, COLUMNS], "data_format": "channels_first"}
    one = _expected("Conv2D", config, "2.2.4")
    stored = {"kernel": np.arange(ROWS * COLUMNS * IN * OUT).reshape(ROWS, COLUMNS, IN, OUT), "bias": np.ones(OUT)}
    taken = one.take(stored)
    assert one.names == ("kernel", "bias") and one.trainable == (True, True)
    assert all(np.array_equal(taken[name], stored[name]) for name in stored)  # type: ignore[index]
    assert all(np.shares_memory(given, stored[n]) for given, n in zip(one.give(taken), stored, strict=True))


def test_statistics_are_not_trained_and_a_frozen_layer_is_not_either() -> None:
    norm = _expected("BatchNormalization", {}, "2.2.4")
    assert norm.names == ("gamma", "beta", "moving_mean", "moving_variance")
    assert norm.trainable == (True, True, False, False)
    assert _expected("BatchNormalization", {"trainable": False}, "2.2.4").trainable == (False,) * 4
    assert _expected("BatchNormalization", {}).names == ("gamma", "beta", "running_mean", "running_std")
    assert _expected("Dense", {"units": 2, "trainable": False}, "2.2.4").trainable == (False, False)
    assert _expected("LSTM", {"units": 2, "trainable": False}, "2.2.4").trainable == (False,) * 3


def test_a_cells_arrays_go_in_and_out() -> None:
    rng = np.random.default_rng(0)
    lstm = _expected("LSTM", {"units": 3}, "2.2.4")
    arrays = {
        "kernel": rng.normal(size=(5, 12)),
        "recurrent_kernel": rng.normal(size=(3, 12)),
        "bias": rng.normal(size=12),
    }
    assert lstm.leaf == Cell(kind="lstm", units=3, recurrent_activation=hard_sigmoid(1 / 5), dropout_per_gate=False)
    assert lstm.names == tuple(arrays) and lstm.trainable == (True, True, True)
    settled = lstm.settle({n: a.shape for n, a in arrays.items()})
    assert settled.input_size == 5 and settled.units == 3  # type: ignore[union-attr]
    given = lstm.give(lstm.take(arrays))
    assert all(np.array_equal(a, b) for a, b in zip(given, arrays.values(), strict=True))
    with pytest.raises(WeightsMismatch, match="kernel: wrong shape"):
        lstm.settle({**{n: a.shape for n, a in arrays.items()}, "kernel": (5, 16)})
    cudnn = _expected("CuDNNLSTM", {"units": 3}, "2.2.4")
    halves = {**arrays, "bias": rng.normal(size=24)}
    bias = cudnn.take(halves).bias  # type: ignore[union-attr]
    assert np.array_equal(bias.ravel(), halves["bias"][:12] + halves["bias"][12:])


@pytest.mark.parametrize("reset_after", [True, False])
def test_a_gru_without_bias_resets_as_its_configuration_says(reset_after: bool) -> None:
    one = _expected("GRU", {"units": 3, "use_bias": False, "reset_after": reset_after}, "2.2.4")
    taken = one.take({"kernel": np.ones((5, 9)), "recurrent_kernel": np.ones((3, 9))})
    assert taken.reset_after == reset_after  # type: ignore[union-attr]


def test_a_layer_of_its_author_s_takes_whatever_is_there() -> None:
    one = _expected("Mine>Own", {}, "2.2.4")
    arrays = {"a": np.ones(3), "b": np.zeros((2, 2))}
    assert one.settle({"a": (3,)}) is one.leaf and one.names == one.trainable == () and one.where == "l"
    assert all(given is array for given, array in zip(one.give(one.take(arrays)), arrays.values(), strict=True))


WINDOWS = {1: (2,), 2: (2, 3), 3: (2, 3, 4)}


@pytest.mark.parametrize("backend", ["tensorflow", "theano"])
@pytest.mark.parametrize("rank", WINDOWS)
def test_a_convolutional_cell_s_window_is_checked_and_turned_round_for_theano_alone(rank: int, backend: str) -> None:
    rng, window = np.random.default_rng(rank), WINDOWS[rank]
    one = _expected(f"ConvLSTM{rank}D", {"filters": 3, "kernel_size": list(window)}, "2.2.4", backend)
    arrays = {
        "kernel": rng.normal(size=(*window, 5, 12)), "recurrent_kernel": rng.normal(size=(*window, 3, 12)),
        "bias": rng.normal(size=12),
    }  # fmt: skip
    shapes = {name: array.shape for name, array in arrays.items()}
    assert one.settle(shapes).input_size == 5  # type: ignore[union-attr]
    for name in ("kernel", "recurrent_kernel"):
        for axis in range(rank):
            other = tuple(size + (n == axis) for n, size in enumerate(shapes[name]))
            with pytest.raises(WeightsMismatch, match="wrong shape"):
                one.settle({**shapes, name: other})
    for axis in range(rank):  # both arrays agree, and the configuration does not
        wider = {n: tuple(s + (at == axis) for at, s in enumerate(shape)) for n, shape in shapes.items() if n != "bias"}
        with pytest.raises(WeightsMismatch, match="wrong shape"):
            one.settle({**shapes, **wider})
    taken, straight = one.take(arrays), packing.unpack("keras", f"conv_lstm{rank}", arrays)
    spatial = tuple(range(-rank, 0)) if backend == "theano" else ()
    assert np.array_equal(taken.kernel, np.flip(straight.kernel, spatial))  # type: ignore[union-attr]
    assert np.array_equal(taken.recurrent, np.flip(straight.recurrent, spatial))  # type: ignore[union-attr]
    given = one.give(taken)
    assert all(np.array_equal(a, b) for a, b in zip(given, arrays.values(), strict=True))


def test_theano_turns_no_other_cell() -> None:
    rng = np.random.default_rng(0)
    arrays = {"kernel": rng.normal(size=(5, 12)), "recurrent_kernel": rng.normal(size=(3, 12)), "bias": np.ones(12)}
    taken = [_expected("LSTM", {"units": 3}, "2.2.4", backend).take(arrays) for backend in ("theano", "tensorflow")]
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(*(one.arrays() for one in taken), strict=True))  # type: ignore[union-attr]


def test_cudnn_s_halves_are_added_and_written_as_one_and_nothing() -> None:
    one = _expected("CuDNNLSTM", {"units": 3}, "2.2.4")
    halves = {"kernel": np.ones((5, 12)), "recurrent_kernel": np.ones((3, 12)), "bias": np.arange(24.0)}
    given = one.give(one.take(halves))[-1]
    assert np.array_equal(given[:12] + given[12:], halves["bias"][:12] + halves["bias"][12:])


def test_a_kernel_over_time_is_told_by_its_whole_shape() -> None:
    """As many filters as steps and one input: the older order begins as today's does."""
    one = _expected("Convolution1D", {"nb_filter": 2, "filter_length": 2})
    stored = {"W": np.arange(4.0).reshape(2, 1, 2, 1), "b": np.ones(2)}
    kernel = one.take(stored)["kernel"]  # type: ignore[index]
    assert all(kernel[r, 0, o] == stored["W"][o, 0, r, 0] for r in range(2) for o in range(2))


@pytest.mark.parametrize(
    ("class_name", "window", "turned"), [("Conv2D", (ROWS, COLUMNS), True), ("LocallyConnected1D", (ROWS,), False)]
)
def test_theano_s_convolutions_are_turned_both_ways(class_name: str, window: tuple[int, ...], turned: bool) -> None:
    config = {"filters": OUT, "kernel_size": list(window)}
    one = _expected(class_name, config, "2.2.4", backend="theano")
    rng, shape = np.random.default_rng(0), (*window, IN, OUT) if turned else (9, ROWS * IN, OUT)
    stored = {"kernel": rng.normal(size=shape), "bias": rng.normal(size=OUT if turned else (9, OUT))}
    taken = one.take(stored)
    kernel = taken["kernel"]  # type: ignore[index]
    assert np.array_equal(kernel, np.flip(stored["kernel"], tuple(range(len(window))) if turned else ()))
    assert all(np.array_equal(a, b) for a, b in zip(one.give(taken), stored.values(), strict=True))
