"""A case's heat maps: the float32 error by gate and unit, a map an implementation, all on one scale. Plain SVG, a path
a shade, for there may be hundreds of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from markupsafe import Markup

from reports.curves import greatest
from reports.text import figure, shown

ByGate = Mapping[str, Sequence[float]]
"""The error of each unit, by gate or state."""
_SHADES, _UNITS, _GATES = 6, 32, 8
_LEFT, _TOP, _CELL = 40, 4, 14


def maps(parts: Mapping[str, ByGate]) -> Markup:
    """The maps of all implementations; '' where there is nothing to draw."""
    kept = {
        backend: {g: _grouped(v) for g, v in list(by_gate.items())[:_GATES] if v} for backend, by_gate in parts.items()
    }
    values = [v for by_gate in kept.values() for errors in by_gate.values() for v in errors]
    if not values:
        return Markup()
    top = max((v for v in values if math.isfinite(v)), default=0.0) or 1.0
    drawn = Markup().join(
        _map(backend, kept[backend], by_gate, top) for backend, by_gate in parts.items() if kept[backend]
    )
    return Markup(
        '<figure class="heats"><figcaption>Float32 error after one step by gate and unit, u; the strongest shade is {} '
        "and all maps share the scale</figcaption>{}</figure>"
    ).format(figure(top), drawn)


def _map(backend: str, rows: ByGate, whole: ByGate, top: float) -> Markup:
    across = max(len(errors) for errors in rows.values())
    width, height = _LEFT + _CELL * across + 2, _TOP + _CELL * len(rows) + 2
    shades: dict[str, str] = {}
    labels = Markup()
    for row, (gate, errors) in enumerate(rows.items()):
        y = _TOP + _CELL * row
        labels += Markup('<text x="0" y="{}">{}</text>').format(y + 11, shown(gate, 7))
        for column, error in enumerate(errors):
            shade = _shade(error, top)
            shades[shade] = shades.get(shade, "") + f"M{_LEFT + _CELL * column} {y}h13v13h-13z"
    paths = Markup().join(Markup('<path class="{}" d="{}"/>').format(*item) for item in sorted(shades.items()))
    most = _greatest_at(whole)
    return Markup(
        '<div><svg class="heat" width="{0}" viewBox="0 0 {0} {1}" role="img" aria-label="{2}">{3}{4}</svg>'
        "<small>{5}: {6}</small></div>"
    ).format(width, height, f"{shown(backend, 40)}: greatest {most}", labels, paths, shown(backend, 40), most)


def _grouped(errors: Sequence[float]) -> list[float]:
    """At most 32 columns: the greatest of neighbours."""
    if len(errors) <= _UNITS:
        return list(errors)
    edges = [n * len(errors) // _UNITS for n in range(_UNITS + 1)]
    return [greatest(errors[a:b]) for a, b in pairwise(edges)]


def _shade(error: float, top: float) -> str:
    return f"h{math.ceil(error / top * _SHADES)}" if math.isfinite(error) else "hx"


def _greatest_at(rows: ByGate) -> str:
    """The greatest error and its place in words; one that is no number comes first."""
    errors = [(error, gate, unit) for gate, row in rows.items() for unit, error in enumerate(row)]
    error, gate, unit = max(errors, key=lambda e: e[0] if math.isfinite(e[0]) else math.inf)
    return f"{figure(error)} at {shown(gate, 20)}, unit {unit}"
