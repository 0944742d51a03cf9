"""WCAG AA as axe-core sees it, in every kind of page, light and dark, closed and opened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.results import Results
from reports.render import page

axe_of = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


def found(tab: Any) -> list[str]:
    """axe-core's violations, each with the first element that it is about."""
    response = axe_of.Axe().run(tab, options=RULES).response
    return [f"{v['id']}: {v['help']}: {v['nodes'][0]['html'][:160]}" for v in response["violations"]]


def explained() -> Results:
    from harness import explain

    layers = [explain.explain(explain.usual(kind, 3, 5), batch=2, time=4) for kind in ("lstm", "gru", "rnn")]  # type: ignore[arg-type]
    return Results(kind="explain", command="lstm-parity explain", environment={}, explanation={"layers": layers})


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", ["holds", "fails", "changed", "explain", "nothing"])
def test_axe_finds_nothing(make: Any, failing: Results, opened: Callable[..., Any], kind: str, scheme: str) -> None:
    html = {
        "holds": lambda: page(make.results()),
        "fails": lambda: page(failing),
        "changed": lambda: page(failing, since=make.results()),
        "explain": lambda: page(explained()),
        "nothing": lambda: page(Results(kind="verify", command="", environment={})),
    }[kind]()
    tab = opened(html, scheme=scheme)
    assert found(tab) == []
    for case in tab.locator(".case summary").all():
        case.click()
    assert found(tab) == []


@pytest.mark.parametrize(
    ("spoilt", "rule"),
    [
        (('<html lang="en">', "<html>"), "html-has-lang"),
        (("--muted: #555a62", "--muted: #b5b5b5"), "color-contrast"),
        (('<label for="words">Find</label>', "Find"), "label"),
        (('aria-label="Parts of this page"', 'aria-label="Parts of this page" role="nothing"'), "aria-roles"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_axe_would_find_it(make: Any, opened: Callable[..., Any], spoilt: tuple[str, str], rule: str) -> None:
    html = page(make.results()).replace("Content-Security-Policy", "Nothing")
    assert spoilt[0] in html
    tab = opened(html.replace(*spoilt).replace('placeholder="lstm mask keras"', ""))
    assert any(line.startswith(f"{rule}:") for line in found(tab))
