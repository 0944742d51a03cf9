"""Recurrent cells told by the names and shapes of their arrays, where a file has no configuration.

A recurrent cell is what no other layer is: a kernel (i, G u) followed by a recurrent kernel (u, G u), with G = 4
(LSTM), 3 (GRU) or 1 (SimpleRNN). What may be read in two ways is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise, permutations
from typing import Any

from weight_mapping.errors import PortingError, shown
from weight_mapping.files.archive import Archive, Stored
from weight_mapping.files.object_graph import SUFFIX

_KERAS_1 = re.compile(r"(?P<cell>.*?)_?(?P<array>[WUb])(?:_(?P<gate>[icfozrh]))?(?:_\d+)?")
_GATES = {"icfo": "lstm", "zrh": "gru", "": ""}

_ARRAYS = ("kernel", "recurrent_kernel", "bias")
WAY_OUT = "Pass config= (the command: --config) with the model's configuration."
_MOST_CELLS = 6
"""A stack of more is not put in order by trying every one."""
Group = tuple[str, tuple[Stored, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """One cell as its arrays show it. `form` (Keras 1 only) is consume_less; `direction` forward, backward or None."""

    where: str
    kind: str
    units: int
    input_size: int
    arrays: tuple[Stored, ...]
    use_bias: bool
    reset_after: bool | None = None
    direction: str | None = None
    form: str | None = None


def recognise(archive: Archive) -> list[tuple[str, list[Sketch]]]:
    """(name, cells) of every recurrent layer, in the archive's order; cells of a stack in theirs. Raises PortingError
    for what names and shapes leave open."""
    told = archive.tree is None
    return [(name, _arranged(name, cells, told=told)) for group in groups(archive) for name, cells in _layers(*group)]


def groups(archive: Archive) -> list[Group]:
    """The archive's arrays by layer, in its own order, whatever its layout."""
    if archive.layers is not None:
        return list(archive.layers)
    stored = list(((archive.tree if archive.tree is not None else archive.named) or {}).items())
    if not tells_order(archive):
        stored.sort(key=_in_a_cell)
    return [
        (archive.names.get(place, place.rpartition("/")[2]), tuple(arrays for _, arrays in members))
        for place, members in groupby(stored, lambda item: _layer_place(item[0]))
    ]


def tells_order(archive: Archive) -> bool:
    """Whether the archive lists its layers in the model's order: the legacy layout does, and TensorFlow's object graph
    of a Keras 3 model. A tree, a table and the graph of a tf.keras model list them by name."""
    graph = archive.container in ("SavedModel", "TF checkpoint")
    return archive.layers is not None or (graph and not any(name.endswith(SUFFIX) for name in archive.named or ()))


def _in_a_cell(item: tuple[str, Stored]) -> tuple[Any, ...]:
    """Sorts by place, numbers as numbers, and within a cell as Keras lists its arrays: a checkpoint sorts them by
    name, the bias first."""
    stored = item[1]
    place = [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", _stem(stored))]
    return place, _ARRAYS.index(_base(stored)) if _base(stored) in _ARRAYS else len(_ARRAYS), stored.name


_INNER = re.compile(
    r"cell|vars|layer|kernel|recurrent_kernel|bias|(forward|backward)_.+|"
    r"(lstm|gru|simple_rnn|stacked_rnn)_cells?(_\d+)?"
)


def _layer_place(key: str) -> str:
    """The group of a variable's layer: 'layers/lstm' of 'layers/lstm/cell/vars/0', 'lstm' of 'lstm/lstm_cell/bias'."""
    parts = key.removesuffix(SUFFIX).split("/")
    ends = [n for n, part in enumerate(parts) if n and _INNER.fullmatch(part)]
    return "/".join(parts[: ends[0]] if ends else parts[:-1])


def _layers(group: str, arrays: Sequence[Stored]) -> Iterator[tuple[str, list[Sketch]]]:
    """(name, cells) of every recurrent layer in one group; a nested model's group holds several."""
    found = [*_by_gate(arrays), *_in_sequence(arrays)]
    _refuse_others(found, arrays)
    if len(found) == 2 and _are_directions(group, *found):
        found = [replace(cell, direction=side) for cell, side in zip(found, ("forward", "backward"), strict=True)]
    places = list(dict.fromkeys(_layer_of(cell) for cell in found))
    for place in places:
        own = [cell for cell in found if _layer_of(cell) == place]
        alone = len(places) == 1 or place == group
        yield group if alone else f"{group}/{place}", sorted(own, key=lambda c: c.direction == "backward")


def _refuse_others(cells: Sequence[Sketch], arrays: Sequence[Stored]) -> None:
    """PortingError for an array beside a cell's own: no cell of Keras has it, so the layer is its author's."""
    taken = {stored.path for cell in cells for stored in cell.arrays}
    stems = {_stem(stored) for cell in cells for stored in cell.arrays if cell.form is None}
    for stored in arrays:
        seeds = stored.dtype.kind in "iu"  # a layer with dropout keeps its random state among its variables
        if stored.path not in taken and _stem(stored) in stems and not seeds:
            raise PortingError(
                "an array that no recurrent layer of Keras has", where=shown(stored.name), found=stored.shape,
                way_out=WAY_OUT,
            )  # fmt: skip


def _are_directions(group: str, one: Sketch, other: Sketch) -> bool:
    """Whether two cells whose names don't tell them apart are those of a Bidirectional: by the layer's name, or because
    the second can't follow the first. PortingError where they may as well be stacked."""
    alike = (one.kind, one.units, one.input_size) == (other.kind, other.units, other.input_size)
    if not alike or one.where != other.where:
        return False
    if "bidirectional" in group.lower() or one.units != one.input_size:
        return True
    raise PortingError(
        "two cells that may be stacked or the two directions of a Bidirectional", where=shown(group),
        found=f"twice {one.units} units with {one.input_size} inputs", way_out=WAY_OUT,
    )  # fmt: skip


def _arranged(layer: str, cells: list[Sketch], *, told: bool) -> list[Sketch]:
    """Stacked cells in an order in which one's units are the next one's input: the file's own where it is `told`; a
    tree is sorted by names, which don't tell. PortingError where no order fits, or several do."""
    if len(cells) < 2 or cells[0].direction:
        return cells
    orders = [tuple(cells)] if told else permutations(cells) if len(cells) <= _MOST_CELLS else ()
    fitting = [list(order) for order in orders if all(a.units == b.input_size for a, b in pairwise(order))]
    if len(fitting) != 1:
        raise PortingError(
            "stacked cells whose order the file does not tell" if fitting or not told else "cells that are no stack",
            where=shown(layer), found=", ".join(f"{c.kind} of {c.units} units, {c.input_size} inputs" for c in cells),
            way_out=WAY_OUT,
        )  # fmt: skip
    return fitting[0]


def _layer_of(cell: Sketch) -> str:
    """The layer that a cell belongs to: its path without the parts that only a cell or a direction adds."""
    parts = [p for p in cell.where.split("/") if not re.fullmatch(r"(lstm|gru|simple_rnn)_cell(_\d+)?|cells?|\d+", p)]
    if cell.direction is None:
        return parts[-1] if parts else ""
    kept = [p for p in parts if not re.match("(forward|backward)(_|$)", p)]
    return kept[-1] if kept else ""


def _in_sequence(arrays: Sequence[Stored]) -> Iterator[Sketch]:
    """Cells of Keras 2 and 3: kernel, recurrent_kernel and bias, one after the other."""
    for n in range(len(arrays) - 1):
        kernel, recurrent = arrays[n : n + 2]
        if not _is_recurrent(recurrent) or len(kernel.shape) != 2:
            continue
        units, wide = recurrent.shape
        kind = {4: "lstm", 3: "gru", 1: "rnn"}.get(wide // units if wide % units == 0 else 0)
        if kind is None or kernel.shape[1] != wide:
            continue
        bias = arrays[n + 2] if n + 2 < len(arrays) and _is_bias(arrays[n + 2], kernel, wide) else None
        flat = bias is not None and bias.shape == (2 * wide,)
        yield Sketch(
            where=_stem(kernel), kind=f"cudnn {kind}" if flat else kind, units=units, input_size=kernel.shape[0],
            arrays=(kernel, recurrent, *([bias] if bias is not None else [])), use_bias=bias is not None,
            reset_after=None if bias is None or kind != "gru" or flat else bias.shape == (2, wide),
            direction=_direction(kernel.path) or _direction(kernel.name),
        )  # fmt: skip


def _is_recurrent(stored: Stored) -> bool:
    name = _base(stored)
    told = name == "recurrent_kernel" or (name == "1" and re.search(r"/(cell|cells/\w+)/vars/1$", stored.name))
    return bool(told) and len(stored.shape) == 2 and stored.shape[0] > 0


def _is_bias(stored: Stored, kernel: Stored, wide: int) -> bool:
    named = _base(stored) == "bias" or (_base(stored) == "2" and _stem(stored) == _stem(kernel))
    return named and stored.shape in ((wide,), (2, wide), (2 * wide,))


def _by_gate(arrays: Sequence[Stored]) -> Iterator[Sketch]:
    """Cells of Keras 1: W_i, U_i, b_i and so on, one array a gate; or W, U, b, all gates in one."""
    named = [(match, a) for a in arrays if (match := _KERAS_1.fullmatch(_base(a)))]
    for where, members in groupby(named, lambda pair: pair[0]["cell"]):
        own = list(members)
        recurrent = next((a for match, a in own if match["array"] == "U"), None)
        letters = "".join(dict.fromkeys(match["gate"] or "" for match, _ in own))
        if recurrent is None or len(recurrent.shape) != 2 or letters not in _GATES:
            continue
        units, wide = recurrent.shape
        kind = _GATES[letters] or {4: "lstm", 3: "gru", 1: "rnn"}.get(wide // units)
        kernel = next((a for match, a in own if match["array"] == "W"), None)
        if kind is None or kernel is None or len(kernel.shape) != 2:
            continue
        yield Sketch(
            where=where, kind=kind, units=units, input_size=kernel.shape[0], arrays=tuple(a for _, a in own),
            use_bias=True, reset_after=False if kind == "gru" else None, direction=_direction(where),
            form="cpu" if letters else "gpu",
        )  # fmt: skip


def _base(stored: Stored) -> str:
    name = re.sub(r":\d+$", "", stored.name.removesuffix(SUFFIX)).rpartition("/")[2]
    return re.sub(r"^(recurrent_kernel|kernel|bias)_\d+$", r"\1", name)


def _stem(stored: Stored) -> str:
    return stored.name.removesuffix(SUFFIX).rpartition("/")[0].removesuffix("/vars")


def _direction(path: str) -> str | None:
    found = re.search(r"(?:^|/)(forward|backward)[_/]", path)
    return found[1] if found else None
