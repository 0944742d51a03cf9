"""The interpreter of `layouts`: unpack (a format's arrays -> canonical), pack (back), and the shapes a row asks for."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from weight_mapping.bits import copied
from weight_mapping.errors import PortingError, Unrepresentable, WeightsMismatch
from weight_mapping.layouts import LAYOUTS, ArrayRow, Layout
from weight_mapping.mapped import give_back
from weight_mapping.spec import GATES
from weight_mapping.weights import Array, CellWeights

Sizes = dict[str, int]
_CANONICAL = {"kernel": ("g", "h", "i"), "recurrent": ("g", "h", "k"), "bias": ("p", "g", "h")}
_SPACE = ("z", "y", "x")
_LARGE = 1 << 24
"""Bytes of a cell; a smaller one is copied before threads would have started."""


@cache
def parse(pattern: str) -> tuple[tuple[str, ...], ...]:
    """The pattern's axes: 'i (g h)' -> (('i',), ('g', 'h')); '1' is an axis of size one."""
    groups = re.findall(r"\([^)]*\)|\S+", pattern)
    return tuple(tuple(a for a in group.strip("()").split() if a != "1") for group in groups)


def formats() -> list[str]:
    return sorted({row.format for row in LAYOUTS})


def layout(format: str, kind: str, *, bias: str, reset_after: bool | None = None) -> Layout:
    """The one row for this cell; `Unrepresentable` where the format has none."""
    for row in rows_of(format, kind):
        if row.bias == bias and (row.reset_after is None or reset_after is None or row.reset_after == reset_after):
            return row
    raise Unrepresentable(
        f"the layout {format} has no {kind} with {bias} bias"
        + (f" and reset_after={reset_after}" if kind == "gru" else "")
    )


def rows_of(format: str, kind: str) -> list[Layout]:
    rows = [row for row in LAYOUTS if row.format == format and row.kind == kind]
    if not rows:
        raise PortingError(f"no layout {format!r} for {kind!r}", expected=f"one of {', '.join(formats())}")
    return rows


def names(row: Layout) -> list[str]:
    """The names of a row's arrays in the file's order; arrays by gate go gate by gate."""
    return [name for name, _, _ in _stored(row)]


def _stored(row: Layout) -> list[tuple[str, ArrayRow, str | None]]:
    """(name, array row, gate or part it holds) for every array in the file's order."""
    letters = dict(zip(row.gates, row.letters or row.gates, strict=True))
    by_gate = [a for a in row.arrays if "{g}" in a.name]
    stored: list[tuple[str, ArrayRow, str | None]] = [
        (a.name.format(g=letters[g]), a, g) for g in row.gates for a in by_gate
    ]
    for array in row.arrays:
        if "{p}" in array.name:
            stored += [(array.name.format(p=part), array, str(n)) for n, part in enumerate(row.parts)]
        elif "{g}" not in array.name:
            stored.append((array.name, array, None))
    return stored


def solve(row: Layout, shapes: Mapping[str, Sequence[int]], known: Mapping[str, int] | None = None) -> Sizes:
    """The size of every axis letter, from the arrays' shapes and what is known beforehand (h, i).

    Raises WeightsMismatch that names the array, its shape and the pattern it contradicts."""
    sizes: Sizes = {"g": len(row.gates), "p": 2 if row.bias == "split" else 1, **(known or {})}
    stored = _stored(row)
    missing = [name for name, _, _ in stored if name not in shapes]
    if missing or len(shapes) != len(stored):
        raise WeightsMismatch(
            f"the layout {row.format} of {row.kind} has other arrays", found=sorted(shapes), expected=names(row)
        )
    for name, array, _ in stored:
        _settle(sizes, name, array, shapes[name])
    if "h" in sizes:
        sizes["k"] = sizes["h"]
    for name, array, _ in stored:
        expected = _shape(array, sizes)
        if tuple(shapes[name]) != expected:
            raise WeightsMismatch(
                "wrong shape", where=name, found=tuple(shapes[name]), expected=f"{expected}, {array.pattern}"
            )
    return sizes


def _settle(sizes: Sizes, name: str, array: ArrayRow, shape: Sequence[int]) -> None:
    axes = parse(array.pattern)
    if len(axes) != len(shape):
        raise WeightsMismatch("wrong number of axes", where=name, found=tuple(shape), expected=array.pattern)
    for group, size in zip(axes, shape, strict=True):
        open_letters = [a for a in group if a not in sizes]
        known = math.prod(sizes[a] for a in group if a in sizes)
        if len(open_letters) == 1 and known and size % known == 0:
            sizes[open_letters[0]] = size // known


def _shape(array: ArrayRow, sizes: Sizes) -> tuple[int, ...]:
    return tuple(math.prod(sizes.get(a, -1) for a in group) for group in parse(array.pattern))


def expected_shapes(row: Layout, sizes: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
    """The shape of every array of a row, where the sizes of h, i (and spatial letters) are known."""
    full = {"g": len(row.gates), "p": 2 if row.bias == "split" else 1, "k": sizes["h"], **sizes}
    return {name: _shape(array, full) for name, array, _ in _stored(row)}


def unpack_row(row: Layout, arrays: Mapping[str, Array], known: Mapping[str, int] | None = None) -> CellWeights:
    """A row's arrays as canonical weights: index moves only, no arithmetic."""
    sizes = solve(row, {name: array.shape for name, array in arrays.items()}, known)
    found: dict[str, dict[str | None, Array]] = {}
    for name, array_row, key in _stored(row):
        found.setdefault(array_row.canonical, {})[key] = _to_canonical(np.asarray(arrays[name]), array_row, sizes)
    order = [row.gates.index(g) for g in GATES[_gate_kind(row)]]
    canonical: dict[str, Array] = {}
    for name, pieces in found.items():
        axes = _CANONICAL[name]
        if None in pieces:
            canonical[name] = _taken(pieces[None], order, axes.index("g"))
        elif set(pieces) <= {"0", "1"}:
            canonical[name] = _taken(np.concatenate([pieces["0"], pieces["1"]], axis=0), order, axes.index("g"))
        else:
            canonical[name] = np.concatenate([pieces[g] for g in GATES[_gate_kind(row)]], axis=axes.index("g"))
    kind = "conv_lstm" if row.kind.startswith("conv") else row.kind
    return CellWeights(kind=kind, reset_after=bool(row.reset_after), **canonical)


def pack_row(row: Layout, weights: CellWeights) -> dict[str, Array]:
    """Canonical weights in the order, shapes and names of a row; contiguous copies, the input untouched. Large arrays
    are copied beside each other: turning one round takes longer than the memory needs to deliver it."""
    named = dict(laid_out(row, weights))
    if sum(array.nbytes for array in named.values()) < _LARGE:
        return {name: copied(array, array.dtype) for name, array in named.items()}
    from concurrent.futures import ThreadPoolExecutor  # a third of this package's own import time

    with ThreadPoolExecutor() as pool:
        return dict(zip(named, pool.map(lambda array: copied(array, array.dtype), named.values()), strict=True))


def laid_out(row: Layout, weights: CellWeights) -> Iterator[tuple[str, Array]]:
    """The same one after the other, and views of the weights wherever the row keeps their order."""
    sizes: Sizes = {
        "g": len(row.gates),
        "p": 2 if row.bias == "split" else 1,
        "h": weights.units,
        "k": weights.units,
        "i": weights.input_size,
    }
    sizes |= dict(zip(_SPACE[6 - weights.kernel.ndim :], weights.kernel.shape[3:], strict=True))
    canonical_gates, arrays = GATES[_gate_kind(row)], dict(weights.arrays())
    for name, array_row, key in _stored(row):
        axis = _CANONICAL[array_row.canonical].index("g")
        if key is None or key in "01":
            whole = _taken(arrays[array_row.canonical], [canonical_gates.index(g) for g in row.gates], axis)
            whole = whole if key is None else whole[int(key)][None]
        else:
            whole = _taken(arrays[array_row.canonical], [canonical_gates.index(key)], axis)
        yield name, _from_canonical(whole, array_row, sizes)


def _taken(whole: Array, order: list[int], axis: int) -> Array:
    """One place along the axis, or all of them in this order: a view, or what lies in memory as the array does, since
    `take` would turn it into C order first."""
    if order == list(range(whole.shape[axis])):
        return whole
    places = np.split(whole, whole.shape[axis], axis)
    if len(order) == 1:
        return places[order[0]]
    taken = np.empty_like(whole)
    for place, n in zip(np.split(taken, len(order), axis), order, strict=True):
        place[...] = places[n]
    give_back(whole)
    return taken


def _gate_kind(row: Layout) -> str:
    return "lstm" if row.kind.startswith("conv") else row.kind


def _canonical_axes(array: ArrayRow) -> tuple[str, ...]:
    letters = [a for group in parse(array.pattern) for a in group]
    return (*_CANONICAL[array.canonical], *(s for s in _SPACE if s in letters))


def _to_canonical(stored: Array, array: ArrayRow, sizes: Sizes) -> Array:
    letters = [a for group in parse(array.pattern) for a in group]
    whole = stored.reshape([sizes[a] for a in letters])
    if array.memory:
        first, second = (m.split() for m in array.memory)
        whole = np.ascontiguousarray(whole.transpose([letters.index(a) for a in first]))
        letters, whole = second, whole.reshape([sizes[a] for a in second])
    axes = _canonical_axes(array)
    whole = whole.transpose([letters.index(a) for a in axes if a in letters])
    return whole.reshape([whole.shape[[a for a in axes if a in letters].index(a)] if a in letters else 1 for a in axes])


def _from_canonical(whole: Array, array: ArrayRow, sizes: Sizes) -> Array:
    letters = [a for group in parse(array.pattern) for a in group]
    axes = _canonical_axes(array)
    target = array.memory[1].split() if array.memory else letters
    whole = whole.reshape([n for a, n in zip(axes, whole.shape, strict=True) if a in target])
    kept = [a for a in axes if a in target]
    whole = whole.transpose([kept.index(a) for a in target])
    if array.memory:
        first = array.memory[0].split()
        whole = np.ascontiguousarray(whole).reshape([sizes[a] for a in first])
        whole = whole.transpose([first.index(a) for a in letters])
    return whole.reshape(_shape(array, sizes))


def unpack(
    format: str, kind: str, arrays: Mapping[str, Any] | Iterable[Any], *, reset_after: bool | None = None
) -> CellWeights:
    """One cell's arrays, by name or in the format's own order, as canonical weights. Exact: indices move, bits do not.

    The row is found by the arrays' names and shapes. Raises WeightsMismatch where none fits, and PortingError where a
    GRU without bias leaves `reset_after` open."""
    fitting: list[CellWeights] = []
    problems: list[PortingError] = []
    listed = None if isinstance(arrays, Mapping) else [np.asarray(a) for a in arrays]
    for row in rows_of(format, kind):
        if reset_after is not None and row.reset_after not in (None, reset_after):
            continue
        if isinstance(arrays, Mapping):
            named = {str(k): np.asarray(v) for k, v in arrays.items()}
        else:
            assert listed is not None
            named = (
                dict(zip(names(row), listed, strict=False))
                if len(listed) == len(names(row))
                else {str(n): a for n, a in enumerate(listed)}
            )
        try:
            fitting.append(unpack_row(row, named))
        except WeightsMismatch as problem:
            problems.append(problem)
    if not fitting:
        raise (
            problems[0] if problems else WeightsMismatch(f"no {format} layout of {kind} with reset_after={reset_after}")
        )
    if len(fitting) > 1:
        raise PortingError(
            f"a {kind} without bias does not tell its reset_after", way_out="Pass reset_after=True or False."
        )
    return fitting[0]


def pack(format: str, weights: CellWeights) -> dict[str, Array]:
    """Canonical weights as the format's arrays by name.

    Where the format has two biases and the cell one, the second is zero. Where it has one and the cell two, they are
    added for LSTM and RNN; a reset_after GRU raises `Unrepresentable`, since there the sum is another function."""
    kind = f"conv_lstm{weights.kernel.ndim - 3}" if weights.kind == "conv_lstm" else weights.kind
    reset_after = weights.reset_after if kind == "gru" else None
    forms = {"single": ("single", "split"), "split": ("split", "single"), "none": ("none", "single", "split")}[
        weights.bias_form
    ]
    for form in forms:
        try:
            row = layout(format, kind, bias=form, reset_after=reset_after)
        except Unrepresentable:
            continue
        return pack_row(row, with_bias(weights, form))
    raise Unrepresentable(
        f"the layout {format} can't state this {weights.kind}: {weights.bias_form} bias"
        + (f", reset_after={weights.reset_after}" if kind == "gru" else ""),
        way_out="Its cell computes another function; use a module with Keras semantics (weight_mapping.torch.build).",
    )


def with_bias(weights: CellWeights, form: str) -> CellWeights:
    """The same function with another form of bias; the weights themselves where it is theirs already."""
    if form == weights.bias_form:
        return weights
    if form == "none" or (form == "single" and weights.bias_form == "split" and weights.kind == "gru"):
        raise Unrepresentable(f"a {weights.kind} with {weights.bias_form} bias can't be stated with {form} bias")
    gates, units = weights.kernel.shape[:2]
    zeros = np.zeros((1, gates, units), weights.kernel.dtype)
    base = zeros if weights.bias is None else weights.bias
    if form == "split":
        return replace(weights, bias=np.concatenate([base, zeros]))
    return replace(weights, bias=base.sum(0, keepdims=True, dtype=base.dtype))
