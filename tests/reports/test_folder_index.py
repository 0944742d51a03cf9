"""The index of a whole folder: every row, in any order, and nothing that a name can do to it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from harness.folder import fates
from reports.folder import index

ATTACKS = (
    "<script>document.title='owned'</script>",
    "\"><img src=x onerror=document.title='owned'>",
    "a\x1b[2J\u202eb\nc",
    "{{ 7777*7777 }}",
)


def line(path: str, fate: fates.Fate = fates.PORTED, **changed: Any) -> dict[str, Any]:
    check = {"check": "outputs float64", "error": 1e-16, "bound": 1e-14, "unit": "relative", "verdict": "holds"}
    return {
        "path": path, "fate": fate.name, "folder": "0123456789ab-model", "config": None, "keras_version": "2.2.4",
        "container": "h5 model", "parameters": 100, "seconds": 0.5, "layers": ["LSTM(5) tanh, sigmoid"],
        "checks": [check], "error": None, **changed,
    }  # fmt: skip


def page(*lines: dict[str, Any], **held_up: int) -> str:
    counts = {each["fate"]: 1 for each in lines}
    return "".join(
        index(
            lines,
            fates=fates.FATES,
            counts=counts,
            held_up=held_up,
            facts={"python": "3"},
            command="lstm-parity port x",
        )
    )


def refused(path: str, why: str) -> dict[str, Any]:
    error = {"what": why, "where": "lstm_1", "found": "that", "way_out": "do this"}
    return line(path, fates.REFUSED, error=error, checks=[], parameters=None, layers=[])


def test_every_file_is_there_with_its_fate_its_reason_and_its_page() -> None:
    html = page(line("a.h5"), refused("b.h5", "no such layer"), Theirs=3)
    assert html.count('href="0123456789ab-model/report.html"') == 2
    for text in ("a.h5", "b.h5", "no such layer", "do this", "lstm_1", "Theirs", "1e-16 of 1e-14", "2.2.4", "LSTM(5)"):
        assert text in html.replace("1.0e", "1e"), text


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_hostile_name_is_text_in_every_place(attack: str) -> None:
    error = dict.fromkeys(("what", "where", "found", "way_out"), attack)
    made, harmless = (
        page(
            line(name, config=name, keras_version=name, layers=[name]),
            line("b", error=dict.fromkeys(error, name), folder=name), **{name: 1},
        )
        for name in (attack, "plain")
    )  # fmt: skip
    assert re.findall(r"<[a-zA-Z/]+", made) == re.findall(r"<[a-zA-Z/]+", harmless), "the tags are the page's own"
    assert not set("\x1b\u202e") & set(made) and "60481729" not in made


@pytest.mark.parametrize("folder", ["javascript:alert(1)//", "../../etc", "/etc", "0123456789ab-../x", "", None])
def test_a_link_leads_to_a_folder_of_ours_or_is_none(folder: str | None) -> None:
    assert "<a href=" not in page(line("a.h5", folder=folder)).split("<tbody>")[-1]


def test_the_table_sorts_in_a_browser_and_nothing_else_runs(opened: Callable[..., Any]) -> None:
    rows = [line(f"{name}.h5", parameters=size, keras_version=version)
            for name, size, version in (("b", 9, "10.0"), ("a", 1000, "2.2.4"), ("c", 30, "2.10.0"))]  # fmt: skip
    tab = opened(page(*rows, refused(ATTACKS[1], ATTACKS[0])))
    names = lambda: [text[:4] for text in tab.locator("table.sorts tbody th").all_inner_texts()]  # noqa: E731
    assert names() == ["b.h5", "a.h5", "c.h5", '"><i']
    for heading, up in (("Parameters", ["b.h5", "c.h5", "a.h5"]), ("File", ["a.h5", "b.h5", "c.h5"]),
                        ("Keras", ["a.h5", "c.h5", "b.h5"])):  # fmt: skip
        tab.get_by_role("button", name=heading).click()
        assert [name for name in names() if name != '"><i'] == up
        tab.get_by_role("button", name=heading).click()
        assert [name for name in names() if name != '"><i'] == up[::-1]
    assert tab.locator("th[aria-sort=descending]").count() == 1
    assert tab.title() == "lstm-parity: 2 files"
    assert tab.asked == [tab.url] and not tab.said


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(opened: Callable[..., Any], scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    rows = [refused("b.h5", "no such layer"), *(line(fate.name, fate) for fate in fates.FATES)]
    found = axe.Axe().run(opened(page(*rows, Theirs=3), scheme=scheme)).response["violations"]
    assert [f"{one['id']}: {one['nodes'][0]['html'][:160]}" for one in found] == []
