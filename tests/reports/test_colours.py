"""Contrast as WCAG 2 counts it, from the style sheet's own variables, in both themes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import reports

CSS = (Path(reports.__file__).parent / "templates" / "page.css").read_text(encoding="utf-8")
LIGHT, DARK = (
    dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
    for block in CSS.split("@media (prefers-color-scheme: dark)")[:2]
)
TEXT = 4.5
PAIRS = [
    *((ink, ground, TEXT) for ink in ("ink", "muted", "link") for ground in ("page", "card", "mark")),
    *((ink, "card", TEXT) for ink in ("good", "bad", "warn")),
    ("bad", "bad-tint", TEXT),
    ("warn", "warn-tint", TEXT),
    *((f"s{n}", "card", TEXT) for n in range(8)),
]


def contrast(one: str, other: str) -> float:
    """The ratio of relative luminances, 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_formula_knows_black_and_white() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_every_pair_can_be_read(theme: dict[str, str]) -> None:
    assert theme.keys() == LIGHT.keys()
    low = {f"{ink} on {ground}": contrast(theme[ink], theme[ground]) for ink, ground, least in PAIRS
           if contrast(theme[ink], theme[ground]) < least}  # fmt: skip
    assert not low


def test_every_colour_that_is_used_is_declared() -> None:
    used = set(re.findall(r"var\(--([\w-]+)\)", CSS)) - {"checks"}
    assert used <= LIGHT.keys()


def test_every_class_of_the_drawings_has_its_rule() -> None:
    from reports.svg import COLOURS

    for name in COLOURS:
        assert f".f-{name} {{" in CSS and f".s-{name} {{" in CSS


def test_colour_is_never_the_only_sign() -> None:
    """Lines differ by their dashes too."""
    dashes = re.findall(r"\.s(\d) \{ stroke-dasharray: ([\d ]+); \}", CSS)
    assert {int(n) for n, _ in dashes} == set(range(1, 8))
    assert len({d for _, d in dashes}) == 7
