"""JUnit XML and Markdown: whole, the worst first, within the limit, and a stranger's names are text in both."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from markdown_it import MarkdownIt

from harness.commands.report import command
from harness.results import FAILS, Results, to_json
from reports.junit import junit
from reports.markdown import LIMIT, markdown

ATTACKS = {
    "tag": "<script>alert(1)</script> ]]> &amp; <br>",
    "link": "[a](http://b.c) ![a](http://b.c) http://b.c www.b.c <http://b.c>",
    "table": "a | b \\| c `d | e` ``f``",
    "emphasis": "**a** __b__ ~~c~~ # d\n# e\n- f",
    "person": "@everyone #12 :shipit:",
    "escape": "a\x1b[2J\u202eb\u2066c\x00\ufffe\ud800\r\nd",
    "long": "<" * 10_000,
}


def test_a_test_of_junit_is_a_case_and_a_suite_a_part(failing: Results) -> None:
    root = ElementTree.fromstring(junit(failing))
    tests = {test.attrib["name"]: test for test in root.iter("testcase")}
    assert root.attrib | {"time": ""} == {
        "name": "lstm-parity", "tests": "4", "failures": "1", "errors": "0", "skipped": "1", "time": ""
    }  # fmt: skip
    assert [suite.attrib["name"] for suite in root] == sorted(suite.attrib["name"] for suite in root)
    failure = tests["title plain 1 (lstm/plain@1)"].find("failure")
    assert failure is not None and "error 0.031, bound 1.0e-13" in failure.attrib["message"]
    assert failure.text and failure.text.endswith("repeat: lstm-parity verify --case lstm/1 plain")
    assert tests["title plain 2 (lstm/plain@2)"].find("skipped") is not None, "neither passed nor failed"
    passed = tests["title plain 0 (lstm/plain@0)"]
    assert passed.find("failure") is None and passed.find("skipped") is None


@pytest.mark.parametrize("write", [junit, markdown])
def test_what_is_no_pass_is_no_pass_here_either(make: Any, write: Callable[[Results], str]) -> None:
    good = make.results()
    wrong = {
        "missing": replace(good, planned=(*good.planned, "lstm/lost")),
        "unnoticed": replace(good, mutants=(replace(good.mutants[0], caught=False),)),
        "answer was wrong": replace(good, timings=(replace(good.timings[0], agrees=False),)),
        "": replace(good, sweep={"asked": 2, "counts": {"holds": 1}}),
    }
    assert "<failure" not in write(good) and "✗" not in write(good)
    for said, results in wrong.items():
        assert results.verdict == FAILS
        assert said in write(results)
        assert ("<failure" if write is junit else "✗") in write(results)


def test_the_summary_tells_the_worst_first(failing: Results) -> None:
    lines = markdown(failing).splitlines()
    assert lines[0] == "## ✗ Does not hold: 1 of 3 cases off by more than rounding explains."
    rows = [line for line in lines if line.startswith("| ") and "title" in line]
    assert [row.split("title plain ")[1][0] for row in rows] == ["1", "2", "0"]
    assert rows[0].startswith("| ✗ |") and "<code>lstm-parity verify --case lstm/1 plain</code>" in rows[0]


def test_the_summary_stays_within_its_limit_and_says_so(make: Any) -> None:
    cases = tuple(make.case(n, error=9e-14 if n == 4_321 else 3e-16) for n in range(10_000))
    results = replace(make.results(), cases=cases, planned=tuple(case.id for case in cases))
    text = markdown(results)
    assert LIMIT * 0.95 < len(text.encode()) <= LIMIT
    assert "title plain 4321" in text[:1500], "the worst is not what is left out"
    rows = text.count("title plain")
    assert f"{10_001 - rows:,} rows more, none worse" in text
    assert "### Not measured" in text


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_a_stranger_s_names_are_text(make: Any, make_with: Callable[[str], Any], attack: str) -> None:
    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])

    def tags(html: str) -> list[str]:
        return re.findall(r"<[a-zA-Z/][^>]*>", html)

    hostile, harmless = (
        reader.render(markdown(replace(made.results(2), cases=(made.case(0, verdict=FAILS),))))
        for made in (make_with(attack), make)
    )
    assert tags(hostile) == tags(harmless)
    text = markdown(make_with(attack).results(2))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe]", text)
    assert not re.search(r"(?<!\\)@everyone|(?<!\\)#12|(?<!\\):shipit|http://|www\.", text)
    structure = [
        {element.tag for element in ElementTree.fromstring(junit(made.results(2))).iter()}
        for made in (make_with(attack), make)
    ]
    assert structure[0] == structure[1]


def test_the_command_writes_both_beside_the_page(failing: Results, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(to_json(failing))
    files = ["--junit", str(tmp_path / "out" / "junit.xml"), "--markdown", str(tmp_path / "out" / "summary.md")]
    result = CliRunner().invoke(command, [str(tmp_path / "results.json"), *files], standalone_mode=False)
    assert result.return_value == 1
    assert (tmp_path / "out" / "junit.xml").read_text(encoding="utf-8") == junit(failing)
    assert (tmp_path / "out" / "summary.md").read_text(encoding="utf-8") == markdown(failing)
    assert result.stdout == f"{tmp_path / 'report.html'}\n"
