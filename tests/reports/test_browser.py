"""The page in real Chromium: light and dark, with scripts and without, by keyboard, narrow, on paper, and shut in."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from harness.results import CHAOTIC, FAILS, Results
from reports.render import page

Open = Callable[..., Any]
HOSTILE = (
    "<img src=x onerror=document.title='owned'>\x1b[2J\u202eb\u2066"
    "</style></script><script>document.title='owned'</script>"
)
FOCUSED = "(e => `${e.tagName} ${e.id || e.className || e.textContent}`)(document.activeElement)"


@pytest.fixture
def mixed(make: Any) -> Results:
    """Nine cases: the second fails, the third is chaotic, the fourth is near to its bound."""
    cases = [make.case(n) for n in range(9)]
    cases[1:4] = [
        make.case(1, error=0.031, verdict=FAILS),
        make.case(2, error=7.0, verdict=CHAOTIC),
        make.case(3, error=9e-14),
    ]
    cases = [replace(case, group=("one", "two", "three")[n % 3]) for n, case in enumerate(cases)]
    results: Results = make.results()
    return replace(results, cases=tuple(cases), planned=tuple(case.id for case in cases))


def visible(tab: Any) -> list[str]:
    """The titles of the rows that can be seen, in their order."""
    rows = tab.locator(".case").filter(visible=True).locator("summary").all_text_contents()
    return [re.findall(r"title (plain \d)", text)[0] for text in rows]


def test_nothing_is_asked_of_anybody_and_nothing_is_refused(mixed: Results, opened: Open) -> None:
    tab = opened(page(mixed))
    assert tab.asked == [tab.url], "a request left the file"
    assert tab.said == [], "the policy refused something of the page's own"
    assert tab.locator("h1").inner_text().startswith("Does not hold")


def test_the_listeners_of_these_tests_hear(mixed: Results, opened: Open) -> None:
    """A page with an image and a script of its own: one is asked for, the other refused, unless there is no policy."""
    html = page(mixed).replace("</footer>", "<script>document.title='owned'</script><img src='x.png'></footer>")
    tab = opened(html)
    assert tab.title() != "owned" and len(tab.said) == 2, "the policy refuses script and image"
    bare = opened(html.replace("Content-Security-Policy", "Nothing"))
    assert bare.title() == "owned" and len(bare.asked) == 2


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_rows_are_chosen_by_verdict_and_by_part(mixed: Results, opened: Open, scripts: bool) -> None:
    tab = opened(page(mixed), scripts=scripts)
    everything = ["plain 0", "plain 3", "plain 6", "plain 1", "plain 4", "plain 7", "plain 2", "plain 5", "plain 8"]
    assert visible(tab) == everything
    tab.get_by_label("not holding").check()
    assert visible(tab) == ["plain 1", "plain 2"]
    tab.get_by_label("within 10 of the bound").check()
    assert visible(tab) == ["plain 3", "plain 1", "plain 2"]
    tab.get_by_label("two").check()
    assert visible(tab) == ["plain 1"]
    tab.get_by_label("all 9").check()
    assert visible(tab) == ["plain 1", "plain 4", "plain 7"]
    assert tab.locator("#tools").is_visible() is scripts, "what needs scripts is not offered without"


def test_rows_are_found_by_words(mixed: Results, opened: Open) -> None:
    tab = opened(page(mixed))
    tab.get_by_label("Find").fill("PLAIN@4 title")
    assert visible(tab) == ["plain 4"]
    assert tab.locator("#found").inner_text() == "1 of 9"
    assert not tab.get_by_role("heading", name="one").is_visible(), "a part without rows is not named"
    tab.get_by_label("Find").fill("nowhere")
    assert visible(tab) == []
    tab.get_by_label("Find").fill("")
    assert len(visible(tab)) == 9 and tab.locator("#found").inner_text() == ""


def test_rows_are_sorted_by_what_an_error_takes_of_its_bound(mixed: Results, opened: Open) -> None:
    tab = opened(page(mixed))
    before = visible(tab)
    by_outputs = tab.get_by_role("button", name="outputs float64")
    by_outputs.click()
    assert visible(tab)[:3] == ["plain 2", "plain 1", "plain 3"]
    assert by_outputs.get_attribute("aria-pressed") == "true"
    tab.get_by_label("not holding").check()
    assert visible(tab) == ["plain 2", "plain 1"], "what is chosen stays chosen"
    tab.get_by_label("all 9").check()
    by_outputs.click()
    assert visible(tab) == before


def test_no_number_comes_before_every_number(mixed: Results, make: Any, opened: Open) -> None:
    nan = make.case(8, error=float("nan"), verdict=FAILS)
    tab = opened(page(replace(mixed, cases=(*mixed.cases[:8], replace(nan, group="two")))))
    tab.get_by_role("button", name="outputs float64").click()
    assert visible(tab)[:2] == ["plain 8", "plain 2"]


def test_everything_is_reached_by_keyboard(mixed: Results, opened: Open) -> None:
    tab = opened(page(mixed))
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "skip"
    assert tab.locator(".skip").bounding_box()["x"] >= 0, "the link to skip is seen once it is reached"
    seen: list[str] = []
    for _ in range(80):
        tab.keyboard.press("Tab")
        seen.append(tab.evaluate(FOCUSED))
        if seen[-1].startswith("SUMMARY"):
            break
    assert {"INPUT only-all", "INPUT in-0", "INPUT words", "BUTTON outputsfloat64"} <= set(seen)
    case = tab.locator(".case").first
    assert case.get_attribute("open") is None
    tab.keyboard.press("Enter")
    assert case.get_attribute("open") is not None
    outline = tab.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none", "the focus is seen"


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_a_link_to_a_case_opens_it(mixed: Results, opened: Open, scripts: bool) -> None:
    tab = opened(page(mixed), scripts=scripts)
    tab.locator("#top table a").first.click()
    assert tab.locator(".case[open]").count() == 1
    assert "title plain 1" in tab.locator(".case[open]").text_content()


def test_heat_maps_and_conventions_are_in_the_case(mixed: Results, opened: Open) -> None:
    tab = opened(page(mixed))
    tab.locator(".case summary").first.click()
    case = tab.locator(".case").first
    assert case.locator(".heat").count() == 2
    assert "unit 3" in case.locator(".heats").inner_text()
    case.get_by_role("link", name="number of biases").click()
    assert "frozen" in tab.locator("tr:target").inner_text()


@pytest.mark.parametrize("width", [320, 768, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_never_scrolls_sideways(make_with: Any, opened: Open, width: int, scheme: str) -> None:
    html = page(make_with("a" * 300).results())
    tab = opened(html, width=width, scheme=scheme)
    for case in tab.locator(".case summary").all():
        case.click()
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    body = tab.locator(".case[open] .body").first.bounding_box()
    assert body["x"] >= 0 and body["x"] + body["width"] <= width, "what a row opens is read without scrolling"


def test_on_paper_there_is_no_control_and_every_row(mixed: Results, opened: Open) -> None:
    tab = opened(page(mixed))
    tab.emulate_media(media="print")
    assert not tab.locator("nav").is_visible() and not tab.locator(".filter").is_visible()
    assert len(visible(tab)) == 9
    assert tab.pdf(format="A4").startswith(b"%PDF")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_a_stranger_s_names_are_text(make_with: Any, opened: Open, scripts: bool) -> None:
    tab = opened(page(make_with(HOSTILE).results(2)), scripts=scripts)
    for case in tab.locator(".case summary").all():
        case.click()
    assert tab.title() == "lstm-parity: holds"
    assert tab.asked == [tab.url] and tab.said == []
    text = tab.locator("body").inner_text()
    assert "<img src=x onerror" in text and "\\x1b" in text and "U+202E" in text
    assert not set("\x1b\u202e\u2066") & set(text)
    assert tab.locator("img").count() == 0


@pytest.mark.parametrize("character", ["a", "<", "字", "\u202e"])
def test_a_name_of_ten_thousand_characters_is_cut_and_fits(make_with: Any, opened: Open, character: str) -> None:
    tab = opened(page(make_with(character * 10_000).results(2)), width=320)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 320
    assert "…" in tab.locator(".case").first.text_content()
