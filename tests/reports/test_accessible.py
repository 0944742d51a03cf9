"""WCAG AA as axe-core sees it, in every kind of page, light and dark, closed and opened."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
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
    from harness.explain import convolution, recurrent

    layers = [recurrent.explain(recurrent.usual(kind, 3, 5), batch=2, time=4) for kind in ("lstm", "gru", "rnn")]  # type: ignore[arg-type]
    layers.append(convolution.explain(convolution.usual(4, 3, 3), batch=2, time=4))
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


GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Pages as the commands write them: of a port with a graph, of a folder, of a file in it that was refused, and of
    times."""
    pytest.importorskip("torch")
    from harness.cli import cli

    folder = tmp_path_factory.mktemp("pages")
    for name in ("k3151_seq2seq.h5", "k2.2.4_tensorflow_lstm_hs.h5", "k3151_bi.weights.h5"):
        shutil.copy(GOLDEN / name, folder)
    (folder / "damaged.h5").write_bytes((folder / "k3151_seq2seq.h5").read_bytes()[:3000])
    usual = ["--processes", "1", "--rounds", "6", "--implementation", "torch.nn", "--implementation", "port"]
    for arguments in (
        ["port", str(folder / "k3151_seq2seq.h5"), "-o", str(folder / "one")],
        ["port", str(folder), "-o", str(folder / "all"), "--jobs", "1"],
        ["bench", "--shape", "2,5,3,4", *usual, "-o", str(folder / "times")],
    ):
        cli.main(arguments, standalone_mode=False)
    refused = next(path for path in (folder / "all").glob("*/report.html") if "Not ported" in path.read_text())
    paths = {"port": "one/report.html", "folder": "all/index.html", "bench": "times/report.html", "refused": refused}
    return {kind: (folder / path).read_text() for kind, path in paths.items()}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", ["port", "folder", "refused", "bench"])
def test_axe_finds_nothing_in_real_pages(
    made: dict[str, str], opened: Callable[..., Any], kind: str, scheme: str
) -> None:
    tab = opened(made[kind], scheme=scheme)
    assert found(tab) == [] and tab.said == [] and tab.asked == [tab.url]
    for summary in tab.locator("summary").all():
        summary.click()
    assert found(tab) == []


def test_a_long_name_without_spaces_is_broken(make: Any, opened: Callable[..., Any]) -> None:
    told = {"file": "a" * 150, "layers": [{"name": "b" * 150}], "sha256": "c" * 64, "warnings": ["d" * 150]}
    html = page(make.results(kind="port", port=told))
    assert opened(html, width=360).evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("kind", ["port", "folder", "refused", "bench"])
def test_a_narrow_screen_scrolls_no_page_sideways(made: dict[str, str], opened: Callable[..., Any], kind: str) -> None:
    assert opened(made[kind], width=360).evaluate("document.documentElement.scrollWidth") <= 360


def test_files_are_chosen_by_their_fate_without_scripts(made: dict[str, str], opened: Callable[..., Any]) -> None:
    tab = opened(made["folder"], scripts=False)
    rows = tab.locator("table.sorts tbody tr")
    everything = rows.filter(visible=True).count()
    tab.get_by_role("radio", name="refused").check()
    chosen = rows.filter(visible=True).all_text_contents()
    assert chosen and all("refused" in text for text in chosen)
    tab.get_by_role("radio", name=f"all {everything}").check()
    assert rows.filter(visible=True).count() == everything > 2


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
