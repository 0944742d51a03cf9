"""The small drawings of a case: one line a backend over the time steps, or the training steps. Plain SVG, no matplotlib,
for there may be thousands of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from reports.text import count, figure, shown

WIDTH, HEIGHT = 260, 84
_LEFT, _BOTTOM, _TOP, _RIGHT = 44, 16, 8, 4
_POINTS = 120


def lines(
    title: str, series: Mapping[str, Sequence[float]], backends: Sequence[str], unit: str, step: str = "step"
) -> Markup:
    """A drawing of `series` by backend; values that are no numbers are gaps with a cross at the top."""
    shortened = {name: shorten(values) for name, values in series.items() if values}
    top, bottom = _range(shortened)
    steps = max((len(values) for values in series.values()), default=0)
    drawn = Markup().join(_line(values, backends.index(name) % 8, bottom, top) for name, values in shortened.items())
    label = f"{title}: " + "; ".join(f"{shown(n, 40)} up to {figure(_greatest(v))} {unit}" for n, v in series.items())
    x0, y0, x1, y1 = _LEFT, HEIGHT - _BOTTOM, WIDTH - _RIGHT, _TOP
    return Markup(
        '<figure><figcaption>{}</figcaption><svg class="curve" viewBox="0 0 {} {}" role="img" aria-label="{}">'
        '<path class="axis" d="M{} {}V{}H{}"/>{}<text class="e" x="{}" y="{}">{}</text><text class="e" x="{}" y="{}">{}</text>'
        '<text x="{}" y="{}">1</text><text class="e" x="{}" y="{}">{} {}</text></svg></figure>'
    ).format(
        *(title, WIDTH, HEIGHT, label, x0, y1, y0, x1, drawn),
        *(x0 - 4, y1 + 5, figure(top), x0 - 4, y0 + 2, figure(bottom)),
        *(x0, HEIGHT - 3, x1, HEIGHT - 3, step, steps),
    )


def shorten(values: Sequence[float]) -> list[float]:
    """At most 120 values: the greatest of each stretch, so that no peak is lost; NaN stays NaN."""
    if len(values) <= _POINTS:
        return list(values)
    edges = [n * len(values) // _POINTS for n in range(_POINTS + 1)]
    return [_greatest(values[a:b]) for a, b in zip(edges, edges[1:], strict=False)]


def spread(series: Mapping[str, Sequence[float]]) -> str:
    """How far the backends' curves are apart at most, in words."""
    length = min((len(values) for values in series.values()), default=0)
    if len(series) < 2 or not length:
        return ""
    apart = [max(step) - min(step) for step in zip(*(v[:length] for v in series.values()), strict=False)]
    return f"Over {count(length, 'step')} the losses of {len(series)} backends differ by at most {figure(_greatest(apart))}."


def _greatest(values: Sequence[float]) -> float:
    return math.nan if any(math.isnan(v) for v in values) else max(values, default=math.nan)


def _range(series: Mapping[str, Sequence[float]]) -> tuple[float, float]:
    finite = [v for values in series.values() for v in values if math.isfinite(v)]
    top, bottom = max(finite, default=1.0), min(0.0, *finite) if finite else 0.0
    return (top, bottom) if top > bottom else (bottom + 1.0, bottom)


def _line(values: Sequence[float], colour: int, bottom: float, top: float) -> Markup:
    across, up = WIDTH - _LEFT - _RIGHT, HEIGHT - _BOTTOM - _TOP
    pieces, crosses, pen = [], [], "M"
    for n, value in enumerate(values):
        x = _LEFT + round(across * n / max(1, len(values) - 1))
        if math.isfinite(value):
            pieces.append(f"{pen}{x} {round(_TOP + up * (1 - (value - bottom) / (top - bottom)))}")
            pen = "L"
        else:
            crosses.append(f"M{x - 3} {_TOP - 6}l6 6m-6 0l6 -6")
            pen = "M"
    if len(values) == 1:
        pieces.append("h3")
    return Markup('<path class="s{}" d="{}"/>').format(colour, "".join(pieces + crosses))
