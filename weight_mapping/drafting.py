"""A draft of the configuration that a file of weights alone leaves out: its recurrent layers, told by names and shapes.

A recurrent cell is what no other layer is: a kernel (i, G u) followed by a recurrent kernel (u, G u), with G = 4
(LSTM), 3 (GRU) or 1 (SimpleRNN). What shapes can't tell (activations, the direction of a single layer, masks) is
assumed to be the default of the Keras that wrote the file, and each assumption is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise, permutations
from typing import Any

from weight_mapping.errors import PortingError, shown
from weight_mapping.files.archive import Archive, Stored

_KERAS_1 = re.compile(r"(?P<cell>.*?)_?(?P<array>[WUb])(?:_(?P<gate>[icfozrh]))?(?:_\d+)?")
_GATES = {"icfo": "lstm", "zrh": "gru", "": ""}
_CLASSES = {"lstm": "LSTM", "gru": "GRU", "rnn": "SimpleRNN", "cudnn lstm": "CuDNNLSTM", "cudnn gru": "CuDNNGRU"}
_ATTRIBUTES = "/.ATTRIBUTES/VARIABLE_VALUE"
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


def draft(archive: Archive) -> Archive:
    """The archive's recurrent layers alone, each with an input of its own, and the configuration that says so. What was
    assumed is in `assumptions`. Raises PortingError where no recurrent layer can be recognised."""
    layers = [(name, cells) for group in groups(archive) for name, cells in _layers(*group)]
    if archive.tree is not None:
        layers = [(name, _in_order(name, cells)) for name, cells in layers]
    if not layers:
        raise PortingError(
            "no recurrent layer can be recognised by names and shapes", where=str(archive.path),
            found=", ".join(shown(stored.name) for stored in archive.stored()[:6]) or "no array",
            way_out="Pass config= (the command: --config) with the model's configuration.",
        )  # fmt: skip
    names = _distinct([name for name, _ in layers])
    old = any(cell.form for _, cells in layers for cell in cells)
    version = archive.keras_version or ("1" if old else "3" if archive.tree is not None else None)
    sketched = {name: cells for name, (_, cells) in zip(names, layers, strict=True)}
    config = _model(sketched, archive.path.stem, three=(version or "").startswith("3"))
    arrays = tuple((n, tuple(a for c in cells for a in c.arrays)) for n, (_, cells) in zip(names, layers, strict=True))
    return replace(archive, config=config, keras_version=version, layers=arrays, tree=None, named=None)


def assumptions(drafted: Archive, told: str | None) -> tuple[str, ...]:
    """One sentence for each thing that the drafted layers take for granted. `told`: the version in the file."""
    assert drafted.config is not None
    layers = [layer for layer in drafted.config["config"]["layers"] if layer["class_name"] != "InputLayer"]
    words = [
        f"{layer['name']}: recognised as {layer['class_name']} by names and shapes; assumed: {_assumed(layer)}, "
        "every step returned, no mask, activation tanh"
        for layer in layers
    ]
    if told is None:
        words.insert(0, f"the file does not say which Keras wrote it; assumed: the defaults of {_writer(drafted)}")
    return tuple(words)


def _assumed(layer: Mapping[str, Any]) -> str:
    if layer["class_name"] == "Bidirectional":
        return "merge_mode concat"
    return "forward in time"


def _writer(drafted: Archive) -> str:
    return f"Keras {drafted.keras_version}" if drafted.keras_version else "tf.keras 2"


def groups(archive: Archive) -> list[Group]:
    """The archive's arrays by layer, in its own order, whatever its layout."""
    if archive.layers is not None:
        return list(archive.layers)
    stored = (archive.tree if archive.tree is not None else archive.named) or {}
    return [
        (archive.names.get(place, place.rpartition("/")[2]), tuple(arrays for _, arrays in members))
        for place, members in groupby(stored.items(), lambda item: _layer_place(item[0]))
    ]


def _layer_place(key: str) -> str:
    """The group of a variable's layer: 'layers/lstm' of 'layers/lstm/cell/vars/0'."""
    parts = key.removesuffix(_ATTRIBUTES).split("/")
    inner = ("cell", "vars", "forward_layer", "backward_layer", "layer", "kernel", "recurrent_kernel", "bias")
    ends = [n for n, part in enumerate(parts) if n and part in inner]
    return "/".join(parts[: ends[0]] if ends else parts[:-1])


def _layers(group: str, arrays: Sequence[Stored]) -> Iterator[tuple[str, list[Sketch]]]:
    """(name, cells) of every recurrent layer in one group; a nested model's group holds several."""
    found = [*_by_gate(arrays), *_in_sequence(arrays)]
    sides = [cell.direction for cell in found]
    if len(found) == 2 and None in sides and _alike(*found) and "bidirectional" in group.lower():
        found = [replace(cell, direction=side) for cell, side in zip(found, ("forward", "backward"), strict=True)]
    places = list(dict.fromkeys(_layer_of(cell) for cell in found))
    for place in places:
        own = [cell for cell in found if _layer_of(cell) == place]
        alone = len(places) == 1 or place == group
        yield group if alone else f"{group}/{place}", sorted(own, key=lambda c: c.direction == "backward")


def _in_order(layer: str, cells: list[Sketch]) -> list[Sketch]:
    """Stacked cells in the order in which one's units are the next one's input: a tree is sorted by names, which don't
    tell. PortingError where several orders fit."""
    if len(cells) < 2 or cells[0].direction:
        return cells
    orders = permutations(cells) if len(cells) <= _MOST_CELLS else ()
    fitting = [list(order) for order in orders if all(a.units == b.input_size for a, b in pairwise(order))]
    if len(fitting) != 1:
        raise PortingError(
            "stacked cells whose order the file does not tell", where=shown(layer), found=f"{len(cells)} cells",
            way_out="Pass config= (the command: --config) with the model's configuration.",
        )  # fmt: skip
    return fitting[0]


def _alike(one: Sketch, other: Sketch) -> bool:
    return (one.kind, one.units, one.input_size) == (other.kind, other.units, other.input_size)


def _layer_of(cell: Sketch) -> str:
    """The layer that a cell belongs to: its path without the parts that only a cell or a direction adds."""
    parts = [p for p in cell.where.split("/") if not re.fullmatch(r"(lstm|gru|simple_rnn)_cell(_\d+)?|cells?|\d+", p)]
    if cell.direction is None:
        return parts[-1] if parts else ""
    kept = [p for p in parts if not re.match("(forward|backward)_", p)]
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
            direction=_direction(kernel.path),
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
    name = re.sub(r":\d+$", "", stored.name.removesuffix(_ATTRIBUTES)).rpartition("/")[2]
    return re.sub(r"^(recurrent_kernel|kernel|bias)_\d+$", r"\1", name)


def _stem(stored: Stored) -> str:
    return stored.name.removesuffix(_ATTRIBUTES).rpartition("/")[0].removesuffix("/vars")


def _direction(path: str) -> str | None:
    found = re.search(r"(?:^|/)(forward|backward)_", path)
    return found[1] if found else None


def _distinct(names: Sequence[str]) -> list[str]:
    """The names, a number behind each that is already taken."""
    taken: dict[str, int] = {}
    for name in names:
        taken[name] = taken.get(name, 0) + 1
    counted: dict[str, int] = {}
    found = []
    for name in names:
        counted[name] = counted.get(name, 0) + 1
        found.append(name if taken[name] == 1 else f"{name}#{counted[name]}")
    return found


def _model(layers: Mapping[str, list[Sketch]], name: str, *, three: bool) -> dict[str, Any]:
    """A functional model in Keras' words (`three`: Keras 3's): every layer with an input of its own, every output an
    output."""
    written: list[dict[str, Any]] = []
    for layer, cells in layers.items():
        width = {"batch_input_shape": [None, None, cells[0].input_size], "name": f"{layer}/input"}
        written.append({"class_name": "InputLayer", "name": f"{layer}/input", "config": width, "inbound_nodes": []})
        tensor = {"class_name": "__keras_tensor__", "config": {"keras_history": [f"{layer}/input", 0, 0]}}
        node = {"args": [tensor], "kwargs": {}} if three else [[f"{layer}/input", 0, 0, {}]]
        written.append({"name": layer, "inbound_nodes": [node], **_layer(layer, cells)})
    config = {
        "name": name,
        "layers": written,
        "input_layers": [[f"{layer}/input", 0, 0] for layer in layers],
        "output_layers": [[layer, 0, 0] for layer in layers],
    }
    return {"class_name": "Model", "config": config}


def _layer(name: str, cells: Sequence[Sketch]) -> dict[str, Any]:
    if len(cells) == 1:
        return {"class_name": _CLASSES[cells[0].kind], "config": {"name": name, **_run(cells[0])}}
    if [cell.direction for cell in cells] == ["forward", "backward"]:
        forward, backward = (
            {"class_name": _CLASSES[c.kind], "config": {"name": c.direction, "go_backwards": back, **_run(c)}}
            for c, back in zip(cells, (False, True), strict=True)
        )
        both = {"layer": forward, "backward_layer": backward, "merge_mode": "concat"}
        return {"class_name": "Bidirectional", "config": {"name": name, **both}}
    stack = [{"class_name": f"{_CLASSES[c.kind]}Cell", "config": _cell(c)} for c in cells]
    cell = {"class_name": "StackedRNNCells", "config": {"cells": stack}}
    return {"class_name": "RNN", "config": {"name": name, "cell": cell, "return_sequences": True}}


def _run(cell: Sketch) -> dict[str, Any]:
    return {**_cell(cell), "return_sequences": True}


def _cell(cell: Sketch) -> dict[str, Any]:
    if cell.form:
        return {"output_dim": cell.units, "consume_less": cell.form}
    told = {} if cell.reset_after is None else {"reset_after": cell.reset_after}
    return {"units": cell.units, "use_bias": cell.use_bias, **told}
