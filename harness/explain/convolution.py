"""What a ConvLSTM configures: `explain` for images, where `units` is a number of filters and a window does the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from math import prod
from typing import Any

import numpy as np

from harness.explain import scalar_copies
from harness.explain.words import GATE_NAMES, ORDER, STATES, UPDATE, Shape, array, choices, parameter_formula, times
from weight_mapping import oracle
from weight_mapping.errors import PortingError
from weight_mapping.spec import ConvCell, Recurrent
from weight_mapping.weights import BIAS_PARTS, CellWeights

_EXAMPLE = 8
_SPREAD = 3
"""So many steps are followed to see how far one place of the image reaches."""


def usual(filters: int, channels: int, window: int) -> ConvCell:
    """The cell of a ConvLSTM2D as Keras builds it by default: padding valid, stride and dilation 1."""
    once = (1, 1)
    return ConvCell(
        rank=2, units=filters, kernel_size=(window, window), strides=once, padding="valid", dilation=once,
        input_size=channels,
    )  # fmt: skip


def example(cell: ConvCell) -> tuple[int, ...]:
    """An image that the cell's window fits into, where none is known."""
    return tuple(max(_EXAMPLE, _reach(k, d) + 1) for k, d in zip(cell.kernel_size, cell.dilation, strict=True))


def explain(
    cell: ConvCell, *, batch: int, time: int, image: Sequence[int] = (), layer: Recurrent | None = None, name: str = ""
) -> dict[str, Any]:  # fmt: skip
    """Everything about one cell of known channels, in the form that `recurrent.explain` gives. `image`: the sizes of
    its input; an example's, which is said, where none are given. PortingError where the window does not fit."""
    known, image = bool(image), tuple(image) or example(cell)
    cell = replace(cell, channels_first=False)
    units, gates, channels = cell.units, len(cell.gates), cell.input_size or 1
    after = _positions(cell, image)
    call = f"ConvLSTM{cell.rank}D({units}, {cell.kernel_size})"
    picture = _shape_of(layer, image, channels), _shape_of(layer, after, units)
    return {
        "name": name,
        "call": call,
        "kind": cell.kind,
        "units": units,
        "input_size": channels,
        "takes": f"images of {times(image)} with {channels} channels",
        "image": {"input": list(image), "output": list(after), "kernel": list(cell.kernel_size), "known": known},
        "batch": batch,
        "time": time,
        "answer": _answer(cell, image, after, known=known),
        "gates": [_gate(cell, n, letter) for n, letter in enumerate(cell.gates)],
        "update": [line.format(activation=cell.activation) for line in UPDATE["lstm"]],
        "arrays": _arrays(cell, gates, channels),
        "counted": "gates x (units x input x window + units x units x window + biases x units)",
        "formula": parameter_formula(cell),
        "parameters": gates * units * ((channels + units) * prod(cell.kernel_size) + BIAS_PARTS[cell.bias]),
        "pytorch": _pytorch(cell, gates, channels),
        "steps": _steps(batch, time, *picture),
        "returns": list(choices([batch], time, picture[1], picture[1], cell.states, layer)),
        "copies": asdict(scalar_copies.measure(cell)),
    }


def _answer(cell: ConvCell, image: Sequence[int], after: Sequence[int], *, known: bool) -> list[str]:
    n, window = cell.units, times(cell.kernel_size)
    spread = ", then ".join(times(sizes) for sizes in spreading(cell))
    return [
        f"filters={n} is a number of channels: the state c, the output h and each gate are images with {n} channels.",
        f"Every place of the image has the same weights: a window of {window} over the input and one over the past h.",
        f"The input's {times(image)} places become {times(after)} (padding {cell.padding}, strides "
        f"{times(cell.strides)}); the past h is always read with padding same, so that its size stays."
        + ("" if known else " The image's size is an example: it is part of no weight."),
        f"Places are not independent: measured, one place of the input at a step reaches {spread} places of h from "
        "that step on.",
    ]


def spreading(cell: ConvCell) -> list[tuple[int, ...]]:
    """How many places of h, along each axis, one changed place of the first input changes at each of three steps,
    measured in the float64 oracle away from the image's edges."""
    cell = replace(cell, units=1, input_size=1, padding="same", bias="none", channels_first=False)
    far = [
        _reach(k, d) + _SPREAD * k * s for k, d, s in zip(cell.kernel_size, cell.dilation, cell.strides, strict=True)
    ]
    sizes = [2 * n + 1 for n in far]
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, _SPREAD, *sizes, 1))
    changed = x.copy()
    changed[(0, 0, *far, 0)] += 1
    ones = (4, 1, 1, *cell.kernel_size)
    weights = CellWeights(
        kind=cell.kind, kernel=rng.uniform(0.1, 1, ones), recurrent=rng.uniform(0.1, 1, ones), bias=None
    )
    moved = (_run(cell, weights, x) != _run(cell, weights, changed))[0, ..., 0]
    return [tuple(int(np.ptp(axis)) + 1 for axis in np.nonzero(step)) for step in moved]


def _positions(cell: ConvCell, image: Sequence[int]) -> tuple[int, ...]:
    """The places of h, as the oracle has them."""
    reaches = [_reach(k, d) for k, d in zip(cell.kernel_size, cell.dilation, strict=True)]
    if cell.padding == "valid" and any(n <= reach for n, reach in zip(image, reaches, strict=True)):
        raise PortingError(
            "the window is larger than the image", found=times(cell.kernel_size), expected=f"at most {times(image)}",
            way_out="Explain it on a larger image.",
        )  # fmt: skip
    one = replace(cell, units=1, input_size=1, bias="none")
    zeros = np.zeros((4, 1, 1, *cell.kernel_size))
    weights = CellWeights(kind=cell.kind, kernel=zeros, recurrent=zeros, bias=None)
    return tuple(_run(one, weights, np.zeros((1, 1, *image, 1))).shape[2:-1])


def _run(cell: ConvCell, weights: CellWeights, x: Any) -> Any:
    return oracle.forward(Recurrent(cells=(cell,), return_sequences=True), {("0",): weights}, x).outputs[0]


def _reach(window: int, dilation: int) -> int:
    return (window - 1) * dilation


def _shape_of(layer: Recurrent | None, image: Sequence[int], channels: int) -> Shape:
    """An image's shape, channels where the layer has them."""
    cell = layer.cells[0] if layer else None
    first = isinstance(cell, ConvCell) and cell.channels_first
    return [channels, *image] if first else [*image, channels]


def _gate(cell: ConvCell, n: int, letter: str) -> dict[str, Any]:
    function = cell.activation if letter == "c" else cell.recurrent_activation
    bias = "" if cell.bias == "none" else f" + b_{letter}"
    return {
        "letter": letter,
        "name": GATE_NAMES["lstm"][letter],
        "columns": [n * cell.units, (n + 1) * cell.units],
        "equation": f"{'g' if letter == 'c' else letter} = {function}(conv(x, W_{letter}) + conv(h, U_{letter}){bias})",
    }


def _arrays(cell: ConvCell, gates: int, channels: int) -> list[dict[str, Any]]:
    window, units = list(cell.kernel_size), cell.units
    found = [
        array(name, [*window, width, gates * units], [*window, width, units], meaning)
        for name, width, meaning in (
            ("kernel", channels, "W, from the input's window"),
            ("recurrent_kernel", units, "U, from the past h's window"),
        )
    ]
    if cell.bias == "single":
        found.append(array("bias", [gates * units], [units], "b, added in each gate at every place"))
    return found


def _pytorch(cell: ConvCell, gates: int, channels: int) -> dict[str, Any]:
    window, units = list(cell.kernel_size), cell.units
    rows: list[dict[str, Any]] = [
        {"name": "weight_ih", "shape": [gates * units, channels, *window], "source": "kernel, its last axis first"},
        {"name": "weight_hh", "shape": [gates * units, units, *window], "source": "recurrent_kernel, likewise"},
    ]
    if cell.bias == "single":
        rows.append({"name": "bias", "shape": [gates * units], "source": "bias"})
    return {
        "call": "a module of its own: PyTorch has no ConvLSTM",
        "order": ORDER["lstm"],
        "arrays": rows,
        "parameters": sum(prod(row["shape"]) for row in rows),
    }


def _steps(batch: int, time: int, before: Shape, after: Shape) -> list[dict[str, Any]]:
    return [
        {"name": "x", "shape": [batch, time, *before], "meaning": "the input: batch, time, an image"},
        {"name": "x at one step", "shape": [batch, *before], "meaning": f"the cell is applied {time} times"},
        {"name": "each gate", "shape": [batch, *after], "meaning": ", ".join(GATE_NAMES["lstm"].values())},
        *({"name": f"state {s}", "shape": [batch, *after], "meaning": STATES[s]} for s in ("h", "c")),
    ]
