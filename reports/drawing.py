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

_THIN, _GAP = 0.2, 0.42
_SHOWN_STEPS = 5
_START, _PITCH = 1.8, 1.75


def step(layer: Mapping[str, Any], name: str) -> Markup:
    """One time step: x through the kernel and h through the recurrent kernel, block by block, into gates and states.
    Lengths grow with the square root of the sizes; the figures are the real shapes."""
    units, inputs, gates = layer["units"], layer["input_size"], [g["letter"] for g in layer["gates"]]
    wide, tall = _length(units, max(units, inputs)), _length(inputs, max(units, inputs))
    biases = [a for a in layer["arrays"] if a["name"] == "bias"]
    rows = 2 if biases and len(biases[0]["shape"]) == 2 else len(biases)
    left = max(wide, tall) + 1.3
    width, height = left + len(gates) * wide + 3.3, tall + wide + rows * 0.3 + 3.2
    with mpl.rc_context(SETTINGS):
        drawing = new_figure(width, height)
        axes = _canvas(drawing.add_axes((0, 0, 1, 1)), width, height)
        y = _GAP
        _text(
            axes,
            left + len(gates) * wide / 2,
            y - 0.12,
            f"{len(gates)} x {units} = {len(gates) * units} columns",
            "muted",
        )
        for letter, size, above, array in (
            ("x", inputs, tall, layer["arrays"][0]),
            ("h", units, wide, layer["arrays"][1]),
        ):
            _block(axes, left - 0.5 - above, y + above / 2 - _THIN / 2, above, _THIN, "muted", f"{letter} ({size})")
            _text(axes, left - 0.25, y + above / 2, "×", "muted")
            _blocks(axes, left, y, wide, above, gates, "WU"[letter == "h"])
            _text(
                axes,
                left + len(gates) * wide + 0.15,
                y + above / 2,
                f"{array['name']} {_shape(array['shape'])}",
                align="left",
            )
            _text(
                axes,
                left - 0.5 - above / 2,
                y + above / 2 + 0.3,
                "now" if letter == "x" else "from the step before",
                "muted",
            )
            y += above + 0.25
        for part in range(rows):
            _text(axes, left - 0.25, y + _THIN / 2, "+", "muted")
            _blocks(axes, left, y, wide, _THIN, gates, "bv"[part])
            label = f"bias {_shape(biases[0]['shape'])}" if not part else "its second row"
            _text(axes, left + len(gates) * wide + 0.15, y + _THIN / 2, label, align="left")
            y += 0.3
        _arrow(axes, left + len(gates) * wide / 2, y + 0.05, left + len(gates) * wide / 2, y + 0.4)
        y += 0.5
        for n, gate in enumerate(layer["gates"]):
            _block(axes, left + n * wide + 0.04, y, wide - 0.08, 0.34, f"s{n}", gate["equation"].split()[0])
        _text(axes, left + len(gates) * wide + 0.15, y + 0.17, f"{len(gates)} x ({units})", align="left")
        y += 0.34
        _arrow(axes, left + len(gates) * wide / 2, y + 0.05, left + len(gates) * wide / 2, y + 0.4)
        states = [s["name"].removeprefix("state ") for s in layer["steps"] if s["name"].startswith("state ")]
        start = left + len(gates) * wide / 2 - len(states) * (wide + 0.1) / 2
        for n, state in enumerate(reversed(states)):
            _block(axes, start + n * (wide + 0.1), y + 0.5, wide, 0.34, "muted", f"{state} ({units})")
        _text(axes, start + len(states) * (wide + 0.1) + 0.1, y + 0.67, "to the next step", "muted", align="left")
    label = f"One step of {layer['call']}: " + "; ".join(f"{a['name']} {_shape(a['shape'])}" for a in layer["arrays"])
    return inline(drawing, label, name)


def over_time(layer: Mapping[str, Any], name: str) -> Markup:
    """The same cell at every step, what passes between the steps, and which outputs are kept."""
    time, units, batch = layer["time"], layer["units"], layer["batch"]
    steps: Sequence[int | None] = [*range(1, time + 1)] if time <= _SHOWN_STEPS else [1, 2, 3, None, time]
    width, height = _START + _PITCH * len(steps) + 1.1, 2.7
    passed = f"h ({units})" + (f", c ({units})" if layer["kind"] == "lstm" else "")
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
                _text(axes, x + 0.5, 2.25, f"x at {at} ({layer['input_size']})")
                _arrow(axes, x + 0.5, 0.98, x + 0.5, 0.55)
                _text(axes, x + 0.5, 0.4, f"h at {at}", "s0" if at == time else "muted")
            _arrow(axes, x - 0.68, 1.3, x - 0.07, 1.3)
        _text(axes, _START - 0.75, 1.3, "zeros, or the\ninitial state", "muted", align="right")
        _text(axes, _START + _PITCH * len(steps) - 0.6, 1.3, f"{passed}", "muted", align="left")
        _text(
            axes, _START, 0.12, f"return_sequences=True: every h, {_shape([batch, time, units])}", "muted", align="left"
        )
        end = _START + _PITCH * len(steps) - 0.75
        _text(axes, end, 0.12, f"False: the last, {_shape([batch, units])}", "s0", align="right")
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


def _text(axes: Axes, x: float, y: float, text: str, colour: str = "ink", align: str = "center") -> None:
    axes.text(x, y, text, color=COLOURS[colour], ha=align, va="center")


def _arrow(axes: Axes, x0: float, y0: float, x1: float, y1: float) -> None:
    axes.add_patch(
        FancyArrowPatch((x0, y0), (x1, y1), arrowstyle="-|>", mutation_scale=10, color=COLOURS["muted"], linewidth=1.2)
    )


def _shape(sizes: Sequence[int]) -> str:
    return f"({', '.join(map(str, sizes))}{',' if len(sizes) == 1 else ''})"
