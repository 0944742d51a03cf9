"""The small drawings of a case: one line a backend over the steps, panels side by side on one scale. Plain SVG without
matplotlib, for there may be thousands of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from markupsafe import Markup

from reports.text import count, figure, shown

Series = Mapping[str, Sequence[float]]
"""A curve for each backend."""
_LEFT, _TOP, _BOTTOM, _HEIGHT = 36, 16, 72, 86
_ONE, _MANY, _GAP = 210, 104, 12
_POINTS, _PANELS = 100, 8


def panels(title: str, parts: Mapping[str, Series], backends: Sequence[str], *, zero: bool = True) -> Markup:
    """A drawing with a panel for each of `parts`; values that are no numbers are gaps with a cross above.
    `zero`: the scale begins there."""
    kept = {part: {b: shorten(v) for b, v in series.items() if v} for part, series in list(parts.items())[:_PANELS]}
    top, bottom = scale([value for series in kept.values() for values in series.values() for value in values], zero)
    steps = max((len(values) for series in parts.values() for values in series.values()), default=0)
    across = _ONE if len(kept) == 1 else _MANY
    width = _LEFT + len(kept) * (across + _GAP)
    digits = 2 if zero else 4
    drawn = Markup()
    for n, (part, series) in enumerate(kept.items()):
        x = _LEFT + n * (across + _GAP)
        lines = [(backends.index(b) % 8, path(v, x, across, bottom, top)) for b, v in series.items()]
        drawn += Markup('<path class="axis" d="M{0} {1}V{2}h{3}"/><text x="{0}" y="11">{4}</text>').format(
            x, _TOP, _BOTTOM, across, shown(part, 20)
        )
        drawn += Markup().join(Markup('<path class="s{}" d="{}"/>').format(*line) for line in lines)
    return Markup(
        "<figure><figcaption>{}</figcaption>"
        '<svg class="curve" width="{w}" viewBox="0 0 {w} {h}" role="img" aria-label="{}">'
        '<text class="e" x="32" y="20">{}</text><text class="e" x="32" y="74">{}</text>{}'
        '<text x="{}" y="84">1</text><text class="e" x="{}" y="84">step {}</text></svg></figure>'
    ).format(
        *(title, _said(parts), figure(top, digits), figure(bottom, digits), drawn, _LEFT, _LEFT + across, steps),
        w=width,
        h=_HEIGHT,
    )


def shorten(values: Sequence[float]) -> list[float]:
    """At most 100 values: the greatest of each stretch, so that no peak is lost; NaN stays NaN."""
    if len(values) <= _POINTS:
        return list(values)
    edges = [n * len(values) // _POINTS for n in range(_POINTS + 1)]
    return [greatest(values[a:b]) for a, b in pairwise(edges)]


def spread(series: Series) -> str:
    """How far the backends' curves are apart at most, in words; '' with fewer than two."""
    length = min((len(values) for values in series.values()), default=0)
    if len(series) < 2 or not length:
        return ""
    steps = zip(*(values[:length] for values in series.values()), strict=True)
    apart = greatest([greatest(step) - min(step) for step in steps])
    return (
        f"Over {count(length, 'step')} the losses of {len(series)} implementations differ by at most {figure(apart)}."
    )


def greatest(values: Sequence[float]) -> float:
    """The greatest, or NaN if one is NaN."""
    return math.nan if any(math.isnan(v) for v in values) else max(values, default=math.nan)


def scale(values: Sequence[float], zero: bool = True) -> tuple[float, float]:
    """Top and bottom of the drawing; 0 is within, unless it need not be."""
    finite = [v for v in values if math.isfinite(v)] or [0.0, 1.0]
    top, bottom = max(finite), min(finite + [0.0] * zero)
    return (top, bottom) if top > bottom else (bottom + 1.0, bottom)


def path(values: Sequence[float], left: int, across: int, bottom: float, top: float) -> str:
    """The way of the pen through the values in relative moves, the shortest form; it lifts where there is no number."""
    moves, crosses, at = [], [], (0, 0)
    drawing = False
    for n, value in enumerate(values):
        x = left + round(across * n / max(1, len(values) - 1))
        if not math.isfinite(value):
            crosses.append(f"M{x - 3} {_TOP - 5}l5 5m-5 0l5-5")
            drawing = False
            continue
        y = round(_TOP + (_BOTTOM - _TOP) * (top - value) / (top - bottom))
        moves.append(f"l{x - at[0]} {y - at[1]}" if drawing else f"M{x} {y}h1")
        at, drawing = (x if drawing else x + 1, y), True
    return "".join(moves + crosses).replace(" -", "-")


def _said(parts: Mapping[str, Series]) -> str:
    """The drawing in words: the greatest value of each backend over all panels."""
    found: dict[str, list[float]] = {}
    for series in parts.values():
        for backend, values in series.items():
            found.setdefault(backend, []).extend(values)
    return "Greatest: " + ", ".join(f"{shown(b, 40)} {figure(greatest(v))}" for b, v in found.items())
