"""The page: self-contained, whole without scripts, honest about what is missing, and small."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from harness.results import FAILS, HOLDS, Results, from_json, to_json
from reports import render
from reports.render import page


class Parsed(HTMLParser):
    """Every start tag with its attributes, and the visible text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def script(html: str) -> str:
    """The page's one script."""
    found = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    assert len(found) == 1
    return str(found[0])


def test_the_policy_allows_the_one_style_and_the_one_script_by_their_hashes_and_nothing_else(make: Any) -> None:
    html = page(make.results())
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)
    style = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    assert policy and len(style) == 1
    digest, of_script = (
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style[0], script(html))
    )
    assert policy[1].split("; ") == [
        "default-src 'none'",
        f"style-src 'sha256-{digest}'",
        f"script-src 'sha256-{of_script}'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    ]


def test_without_cases_there_is_no_script_and_none_is_allowed() -> None:
    html = page(Results(kind="explain", command="", environment={}))
    assert "script" not in html


def test_the_script_is_the_same_whatever_the_results(make: Any, make_with: Callable[[str], Any]) -> None:
    assert script(page(make.results(7))) == script(page(make_with("</script><script>").results()))
    asks = ("fetch", "XMLHttpRequest", "eval", "Function", "import", "innerHTML", "outerHTML", "document.write")
    assert not [word for word in asks if word in script(page(make.results()))]


def test_nothing_leaves_the_file_and_nothing_of_the_results_runs_in_it(make: Any) -> None:
    html = page(make.results()).replace(f"<script>{script(page(make.results()))}</script>", "")
    for tag, attributes in Parsed(html).tags:
        assert tag not in ("script", "iframe", "object", "embed", "form", "base", "img", "image", "foreignobject")
        assert "style" not in attributes, f"the policy would drop the style of {tag}"
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("href", "src", "xlink:href", "srcset", "action"):
            assert (attributes.get(name) or "#").startswith(("#", "data:,"))
    assert "://" not in html
    assert "url(" not in re.sub(r"url\(#[\w-]+\)", "", html)
    assert "@import" not in html


def test_every_reference_has_its_target_and_every_id_is_one(make: Any) -> None:
    tags = Parsed(page(make.results(5))).tags
    ids = [a["id"] for _, a in tags if "id" in a]
    assert len(ids) == len(set(ids))
    for _, attributes in tags:
        if (attributes.get("href") or "").startswith("#"):
            assert attributes["href"][1:] in ids  # type: ignore[index]
        for value in attributes.values():
            for target in re.findall(r"url\(#([\w-]+)\)", value or ""):
                assert target in ids


def test_text_of_the_drawings_is_text(make: Any) -> None:
    html = page(make.results())
    drawings = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    texts = [t for d in drawings for t in re.findall(r"<text[^>]*>([^<]*)</text>", d)]
    assert {"outputs float64", "bound", "error / bound", "slow", "1 × 100 × 64 × 64", "gate i"} <= set(texts)
    assert all('role="img"' in d and "aria-label=" in d for d in drawings if "aria-hidden" not in d)


def test_the_verdict_comes_first_and_every_part_follows_in_order(make: Any) -> None:
    html = page(make.results())
    parts = ["<h1>", "Nearest to their bounds", ' id="cases"', ' id="mutants"', ' id="speed"', ' id="left-out"',
             ' id="environment"', ' id="reading"', ' id="glossary"']  # fmt: skip
    assert [html.index(p) for p in parts] == sorted(html.index(p) for p in parts)
    assert "It holds: torch nn and keras 3 compute the same." in html


def test_every_figure_of_every_case_is_there_without_scripts(make: Any) -> None:
    results = make.results(4)
    text = Parsed(page(results)).text
    for case in results.cases:
        assert case.title in text and case.repeat in text and case.fingerprint in text
        assert case.notes[0] in text
        for agreement in case.agreements:
            assert agreement.check in text and agreement.where in text
            assert agreement.reason.split(", the amplification")[0] in text
    assert "the amplification measured with the oracle" in text
    for timing in results.timings:
        assert timing.implementation in text
    assert "3.0e-16" in text and "1.0e-13" in text and "2.5 u" in text


def test_a_failure_is_red_first_and_named(failing: Results) -> None:
    html = page(failing)
    assert "Does not hold: 1 of 3 cases off by more than rounding explains." in html
    worst = html[html.index("Nearest to their bounds") :]
    assert worst.index("title plain 1") < worst.index("title plain 0")
    assert "exceeded 3.1e11×" in worst
    assert 'class="case fails' in html and 'class="case chaotic' in html
    assert re.search(r'class="fails">✗ 0.031', html) and re.search(r'class="chaotic">~ 7.0', html)


@pytest.mark.parametrize("error", [math.nan, math.inf])
def test_a_comparison_that_says_it_holds_against_its_figures_does_not_hold(make: Any, error: float) -> None:
    case = make.case()
    lying = replace(case.agreements[0], error=error, bound=math.inf, verdict=HOLDS)
    results = replace(make.results(), cases=(replace(case, agreements=(*case.agreements, lying)),), planned=(case.id,))
    assert results.verdict == FAILS
    html = page(results)
    assert "Does not hold" in html and "against its own figures" in html
    assert {math.nan: "NaN", math.inf: "inf"}[error] in Parsed(html).text if not math.isnan(error) else "NaN" in html


def test_a_missing_case_and_an_unnoticed_mutant_are_no_pass(make: Any) -> None:
    results = make.results()
    assert "1 planned case is missing" in page(replace(results, planned=(*results.planned, "lstm/lost")))
    missed = replace(results.mutants[0], caught=False)
    assert "1 deliberately wrong port went unnoticed" in page(replace(results, mutants=(missed,)))
    wrong = replace(results.timings[0], agrees=False)
    assert "1 timed implementation gave a wrong answer" in page(replace(results, timings=(wrong,)))


@pytest.mark.parametrize("kind", ["verify", "bench", "port", "explain", "unheard of"])
def test_empty_results_render_and_claim_nothing(kind: str) -> None:
    html = page(Results(kind=kind, command="", environment={}))
    assert 'class="card banner open"' in html
    assert "It holds" not in html


def test_curves_without_numbers_are_gaps_and_say_so(make: Any) -> None:
    broken = replace(make.case(), error_over_time={"torch nn": (1.0, math.nan, 2.0, math.inf)}, error_by_gate={},
                     training={"torch nn": ()})  # fmt: skip
    html = page(replace(make.results(), cases=(broken,)))
    assert "torch nn NaN" in html
    drawn = re.search(r'<path class="s0" d="(M[^"]*)"/><text', html)
    assert drawn and drawn[1].count("m-5 0") == 2, "two crosses"


def test_a_thousand_cases_fit_and_the_nearest_are_drawn_whole(make: Any) -> None:
    cases = tuple(make.case(n, error=9e-14 if n == 700 else 3e-16) for n in range(1000))
    html = page(replace(make.results(), cases=cases, planned=tuple(c.id for c in cases)))
    assert len(html.encode()) < 1_500_000
    assert html.count("<details class=") == 1001
    nearest = html[html.index('id="case-701"') : html.index('id="case-702"')]
    assert "<table" in nearest and 'class="curve"' in nearest
    farthest = html[html.index('id="case-900"') : html.index('id="case-901"')]
    assert "figures and curves are in results.json" in farthest
    assert cases[899].repeat in farthest


def test_ten_thousand_cases_are_rows_that_a_browser_can_bear(make: Any) -> None:
    cases = tuple(make.case(n, error=9e-14 if n == 7_000 else 3e-16) for n in range(10_000))
    html = page(replace(make.results(), cases=cases, planned=tuple(c.id for c in cases)))
    assert len(html.encode()) < 10_000_000 and html.count("<") < 800_000
    assert html.count("<details class=") == 10_001
    assert "<table" in html[html.index('id="case-7001"') : html.index('id="case-7002"')]
    farthest = html[html.index('id="case-9000"') : html.index('id="case-9001"')]
    assert cases[8_999].repeat in farthest and cases[8_999].fingerprint in farthest and "<ul" not in farthest


def test_what_the_budget_leaves_out_is_said(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "BUDGET", 0)
    html = page(make.results())
    assert html.count("figures and curves are in results.json") == 3
    assert 'class="curve"' not in html


def test_the_json_carries_everything_that_the_page_shows(failing: Results) -> None:
    assert page(from_json(to_json(failing))) == page(failing)


def test_a_port_shows_each_layer_and_weight_and_whatever_else_there_is() -> None:
    port: dict[str, Any] = {
        "file": "model.h5", "sha256": "ab" * 32, "keras_version": "2.2.4", "surprise": {"deep": [1, 2]},
        "layers": [{"name": "lstm_1", "class": "LSTM", "fate": "nn.LSTM", "module": "layers.lstm_1"}, "not a mapping"],
        "weights": [{"path": "lstm_1/0/kernel", "source": "lstm_1/kernel:0", "shape": [5, 16], "dtype": "float32",
                     "sha256": "cd" * 32, "destination": "layers.lstm_1.weight_ih_l0"}],
        "resolved": ["hard_sigmoid has slope 1/5: Keras 2.2.4"], "warnings": "one line only",
        "proof": {"verdict": HOLDS, "oracle against torch float64": 3.1e-16},
    }  # fmt: skip
    text = Parsed(page(Results(kind="port", command="lstm-parity port model.h5", environment={}, port=port))).text
    names = ("model.h5", "lstm_1/kernel:0", "layers.lstm_1.weight_ih_l0", "surprise.deep", "not a mapping")
    sentences = ("hard_sigmoid has slope 1/5", "one line only", "It holds: the PyTorch module")
    for shown in (*names, *sentences, "ab" * 32, "cd" * 32, "(5, 16)", "3.1e-16"):
        assert shown in text
    port["proof"]["verdict"] = FAILS
    assert (
        "the ported module's outputs are not those of the file"
        in Parsed(page(Results(kind="port", command="", environment={}, port=port))).text
    )


@pytest.mark.parametrize(
    "port", [{"layers": 3, "weights": {"a": 1}, "proof": "no", "resolved": 5, "warnings": {"x": None}}]
)
def test_a_port_of_other_shapes_still_renders(port: dict[str, Any]) -> None:
    assert "</html>" in page(Results(kind="port", command="", environment={}, port=port))


def test_markup_is_well_formed(make: Any, make_with: Callable[[str], Any]) -> None:
    """Every element that needs an end tag has one, in the right order."""
    optional = {"meta", "link", "input", "th", "td", "tr", "li", "tbody", "thead", "br"}
    for html in (page(make.results()), page(make_with("<b>").results())):
        opened: list[str] = []

        class Nesting(HTMLParser):
            def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
                if tag not in optional:
                    opened.append(tag)  # noqa: B023

            def handle_endtag(self, tag: str) -> None:
                if tag not in optional:
                    assert opened.pop() == tag  # noqa: B023

        Nesting().feed(html)
        assert opened == []
