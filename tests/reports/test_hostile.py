"""Names out of a stranger's results: shown, never obeyed; in every place, in the page and in a real browser."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.results import Results
from reports import render
from reports.render import page
from reports.text import shown

ATTACKS = {
    "tag": "<script>document.title='owned'</script>",
    "handler": "\"><img src=x onerror=document.title='owned'>",
    "svg": "</text></svg><svg onload=document.title='owned'>",
    "style": "</style><style>body{display:none}</style>",
    "template": "{{ 7777*7777 }}{% raw %}",
    "format": "{0.__class__} %s %(x)s",
    "mathematics": "$\\frac{1}{2}$ $x_1$",
    "slot": "§0§ §99999§",
    "escape": "a\x1b[2Jb",
    "bidi": "a\u202eb\u2066c\u200ed",
    "nul": "a\x00b\ufffe",
    "surrogate": "a\ud800b",
    "lines": "a\nb\r\nc\td",
    "unseen": "字\U0001f9ec ∂ 𝔄",
    "address": "javascript:document.title='owned'",
    "long": "<" * 5000,
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_a_hostile_name_is_escaped_in_every_place(make_with: Callable[[str], Any], attack: str) -> None:
    html, harmless = (
        page(
            make_with(name).results(
                2,
                port={name: name, "layers": [{name: name}], "weights": [{"path": name}], "resolved": [name]},
                explanation={"layers": [{"name": name, "units": name}]},
            )
        )
        for name in (attack, "plain")
    )
    assert re.findall(r"<[a-zA-Z/]+", html) == re.findall(r"<[a-zA-Z/]+", harmless), "the tags are the page's own"
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe]", html)
    assert "60481729" not in html
    html.encode()


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_a_name_is_shown_on_one_line_and_cut(attack: str) -> None:
    text = shown(attack)
    assert text.isprintable() or set(attack) <= set("\ufffe")
    assert len(text) <= 8 * 200


def test_without_escaping_the_attack_would_succeed(make_with: Callable[[str], Any]) -> None:
    """The guard of the guard: the same page by an environment that does not escape holds the stranger's script."""
    render.environment.cache_clear()
    try:
        # Templates that are kept compiled would still escape, and what this one compiles must not be kept.
        render.environment().bytecode_cache = None
        render.environment().autoescape = False
        assert ATTACKS["tag"] in page(make_with(ATTACKS["tag"]).results(1))
    finally:
        render.environment.cache_clear()
    assert ATTACKS["tag"] not in page(make_with(ATTACKS["tag"]).results(1))


def test_control_characters_are_spelled_out() -> None:
    assert shown("a\x1b[31m\u202eb\ud800\n") == "a\\x1b[31mU+202EbU+D800\\x0a"
    assert len(shown("x" * 300)) == 200
    assert shown("x" * 300).endswith("…")


def test_slots_are_filled_by_the_page_alone(make_with: Callable[[str], Any]) -> None:
    html = page(make_with("§1§").results())
    assert "nn §1§" in html


def test_a_nested_bomb_is_cut() -> None:
    deep: Any = "end"
    for _ in range(300):
        deep = {"k": deep}
    wide = {f"key {n}": n for n in range(5000)}
    html = page(
        Results(kind="port", command="", environment={"deep": deep, **wide}, port={"layers": [deep], "proof": wide})
    )
    assert len(html) < 300_000
    assert "more in the JSON" in html


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_in_a_browser_nothing_of_a_stranger_runs(make_with: Callable[[str], Any], tmp_path: Path) -> None:
    text = "".join(attack for name, attack in ATTACKS.items() if name not in ("long", "surrogate"))
    file = tmp_path / "page.html"
    file.write_text(page(make_with(text).results(2)), encoding="utf-8")
    dumped = _dom(file, tmp_path)
    assert "<title>lstm-parity: holds</title>" in dumped
    assert "</footer>" in dumped
    assert "onerror=document" in dumped, "it is there, as text"
    assert not re.search(r"<img|<svg[^>]*onload", dumped) and dumped.count("<script") == 1


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_the_policy_is_obeyed_where_escaping_fails(make_with: Callable[[str], Any], tmp_path: Path) -> None:
    """The guard behind the guard: what is put in raw does not run either; without the policy it does."""
    html = page(make_with("plain").results(1)).replace("</footer>", "<script>document.title='owned'</script></footer>")
    guarded, bare = tmp_path / "guarded.html", tmp_path / "bare.html"
    guarded.write_text(html, encoding="utf-8")
    bare.write_text(re.sub(r"<meta http-equiv[^>]*>", "", html), encoding="utf-8")
    assert "<title>lstm-parity: holds</title>" in _dom(guarded, tmp_path)
    assert "<title>owned</title>" in _dom(bare, tmp_path)


def _dom(file: Path, folder: Path) -> str:
    command = [
        "chromium", "--headless", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
        "--disable-background-networking", "--no-first-run",
        f"--user-data-dir={folder / 'profile'}", "--dump-dom", file.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, timeout=300, check=True)
    return done.stdout.decode()
