"""The pictures of `explain`: one step with the kernels as blocks by gate, and the cell over time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, Rectangle

from reports.svg import COLOURS, SETTINGS, inline, new_figure

_THIN, _GAP = 0.26, 0.42
_PLACES = 8
_SHOWN_STEPS = 5
_START, _PITCH = 1.8, 1.75


def step(layer: Mapping[str, Any], name: str) -> Markup:
    """One time step: x through the kernel and h through the recurrent kernel, block by block, into gates and states.
    Lengths grow with the square root of the sizes; the figures are the real shapes."""
    units, inputs, gates = layer["units"], layer["input_size"], [g["letter"] for g in layer["gates"]]
    wide, tall = _length(units, max(units, inputs)), _length(inputs, max(units, inputs))
    image = layer.get("image")
    if image:  # both products read images, drawn alike
        wide = tall = 1.5
    sizes = {row["name"]: row["shape"][1:] for row in layer["steps"]}
    biases = [a for a in layer["arrays"] if a["name"] == "bias"]
    rows = 2 if biases and len(biases[0]["shape"]) == 2 else len(biases)
    left = max(wide, tall) + 1.3
    width, height = left + len(gates) * wide + 3.3, tall + wide + rows * 0.36 + 3.1
    with mpl.rc_context(SETTINGS):
        drawing = new_figure(width, height)
        axes = _canvas(drawing.add_axes((0, 0, 1, 1)), width, height)
        y = _GAP
        many = f"{len(gates)} x {units} = {len(gates) * units} {'filters' if image else 'columns'}"
        _text(axes, left + len(gates) * wide / 2, y - 0.16, many, "muted")
        for letter, above, array in (("x", tall, layer["arrays"][0]), ("h", wide, layer["arrays"][1])):
            size = sizes["x at one step" if letter == "x" else "state h"]
            if image:
                across = image["input" if letter == "x" else "output"]
                _grid(axes, left - 0.5 - above, y + 0.1, above - 0.45, across[-2:], image["kernel"][-2:])
            else:
                _block(
                    axes,
                    left - 0.5 - above,
                    y + above / 2 - _THIN / 2,
                    above,
                    _THIN,
                    "muted",
                    f"{letter} {_shape(size)}",
                )
            _text(axes, left - 0.25, y + above / 2, "∗" if image else "×", "muted")
            _blocks(axes, left, y, wide, above, gates, "WU"[letter == "h"])
            label = f"{array['name']} {_shape(array['shape'])}"
            _text(axes, left + len(gates) * wide + 0.15, y + above / 2, label, align="left")
            when = "now" if letter == "x" else "from the step before"
            if image:
                _text(axes, left - 0.72 - above / 2, y + above - 0.2, f"{letter} {_shape(size)}")
                _text(axes, left - 0.72 - above / 2, y + above, when, "muted")
            else:
                _text(axes, left - 0.5 - above / 2, y + above / 2 + 0.3, when, "muted")
            y += above + 0.25
        for part in range(rows):
            _text(axes, left - 0.25, y + _THIN / 2, "+", "muted")
            _blocks(axes, left, y, wide, _THIN, gates, "bv"[part])
            label = f"bias {_shape(biases[0]['shape'])}" if not part else "its second row"
            _text(axes, left + len(gates) * wide + 0.15, y + _THIN / 2, label, align="left")
            y += 0.36
        _arrow(axes, left + len(gates) * wide / 2, y + 0.05, left + len(gates) * wide / 2, y + 0.4)
        y += 0.5
        for n, gate in enumerate(layer["gates"]):
            _block(axes, left + n * wide + 0.04, y, wide - 0.08, 0.34, f"s{n}", gate["equation"].split()[0])
        _text(
            axes,
            left + len(gates) * wide + 0.15,
            y + 0.17,
            f"{len(gates)} x {_shape(sizes['each gate'])}",
            align="left",
        )
        y += 0.34
        _arrow(axes, left + len(gates) * wide / 2, y + 0.05, left + len(gates) * wide / 2, y + 0.4)
        states = [s["name"].removeprefix("state ") for s in layer["steps"] if s["name"].startswith("state ")]
        across = max(wide, 1.5)
        start = left + len(gates) * wide / 2 - len(states) * (across + 0.1) / 2
        for n, state in enumerate(reversed(states)):
            _block(
                axes,
                start + n * (across + 0.1),
                y + 0.5,
                across,
                0.34,
                "muted",
                f"{state} {_shape(sizes[f'state {state}'])}",
            )
        _text(axes, start + len(states) * (across + 0.1) + 0.1, y + 0.67, "to the next step", "muted", align="left")
    label = f"One step of {layer['call']}: " + "; ".join(f"{a['name']} {_shape(a['shape'])}" for a in layer["arrays"])
    return inline(drawing, label, name)


def over_time(layer: Mapping[str, Any], name: str) -> Markup:
    """The same cell at every step, what passes between the steps, and which outputs are kept."""
    time = layer["time"]
    sizes = {row["name"]: row["shape"][1:] for row in layer["steps"]}
    last, every = (row["outputs"][0][1] for row in layer["returns"] if not row["return_state"])
    steps: Sequence[int | None] = [*range(1, time + 1)] if time <= _SHOWN_STEPS else [1, 2, 3, None, time]
    width, height = _START + _PITCH * len(steps) + 1.1, 2.7
    passed = ", ".join(f"{s} {_shape(sizes[f'state {s}'])}" for s in ("h", "c") if f"state {s}" in sizes)
    with mpl.rc_context(SETTINGS):
        drawing = new_figure(width, height)
        axes = _canvas(drawing.add_axes((0, 0, 1, 1)), width, height)
        for n, at in enumerate(steps):
            x = _START + _PITCH * n
            if at is None:
                _text(axes, x + 0.5, 1.3, "…")
            else:
                _block(axes, x, 1.05, 1.0, 0.5, "muted", "the cell")
                _arrow(axes, x + 0.5, 2.1, x + 0.5, 1.62)
                _text(axes, x + 0.5, 2.25, f"x at {at} {_shape(sizes['x at one step'])}")
                _arrow(axes, x + 0.5, 0.98, x + 0.5, 0.55)
                _text(axes, x + 0.5, 0.4, f"h at {at}", "s0" if at == time else "muted")
            _arrow(axes, x - 0.68, 1.3, x - 0.07, 1.3)
        _text(axes, _START - 0.75, 1.3, "zeros, or the\ninitial state", "muted", align="right")
        _text(axes, _START + _PITCH * len(steps) - 0.6, 1.3, f"{passed}", "muted", align="left")
        _text(axes, _START, 0.12, f"return_sequences=True: every h, {_shape(every)}", "muted", align="left")
        end = _START + _PITCH * len(steps) - 0.75
        _text(axes, end, 0.12, f"False: the last, {_shape(last)}", "s0", align="right")
    return inline(drawing, f"{layer['call']}: one cell applied to {time} steps, handing on {passed}", name)


def _length(size: int, greatest: int) -> float:
    return max(0.5, 1.5 * math.sqrt(size / greatest))


def _canvas(axes: Axes, width: float, height: float) -> Axes:
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.axis("off")
    return axes


def _blocks(axes: Axes, x: float, y: float, width: float, height: float, gates: Sequence[str], word: str) -> None:
    for n, gate in enumerate(gates):
        _block(axes, x + n * width, y, width, height, f"s{n}", f"{word}_{gate}")


def _block(axes: Axes, x: float, y: float, width: float, height: float, colour: str, text: str) -> None:
    axes.add_patch(Rectangle((x, y), width, height, facecolor=COLOURS[colour], alpha=0.22, linewidth=0))
    axes.add_patch(Rectangle((x, y), width, height, facecolor="none", edgecolor=COLOURS[colour], linewidth=1.2))
    _text(axes, x + width / 2, y + height / 2, text)


def _grid(axes: Axes, x: float, y: float, side: float, image: Sequence[int], window: Sequence[int]) -> None:
    """An image as places, at most eight a side, and the window over it; an image of one axis is one row."""
    rows, columns = [1, *(min(n, _PLACES) for n in image)][-2:]
    high, across = [1, *(min(n, _PLACES) for n in window)][-2:]
    place = side / max(rows, columns, high, across)
    for row in range(rows):
        for column in range(columns):
            at = (x + column * place, y + row * place)
            axes.add_patch(Rectangle(at, place, place, facecolor="none", edgecolor=COLOURS["line"], linewidth=0.8))
    _block(axes, x, y, across * place, high * place, "s4", "")


def _text(axes: Axes, x: float, y: float, text: str, colour: str = "ink", align: str = "center") -> None:
    axes.text(x, y, text, color=COLOURS[colour], ha=align, va="center")


def _arrow(axes: Axes, x0: float, y0: float, x1: float, y1: float) -> None:
    axes.add_patch(
        FancyArrowPatch((x0, y0), (x1, y1), arrowstyle="-|>", mutation_scale=10, color=COLOURS["muted"], linewidth=1.2)
    )


def _shape(sizes: Sequence[int]) -> str:
    return f"({', '.join(map(str, sizes))}{',' if len(sizes) == 1 else ''})"
