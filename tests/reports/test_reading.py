"""A stranger's JSON: read as it was written, or refused in one sentence that names the place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from harness.cli import main
from harness.commands.report import command
from harness.results import Results, read, to_json

WRONG = {
    "no JSON": "{",
    "nothing": "",
    "a list": "[]",
    "another schema": '{"schema": 99}',
    "no cases": '{"schema": 1, "kind": "verify"}',
    "deep": "[" * 100_000,
}


def test_what_was_written_is_read(make: Any) -> None:
    assert to_json(read(to_json(make.results()))) == to_json(make.results())


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG.keys())
def test_no_results_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        read(text)


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("kind",), 3, "results.kind is int"),
        (("environment",), [], "results.environment is tuple"),
        (("cases", 0, "title"), {}, "results.cases[0].title is dict"),
        (("cases", 0, "seconds"), "fast", "results.cases[0].seconds is str"),
        (("cases", 0, "agreements", 1, "error"), "1e-3", "agreements[1].error is str"),
        (("cases", 0, "agreements", 1, "error"), True, "agreements[1].error is bool"),
        (("cases", 0, "agreements", 1, "error"), 10**400, "agreements[1].error is int"),
        (("cases", 0, "error_over_time"), {"torch nn": [1.0, None]}, "error_over_time['torch nn'][1] is NoneType"),
        (("timings", 0, "shape"), [1, 2], "results.timings[0].shape is tuple"),
        (("mutants", 0, "caught"), "yes", "results.mutants[0].caught is str"),
        (("planned",), "abc", "results.planned is str"),
    ],
)
def test_a_field_of_another_type_is_named(make: Any, place: tuple[Any, ...], value: object, said: str) -> None:
    data = json.loads(to_json(make.results()))
    at = data
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = value
    with pytest.raises(ValueError, match="expected") as caught:
        read(json.dumps(data))
    assert said in str(caught.value)


def _run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    out, err = capsys.readouterr()
    return int(caught.value.code or 0), out, err


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG.keys())
def test_the_command_refuses_with_one_line_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    file = tmp_path / "results.json"
    file.write_text(text)
    code, out, err = _run(["report", str(file)], capsys)
    assert (code, out) == (3, "")
    assert err.count("\n") == 1 and "results.json: no results of this program" in err
    assert list(tmp_path.iterdir()) == [file]


def test_bytes_that_are_no_text_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "results.json").write_bytes(b"\x89HDF\r\n\x1a\n\xff")
    assert _run(["report", str(tmp_path / "results.json")], capsys)[0] == 3
    assert _run(["report", str(tmp_path / "nowhere.json")], capsys)[0] == 4


def test_the_command_renders_beside_the_results_and_says_where(make: Any, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(to_json(make.results()))
    result = CliRunner().invoke(command, [str(tmp_path / "results.json")], standalone_mode=False)
    assert result.return_value == 0
    assert result.output.strip() == str(tmp_path / "report.html")
    assert "It holds" in (tmp_path / "report.html").read_text()


def test_the_exit_code_is_the_verdict(failing: Results, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text(to_json(failing))
    page = tmp_path / "page.html"
    result = CliRunner().invoke(command, [str(tmp_path / "bad.json"), "-o", str(page)], standalone_mode=False)
    assert result.return_value == 1 and page.exists()


def test_two_files_say_what_changed(make: Any, failing: Results, tmp_path: Path) -> None:
    old, new, page = tmp_path / "old.json", tmp_path / "new.json", tmp_path / "page.html"
    old.write_text(to_json(make.results()))
    new.write_text(to_json(failing))
    same = CliRunner().invoke(command, [str(old), str(old)], standalone_mode=False)
    assert (same.return_value, same.output) == (0, "no difference\n")
    other = CliRunner().invoke(command, [str(old), str(new), "-o", str(page)], standalone_mode=False)
    assert other.return_value == 1
    assert other.output.startswith("! verdict: the whole run: holds -> fails\n")
    assert "What changed since the earlier run" in page.read_text()


def test_the_terminal_gets_no_control_character_of_a_stranger(make_with: Any, tmp_path: Path) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text(to_json(make_with("\x1b[2J\u202e\nforged: line").results()))
    new.write_text(to_json(make_with("b").results()))
    result = CliRunner().invoke(command, [str(old), str(new)], standalone_mode=False)
    assert "\x1b" not in result.output and "\u202e" not in result.output
    assert not [line for line in result.output.splitlines() if line.startswith("forged")]
