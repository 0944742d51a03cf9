"""Where each format keeps each number, as formulas of the index, written apart from the table's patterns.

The formulas are those of the formats' own documents and of files read by hand: a row that says otherwise is wrong."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest

from weight_mapping import layouts, packing
from weight_mapping.errors import PortingError
from weight_mapping.spec import GATES

H, I, SPACE = 3, 4, {"1": (2,), "2": (2, 3), "3": (2, 3, 4)}  # noqa: E741
Place = tuple[str, tuple[int, ...]]
Where = Callable[..., Place]
Formulas = tuple[Where, Where, Where | None]
"""Of kernel (g, h, i, *space), recurrent (g, h, k, *space) and bias (p, g, h); a gate is a letter, the rest numbers."""


def _columns(order: str, kernel: str, recurrent: str, bias: str, split: bool = False) -> Formulas:
    """Fused columns: block after block, as Keras has them; a split bias has a row a part."""
    column = lambda g, h: order.index(g) * H + h  # noqa: E731
    return (
        lambda g, h, i, *space: (kernel, (*space, i, column(g, h))),
        lambda g, h, k, *space: (recurrent, (*space, k, column(g, h))),
        lambda p, g, h: (bias, (p, column(g, h)) if split else (column(g, h),)),
    )


def _by_gate(letter: Callable[[str], str], space_last: bool = False) -> Formulas:
    """Keras 1: W, U, b of each gate; Theano keeps images as (out, in, rows, columns)."""
    at = lambda i, h, space: (h, i, *space) if space_last else (*space, i, h)  # noqa: E731
    return (
        lambda g, h, i, *space: (f"W_{letter(g)}", at(i, h, space)),
        lambda g, h, k, *space: (f"U_{letter(g)}", at(k, h, space)),
        lambda p, g, h: (f"b_{letter(g)}", (h,)),
    )


def _cudnn(order: str) -> Formulas:
    """The kernel's block of a gate is stored as its memory transposed; the recurrent block is its transpose."""
    start = lambda g: order.index(g) * H  # noqa: E731
    return (
        lambda g, h, i: ("kernel", ((h * I + i) // H, start(g) + (h * I + i) % H)),
        lambda g, h, k: ("recurrent_kernel", (h, start(g) + k)),
        lambda p, g, h: ("bias", (p * len(order) * H + start(g) + h,)),
    )


def _rows(order: str, one_bias: bool = False) -> Formulas:
    """PyTorch: gates' rows below each other."""
    row = lambda g, h: order.index(g) * H + h  # noqa: E731
    return (
        lambda g, h, i: ("weight_ih", (row(g, h), i)),
        lambda g, h, k: ("weight_hh", (row(g, h), k)),
        lambda p, g, h: ("bias" if one_bias else ("bias_ih", "bias_hh")[p], (row(g, h),)),
    )


def _onnx(order: str) -> Formulas:
    row = lambda g, h: order.index(g) * H + h  # noqa: E731
    return (
        lambda g, h, i: ("W", (0, row(g, h), i)),
        lambda g, h, k: ("R", (0, row(g, h), k)),
        lambda p, g, h: ("B", (0, p * len(order) * H + row(g, h))),
    )


_same = str
_KERAS = ("kernel", "recurrent_kernel", "bias")
FACTS: dict[tuple[str, str], list[tuple[str, bool | None, Formulas]]] = {
    ("keras", "lstm"): [(b, None, _columns("ifco", *_KERAS)) for b in ("single", "none")],
    ("keras", "gru"): [
        ("split", True, _columns("zrn", *_KERAS, split=True)), ("single", False, _columns("zrn", *_KERAS)),
        ("none", True, _columns("zrn", *_KERAS)), ("none", False, _columns("zrn", *_KERAS)),
    ],
    ("keras", "rnn"): [(b, None, _columns("n", *_KERAS)) for b in ("single", "none")],
    ("keras1", "lstm"): [("single", None, _by_gate(_same))],
    ("keras1", "gru"): [("single", False, _by_gate(lambda g: "h" if g == "n" else g))],
    ("keras1", "rnn"): [("single", None, _columns("n", "W", "U", "b"))],
    ("keras1_gpu", "lstm"): [("single", None, _columns("ifco", "W", "U", "b"))],
    ("keras1_gpu", "gru"): [("single", False, _columns("zrn", "W", "U", "b"))],
    ("keras1_gpu", "rnn"): [("single", None, _columns("n", "W", "U", "b"))],
    ("cudnn", "lstm"): [("split", None, _cudnn("ifco"))],
    ("cudnn", "gru"): [("split", True, _cudnn("zrn"))],
    ("torch", "lstm"): [(b, None, _rows("ifco")) for b in ("split", "none")],
    ("torch", "gru"): [(b, True, _rows("rzn")) for b in ("split", "none")],
    ("torch", "rnn"): [(b, None, _rows("n")) for b in ("split", "none")],
    ("torch_single_bias", "lstm"): [("single", None, _rows("ifco", one_bias=True))],
    ("torch_single_bias", "rnn"): [("single", None, _rows("n", one_bias=True))],
    ("onnx", "lstm"): [(b, None, _onnx("iofc")) for b in ("split", "none")],
    ("onnx", "gru"): [(b, after, _onnx("zrn")) for after in (True, False) for b in ("split", "none")],
    ("onnx", "rnn"): [(b, None, _onnx("n")) for b in ("split", "none")],
    **{
        ("keras", f"conv_lstm{n}"): [(b, None, _columns("ifco", *_KERAS)) for b in ("single", "none")] for n in SPACE
    },
    ("keras1", "conv_lstm2"): [("single", None, _by_gate(_same))],
    ("keras1_th", "conv_lstm2"): [("single", None, _by_gate(_same, space_last=True))],
}  # fmt: skip
IN_ORDER = {
    "keras1 lstm": "W_i U_i b_i W_c U_c b_c W_f U_f b_f W_o U_o b_o",
    "keras1 gru": "W_z U_z b_z W_r U_r b_r W_h U_h b_h",
    "keras1 conv_lstm2": "W_i U_i b_i W_c U_c b_c W_f U_f b_f W_o U_o b_o",
    "keras1_th conv_lstm2": "W_i U_i b_i W_c U_c b_c W_f U_f b_f W_o U_o b_o",
    "keras1_gpu lstm": "W U b",
    "keras lstm": "kernel recurrent_kernel bias",
    "torch lstm": "weight_ih weight_hh bias_ih bias_hh",
    "onnx lstm": "W R B",
}


def _after(row: layouts.Layout) -> bool | None:
    """Only of a GRU does it say anything."""
    return row.reset_after if row.kind == "gru" else None


def test_the_table_has_the_cells_that_each_format_has() -> None:
    rows = [(row.format, row.kind, row.bias, _after(row)) for row in layouts.table()]
    expected = [(*key, bias, after) for key, forms in FACTS.items() for bias, after, _ in forms]
    assert sorted(map(repr, rows)) == sorted(map(repr, expected))
    assert all(row.source for row in layouts.table())


def _row(key: tuple[str, str], bias: str, after: bool | None) -> layouts.Layout:
    return next(r for r in layouts.table() if (r.format, r.kind, r.bias, _after(r)) == (*key, bias, after))


def _misplaced(row: layouts.Layout, formulas: Formulas, stored: layouts.Layout) -> str | None:
    """The first number that a row reads from elsewhere than the formulas say, of arrays as `stored` has them."""
    space = SPACE[row.kind[-1]] if row.kind.startswith("conv") else ()
    known = {"h": H, "i": I, **dict(zip("zyx"[3 - len(space) :], space, strict=True))}
    start, arrays = 0, {}
    for name, shape in packing.expected_shapes(stored, known).items():
        arrays[name] = np.arange(start, start + np.prod(shape), dtype=np.float64).reshape(shape)
        start += arrays[name].size
    try:
        found = packing.unpack_row(row, arrays)
    except PortingError as refused:
        return str(refused)
    gates = GATES[found.gate_kind]
    for (name, array), where in zip(found.arrays(), formulas, strict=False):
        assert where is not None
        for index in product(*map(range, array.shape)):
            at = (gates[index[0]], *index[1:]) if name != "bias" else (index[0], gates[index[1]], index[2])
            place, there = where(*at)
            if array[index] != arrays[place][there]:
                return f"{name}{at}"
    return None if start == sum(array.size for _, array in found.arrays()) else "some numbers are left over"


@pytest.mark.parametrize("key", FACTS, ids=" ".join)
def test_every_number_is_where_the_format_keeps_it(key: tuple[str, str]) -> None:
    for bias, after, formulas in FACTS[key]:
        row = _row(key, bias, after)
        assert _misplaced(row, formulas, row) is None, (row.format, row.kind, bias)
        assert packing.unpack_row(row, _zeros(row)).reset_after is bool(after)


def _zeros(row: layouts.Layout) -> dict[str, Any]:
    sizes = {"h": H, "i": I, "x": 2, "y": 3, "z": 4}
    return {name: np.zeros(shape) for name, shape in packing.expected_shapes(row, sizes).items()}


def _changed(row: layouts.Layout) -> Iterator[layouts.Layout]:
    """Every row that differs in one word: two neighbouring gates or axes exchanged, an array named otherwise."""
    by_gate = "{g}" in row.arrays[0].name and not row.letters  # their order is that of the names
    for n in range(0 if by_gate else len(row.gates) - 1):
        yield replace(row, gates=row.gates[:n] + row.gates[n + 1] + row.gates[n] + row.gates[n + 2 :])
    sizes = {"g": len(row.gates), "p": len(row.parts)}
    for n, array in enumerate(row.arrays):
        letters = [m.start() for m in re.finditer("[a-z]", array.pattern) if sizes.get(m.group(), 2) > 1]
        others = [replace(array, name=f"{array.name}_")] if "{" not in array.name else []
        for a, b in pairwise(letters):
            one, two = array.pattern[a], array.pattern[b]
            swapped = f"{array.pattern[:a]}{two}{array.pattern[a + 1 : b]}{one}{array.pattern[b + 1 :]}"
            others.append(replace(array, pattern=swapped))
        if array.memory:
            others.append(replace(array, memory=None))
        yield from (replace(row, arrays=(*row.arrays[:n], other, *row.arrays[n + 1 :])) for other in others)


@pytest.mark.parametrize("key", FACTS, ids=" ".join)
@pytest.mark.parametrize("size", [(3, 4), (3, 3)], ids=["all different", "equal"])
def test_every_change_of_a_row_shows(
    key: tuple[str, str], size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No planted error reaches a table's words from outside: here each is changed, and the check above sees it."""
    monkeypatch.setattr(sys.modules[__name__], "H", size[0])
    monkeypatch.setattr(sys.modules[__name__], "I", size[1])
    for bias, after, formulas in FACTS[key]:
        row = _row(key, bias, after)
        for changed in _changed(row):
            assert _misplaced(changed, formulas, row) is not None, changed


@pytest.mark.parametrize("key", IN_ORDER)
def test_the_arrays_come_in_the_files_order(key: str) -> None:
    row = next(r for r in layouts.table() if f"{r.format} {r.kind}" == key)
    assert packing.names(row) == IN_ORDER[key].split()
