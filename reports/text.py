"""Words and figures as the page shows them. A string of the results is a stranger's: cleaned here, escaped by Jinja."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

NAME, PROSE = 200, 2000
"""Greatest length of a name, and of a sentence, on the page; the whole is in the JSON."""
_DEEP, _MANY, _GROUP = 6, 300, 60


def shown(value: object, limit: int = NAME) -> str:
    """One line of text with every control, bidirectional and surrogate character spelled out, cut at `limit`."""
    if isinstance(value, float):
        return figure(value)
    text = str(value)
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return "".join(c if _harmless(c) else _spelled(c) for c in cut)


def _harmless(c: str) -> bool:
    return c.isprintable() and c not in "\u200e\u200f"


def _spelled(c: str) -> str:
    code = ord(c)
    return f"\\x{code:02x}" if code < 0x100 else f"U+{code:04X}"


def figure(value: float | None, digits: int = 2) -> str:
    """A number in `digits` significant digits: 2.1e-16, 0.33, 12; NaN and inf as such, – where there is none."""
    if value is None:
        return "–"
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    if int(exponent) >= -2 and abs(value) < 10_000:
        return f"{value:,.{max(0, digits - 1 - int(exponent))}f}"
    return f"{mantissa}e{int(exponent)}"


def measured(value: float | None, unit: str) -> str:
    """An error with its unit: '3.1 u', or '2.1e-16' for a relative one."""
    return f"{figure(value)} {shown(unit)}" if value is not None and unit != "relative" else figure(value)


def margin(value: float | None) -> str:
    """How many times an error fits into its bound, in words."""
    if value is None:
        return "–"
    if math.isinf(value):
        return "no error"
    return f"exceeded {figure(1 / value)}×" if 0 < value < 1 else f"{figure(value)}×"


def duration(seconds: float | None, digits: int = 3) -> str:
    """Seconds in the unit that reads best: 71 µs, 2.43 ms, 1.2 s."""
    if seconds is None or not math.isfinite(seconds):
        return figure(seconds)
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if abs(seconds) * scale >= 0.9995 or unit == "µs":
            return f"{figure(seconds * scale, digits)} {unit}"
    return figure(seconds)


def count(number: int, one: str, many: str | None = None) -> str:
    """'1 case', '1,200 cases'."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def entries(value: object, path: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """A nested value as lines (dotted name, text), at most six levels deep."""
    if isinstance(value, Mapping) and depth < _DEEP:
        for key, inner in value.items():
            yield from entries(inner, f"{path}.{key}" if path else str(key), depth + 1)
    elif isinstance(value, list | tuple) and any(isinstance(v, Mapping) for v in value) and depth < _DEEP:
        for n, inner in enumerate(value):
            yield from entries(inner, f"{path}[{n}]", depth + 1)
    elif isinstance(value, list | tuple):
        comma = "," if len(value) == 1 and isinstance(value[0], int) else ""  # a shape of one axis, as Python writes it
        yield path, "(" + ", ".join(shown(v, 60) for v in value[:30]) + (", …)" if len(value) > 30 else f"{comma})")
    else:
        yield path, shown(value)


def flat(value: object) -> list[tuple[str, str]]:
    """`entries`, cut at 300 lines with a last one that says how many are left out."""
    lines = list(entries(value))
    if len(lines) <= _MANY:
        return lines
    return [*lines[:_MANY], ("…", f"{len(lines) - _MANY:,} more in the JSON")]


def grouped(value: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, str]], tuple[list[str], str] | None]]:
    """A mapping of mappings as (name, its entries, those that are alike not there): `not set`, `not installed`."""
    found = []
    for name, inner in islice(value.items(), _MANY):
        lines = list(islice(entries(inner), _GROUP)) if isinstance(inner, Mapping) else [("", cell(inner))]
        absent = [(key, text) for key, text in lines if text.startswith("not ")]
        unset = ([key for key, _ in absent], absent[0][1]) if len({text for _, text in absent}) == 1 else None
        if lines:
            found.append((str(name), [line for line in lines if not unset or line not in absent], unset))
    return [*found, ("…", [("", f"{len(value) - _MANY:,} more in the JSON")], None)] if len(value) > _MANY else found


def columns(rows: Any) -> tuple[list[str], list[list[str]]]:
    """A list of mappings as a table: the union of their keys, and a row of texts for each."""
    mappings = (
        [row if isinstance(row, Mapping) else {"value": row} for row in rows] if isinstance(rows, list | tuple) else []
    )
    names = list(dict.fromkeys(str(key) for row in mappings for key in row))
    return names, [[cell(row.get(name, "")) for name in names] for row in mappings]


def cell(value: object) -> str:
    """A value of a table: a shape as (2, 3), a mapping as its lines, anything else as it is shown."""
    if value is None:
        return "–"
    if isinstance(value, Mapping | list | tuple):
        return "; ".join(f"{name} {text}" if name else text for name, text in flat(value))
    return shown(value)
