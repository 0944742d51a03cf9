"""The laws of the layouts, over every row: exact both ways, one function in every format, nothing touched."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weight_mapping import oracle, packing
from weight_mapping.bits import copied
from weight_mapping.errors import PortingError, Unrepresentable, WeightsMismatch
from weight_mapping.layouts import LAYOUTS, Layout
from weight_mapping.packing import (
    expected_shapes,
    formats,
    layout,
    names,
    pack,
    pack_row,
    rows_of,
    solve,
    unpack,
    unpack_row,
    with_bias,
)
from weight_mapping.spec import GATES, Cell, Recurrent
from weight_mapping.weights import BIAS_PARTS, CellWeights

SPACE = {"x": 2, "y": 3, "z": 4}


def _id(row: Layout) -> str:
    return f"{row.format} {row.kind} {row.bias}" + (
        "" if row.reset_after is None else f" reset_after={row.reset_after}"
    )


ROWS = {_id(row): row for row in LAYOUTS}
sizes = st.tuples(st.integers(1, 5), st.integers(1, 5))
dtypes = st.sampled_from([np.float16, np.float32, np.float64])


def _window(row: Layout) -> tuple[int, ...]:
    rank = int(row.kind[-1]) if row.kind.startswith("conv") else 0
    return tuple(SPACE[axis] for axis in "zyx"[3 - rank :])


def _weights(row: Layout, units: int, inputs: int, dtype: Any, seed: int = 0) -> CellWeights:
    rng, window = np.random.default_rng(seed), _window(row)
    gates, parts = len(row.gates), BIAS_PARTS[row.bias]
    draw = lambda *shape: rng.normal(0, 0.7, shape).astype(dtype)  # noqa: E731
    return CellWeights(
        kind="conv_lstm" if window else row.kind, reset_after=bool(row.reset_after),
        kernel=draw(gates, units, inputs, *window), recurrent=draw(gates, units, units, *window),
        bias=draw(parts, gates, units) if parts else None,
    )  # fmt: skip


def _arrays(row: Layout, units: int, inputs: int, dtype: Any) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
    """A file's arrays, every number another."""
    space = dict(zip("zyx"[3 - len(_window(row)) :], _window(row), strict=True))
    shapes, start = expected_shapes(row, {"h": units, "i": inputs, **space}), 0
    arrays = {}
    for name, shape in shapes.items():
        count = int(np.prod(shape))
        arrays[name] = np.arange(start, start + count, dtype=dtype).reshape(shape)
        start += count
    return arrays


def _same(a: CellWeights, b: CellWeights) -> bool:
    return (a.kind, a.reset_after, a.bias_form) == (b.kind, b.reset_after, b.bias_form) and all(
        x.dtype == y.dtype and np.array_equal(x, y) for (_, x), (_, y) in zip(a.arrays(), b.arrays(), strict=True)
    )


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
@settings(max_examples=15)
@given(size=sizes, dtype=dtypes)
def test_packing_what_was_unpacked_gives_the_file_bit_for_bit(row: Layout, size: tuple[int, int], dtype: Any) -> None:
    arrays = _arrays(row, *size, dtype)
    before = {name: array.copy() for name, array in arrays.items()}
    unpacked = unpack_row(row, arrays)
    packed = pack_row(row, unpacked)
    assert list(packed) == names(row)
    for name, array in arrays.items():
        assert np.array_equal(array, before[name])
        assert packed[name].dtype == array.dtype
        assert packed[name].tobytes() == array.tobytes()
        assert packed[name].flags.c_contiguous
        assert not np.shares_memory(packed[name], array)


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
@settings(max_examples=15)
@given(size=sizes, dtype=dtypes)
def test_unpacking_what_was_packed_gives_the_weights_bit_for_bit(
    row: Layout, size: tuple[int, int], dtype: Any
) -> None:
    weights = _weights(row, *size, dtype)
    before = _weights(row, *size, dtype)
    assert _same(unpack_row(row, pack_row(row, weights)), weights)
    assert _same(weights, before)


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_large_arrays_are_copied_in_threads_to_the_same_place(row: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    weights, seen = _weights(row, 5, 3, np.float32), set()
    alone = pack_row(row, weights)
    monkeypatch.setattr(packing, "_LARGE", 0)
    monkeypatch.setattr(packing, "copied", lambda *given: (seen.add(threading.get_ident()), copied(*given))[1])
    beside = pack_row(row, weights)
    assert list(beside) == list(alone) and threading.get_ident() not in seen
    assert all(beside[name].tobytes() == array.tobytes() for name, array in alone.items())


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_every_number_of_a_file_finds_its_own_place(row: Layout) -> None:
    """Unpacking is a bijection: no number is lost, doubled or computed."""
    arrays = _arrays(row, 3, 4, np.float64)
    unpacked = np.concatenate([array.ravel() for _, array in unpack_row(row, arrays).arrays()])
    assert np.array_equal(np.sort(unpacked), np.arange(unpacked.size))
    assert unpacked.size == sum(array.size for array in arrays.values())


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_by_name_and_in_order_are_the_same(row: Layout) -> None:
    arrays = _arrays(row, 3, 4, np.float32)
    by_name = unpack(row.format, row.kind, arrays, reset_after=row.reset_after)
    in_order = unpack(row.format, row.kind, list(arrays.values()), reset_after=row.reset_after)
    assert _same(by_name, in_order)
    assert _same(by_name, unpack_row(row, arrays))


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_wrong_shape_is_named(row: Layout) -> None:
    for name in names(row):
        arrays = _arrays(row, 3, 4, np.float32)
        arrays[name] = np.zeros((*arrays[name].shape, 2), np.float32)
        with pytest.raises(WeightsMismatch, match=name.replace("(", r"\(")):
            unpack_row(row, arrays)
        arrays = _arrays(row, 3, 4, np.float32)
        arrays[name] = _arrays(row, 5, 4, np.float32)[name]
        with pytest.raises(WeightsMismatch, match=r"wrong (shape|number of axes)"):
            unpack_row(row, arrays)
        del arrays[name]
        with pytest.raises(WeightsMismatch, match="has other arrays"):
            unpack_row(row, arrays)


def _reachable(start: CellWeights) -> list[str]:
    """The formats that can state this cell."""
    found = []
    for format_ in formats():
        try:
            pack(format_, start)
        except (Unrepresentable, PortingError):
            continue
        found.append(format_)
    return found


def _output(weights: CellWeights, x: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    cell = Cell(kind=weights.kind, units=weights.units, bias=weights.bias_form, reset_after=weights.reset_after)  # type: ignore[arg-type]
    layer = Recurrent(cells=(cell,), return_sequences=True)
    return oracle.forward(layer, {("0",): weights}, x).outputs[0]


STARTS = {
    name: next(row for row in LAYOUTS if (row.format, row.kind, row.bias, row.reset_after) == key)
    for name, key in {
        "lstm": ("keras", "lstm", "single", None), "lstm, two biases": ("torch", "lstm", "split", None),
        "lstm, no bias": ("keras", "lstm", "none", None), "gru before": ("keras", "gru", "single", False),
        "gru after": ("keras", "gru", "split", True), "rnn": ("keras", "rnn", "single", None),
    }.items()
}  # fmt: skip


@pytest.mark.parametrize("row", STARTS.values(), ids=STARTS)
@settings(max_examples=25)
@given(size=sizes, data=st.data())
def test_the_function_is_the_same_along_any_chain_of_formats(
    row: Layout, size: tuple[int, int], data: st.DataObject
) -> None:
    weights = _weights(row, *size, np.float64)
    x = np.random.default_rng(1).normal(size=(2, 10, size[1]))
    expected, path = _output(weights, x), []
    for _ in range(4):
        format_ = data.draw(st.sampled_from(_reachable(weights)))
        path.append(format_)
        weights = unpack(format_, weights.kind, pack(format_, weights), reset_after=weights.reset_after)
    # One bias may have become two (the second zero) and one again: adding zeros and parts rounds once a gate.
    assert np.max(np.abs(_output(weights, x) - expected)) <= 16 * 10 * sum(size) * 2.0**-53, path


@pytest.mark.parametrize("row", STARTS.values(), ids=STARTS)
def test_an_exchange_of_two_gates_is_another_function(row: Layout) -> None:
    """The law above can fail: a row whose gates are in another order breaks it."""
    if len(row.gates) < 2:
        pytest.skip("a single gate has no order")
    weights, x = _weights(row, 4, 4, np.float64), np.random.default_rng(1).normal(size=(2, 10, 4))
    wrong = replace(row, gates=row.gates[::-1])
    assert np.max(np.abs(_output(unpack_row(wrong, pack_row(row, weights)), x) - _output(weights, x))) > 1e-3


def test_a_row_names_every_gate_once() -> None:
    for row in LAYOUTS:
        kind = "lstm" if row.kind.startswith("conv") else row.kind
        assert sorted(row.gates) == sorted(GATES[kind]), row
        assert not row.letters or len(row.letters) == len(row.gates), row
        assert row.source


def test_biases_are_added_only_where_the_function_stays() -> None:
    lstm = _weights(STARTS["lstm, two biases"], 3, 4, np.float64)
    assert lstm.bias is not None
    assert np.array_equal(pack("torch_single_bias", lstm)["bias"], lstm.bias.sum(0).ravel())
    after = _weights(STARTS["gru after"], 3, 4, np.float64)
    with pytest.raises(Unrepresentable, match="can't be stated with single bias"):
        with_bias(after, "single")
    with pytest.raises(Unrepresentable, match="a gru with split bias can't be stated with none bias"):
        with_bias(after, "none")
    assert with_bias(after, "split") is after
    with pytest.raises(Unrepresentable, match="keras1 can't state this gru: split bias, reset_after=True") as refused:
        pack("keras1", after)
    assert refused.value.way_out is not None and "weight_mapping.torch.build" in refused.value.way_out
    before = _weights(STARTS["gru before"], 3, 4, np.float64)
    with pytest.raises(Unrepresentable, match="torch can't state this gru: single bias, reset_after=False"):
        pack("torch", before)


def test_a_contradiction_says_what_was_found_and_what_was_expected() -> None:
    row = layout("keras", "lstm", bias="single")
    good = {"kernel": (4, 12), "recurrent_kernel": (3, 12), "bias": (12,)}
    assert solve(row, good) == {"g": 4, "p": 1, "h": 3, "k": 3, "i": 4}
    assert solve(row, good, {"h": 3, "i": 4}) == {"g": 4, "p": 1, "h": 3, "k": 3, "i": 4}
    for shapes, known, what, where, found, expected in (
        ({"bias": (8,)}, {}, "wrong shape", "bias", (8,), "(12,), (g h)"),
        ({"kernel": (4, 13)}, {}, "wrong shape", "kernel", (4, 13), "(4, 12), i (g h)"),
        ({}, {"h": 3, "i": 5}, "wrong shape", "kernel", (4, 12), "(5, 12), i (g h)"),
        ({}, {"h": 2}, "wrong shape", "kernel", (4, 12), "(4, 8), i (g h)"),
        ({"recurrent_kernel": (5, 12)}, {}, "wrong shape", "recurrent_kernel", (5, 12), "(3, 12), k (g h)"),
        ({"kernel": (4, 12, 1)}, {}, "wrong number of axes", "kernel", (4, 12, 1), "i (g h)"),
        (
            {"more": (1,)}, {}, "the layout keras of lstm has other arrays", None,
            ["bias", "kernel", "more", "recurrent_kernel"], ["kernel", "recurrent_kernel", "bias"],
        ),
    ):  # fmt: skip
        with pytest.raises(WeightsMismatch) as refused:
            solve(row, good | shapes, known)
        error = refused.value
        assert (error.what, error.where, error.found, error.expected) == (what, where, found, expected)


def test_arrays_that_tell_no_width_are_refused() -> None:
    row = layout("keras", "lstm", bias="single")
    with pytest.raises(WeightsMismatch) as refused:
        solve(row, {"kernel": (4, 13), "recurrent_kernel": (3, 13), "bias": (13,)})
    assert (refused.value.where, refused.value.found) == ("kernel", (4, 13))


def test_what_is_known_of_a_cell_is_held_to_its_arrays() -> None:
    row = layout("keras", "lstm", bias="single")
    arrays = _arrays(row, 3, 4, np.float32)
    assert _same(unpack_row(row, arrays, {"h": 3, "i": 4}), unpack_row(row, arrays))
    with pytest.raises(WeightsMismatch, match="kernel: wrong shape"):
        unpack_row(row, arrays, {"h": 3, "i": 9})


def test_of_several_rows_the_first_ones_contradiction_is_told() -> None:
    with pytest.raises(WeightsMismatch) as refused:
        unpack("keras", "lstm", [np.zeros((4, 12)), np.zeros((3, 12)), np.zeros(8)])
    assert (refused.value.where, refused.value.found) == ("bias", (8,))
    with pytest.raises(WeightsMismatch) as refused:
        unpack("keras", "lstm", [np.zeros((4, 12))])
    assert (refused.value.found, refused.value.expected) == (["0"], ["kernel", "recurrent_kernel", "bias"])
    with pytest.raises(WeightsMismatch, match="has other arrays"):  # as many, and one has another name
        solve(layout("keras", "lstm", bias="single"), {"kernel": (4, 12), "recurrent_kernel": (3, 12), "b": (12,)})
    with pytest.raises(WeightsMismatch, match=r"^no torch layout of gru with reset_after=False$"):
        unpack("torch", "gru", {}, reset_after=False)


def test_a_layout_is_found_by_what_is_known_of_the_cell() -> None:
    assert layout("keras", "gru", bias="single").reset_after is False
    assert layout("keras", "gru", bias="split").reset_after is True
    assert layout("keras", "gru", bias="none", reset_after=False).reset_after is False
    assert layout("keras", "lstm", bias="single", reset_after=True).kind == "lstm"
    with pytest.raises(Unrepresentable, match=r"^the layout cudnn has no gru with single bias and reset_after=True$"):
        layout("cudnn", "gru", bias="single", reset_after=True)
    with pytest.raises(Unrepresentable, match=r"^the layout cudnn has no lstm with single bias$"):
        layout("cudnn", "lstm", bias="single")
    assert "keras" in formats() and formats() == sorted(set(formats()))


# From what form of bias, to what format: the arrays of bias, as the sum of parts that they hold.
STATED = [
    ("single", "keras", {"bias": (0,)}), ("single", "torch", {"bias_ih": (0,), "bias_hh": ()}),
    ("single", "torch_single_bias", {"bias": (0,)}), ("split", "torch", {"bias_ih": (0,), "bias_hh": (1,)}),
    ("split", "keras", {"bias": (0, 1)}), ("split", "torch_single_bias", {"bias": (0, 1)}),
    ("none", "keras", {}), ("none", "torch", {}), ("none", "torch_single_bias", {"bias": ()}),
    ("none", "cudnn", {"bias": ((), ())}), ("single", "cudnn", {"bias": ((0,), ())}),
    ("split", "cudnn", {"bias": ((0,), (1,))}), ("split", "keras1_gpu", {"b": (0, 1)}),
    ("none", "keras1_gpu", {"b": ()}),
]  # fmt: skip


@pytest.mark.parametrize(("form", "format_", "stated"), STATED)
def test_a_bias_is_stated_as_the_format_has_it(form: str, format_: str, stated: dict[str, Any]) -> None:
    row = layout("torch", "lstm", bias="split" if form == "split" else "none")
    weights = _weights(row, 3, 4, np.float32)
    if form == "single":
        weights = replace(weights, bias=np.random.default_rng(1).normal(size=(1, 4, 3)).astype(np.float32))

    def total(parts: tuple[int, ...]) -> Any:
        assert weights.bias is not None or not parts
        return sum((weights.bias[p] for p in parts), np.zeros((4, 3), np.float32)).ravel()  # type: ignore[index]

    packed = pack(format_, weights)
    assert {name for name in packed if name.startswith("b")} == stated.keys()
    assert all(array.dtype == np.float32 for array in packed.values())
    for name, parts in stated.items():
        halves = parts if parts and isinstance(parts[0], tuple) else (parts,)
        assert np.array_equal(packed[name], np.concatenate([total(half) for half in halves]))


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_convolutional_cell_is_packed_by_its_rank(rank: int) -> None:
    row = layout("keras", f"conv_lstm{rank}", bias="single")
    weights = _weights(row, 3, 4, np.float32)
    packed = pack("keras", weights)
    assert packed["kernel"].shape == (*_window(row), 4, 12)
    assert _same(unpack("keras", f"conv_lstm{rank}", packed), weights)
    with pytest.raises(PortingError, match=rf"no layout 'torch' for 'conv_lstm{rank}'.*cudnn, keras, keras1"):
        pack("torch", weights)


def test_an_unknown_layout_and_an_open_question_are_refused() -> None:
    with pytest.raises(PortingError, match="no layout 'caffe'"):
        rows_of("caffe", "lstm")
    with pytest.raises(Unrepresentable, match="the layout cudnn has no lstm with none bias"):
        layout("cudnn", "lstm", bias="none")
    without_bias = replace(_weights(STARTS["gru after"], 3, 4, np.float32), bias=None)
    bare = pack_row(layout("keras", "gru", bias="none", reset_after=True), without_bias)
    with pytest.raises(PortingError, match=r"does not tell its reset_after\. Pass reset_after=True or False"):
        unpack("keras", "gru", bare)
    assert unpack("keras", "gru", bare, reset_after=False).reset_after is False
