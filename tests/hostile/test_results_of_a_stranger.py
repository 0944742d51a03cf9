"""A stranger's results.json: on the terminal, in JUnit and in Markdown (the page is `tests/reports`' matter)."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from attacks import NAMES

from harness import results as records
from harness.cli import main
from harness.results import Agreement, Case, Mutant, Results, to_json

RAW = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def results(name: str) -> Results:
    """A stranger's text in every place."""
    agreement = Agreement(
        check=name, backend=name, reference=name, error=1.0, bound=0.5, unit=name, reason=name, verdict="fails",
        where=name,
    )  # fmt: skip
    case = Case(
        id=name, title=name, group=name, spec={name: name}, fingerprint=name, repeat=name, agreements=(agreement,),
        seconds=1.0, notes=(name,),
    )  # fmt: skip
    mutant = Mutant(name=name, description=name, caught=False, by=name, error=1.0, named=False)
    return Results(
        kind="verify", command=name, environment={name: name}, cases=(case,), planned=(name, "other"),
        mutants=(mutant,), not_measured={name: name},
    )  # fmt: skip


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(a) for a in arguments])
    return int(ended.value.code or 0)


@pytest.mark.parametrize("name", NAMES)
def test_its_names_are_shown_and_never_obeyed(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for file, text in (("old.json", "plain"), ("new.json", NAMES[name])):
        (tmp_path / file).write_text(to_json(results(text)))
    assert run("report", tmp_path / "new.json", "--junit", tmp_path / "j.xml", "--markdown", tmp_path / "m.md") == 1
    assert run("report", tmp_path / "old.json", tmp_path / "new.json") in (0, 1)
    said = "".join(capsys.readouterr())
    assert not RAW.search(said) and "lstm-parity: all is well" not in said.splitlines()
    for written in ("j.xml", "m.md", "report.html"):
        assert not RAW.search((tmp_path / written).read_text(encoding="utf-8")), written
    tree = ET.parse(tmp_path / "j.xml")  # well formed, and its elements are JUnit's own
    assert {element.tag for element in tree.iter()} <= {
        "testsuites", "testsuite", "testcase", "failure", "skipped", "properties", "property", "system-out", "error",
    }  # fmt: skip
    assert "<img" not in (tmp_path / "m.md").read_text(encoding="utf-8")


def changed(path: tuple[Any, ...], value: Any) -> str:
    data = json.loads(to_json(results("plain")))
    inside = data
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = value
    return json.dumps(data)


WRONG = [(("cases", 0, "seconds"), "1"), (("cases", 0, "agreements", 0, "error"), [1]), (("environment",), "x")]


@pytest.mark.parametrize(("path", "value"), WRONG, ids=lambda v: str(v))
def test_a_field_of_another_type_is_refused(
    path: tuple[Any, ...], value: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "r.json").write_text(changed(path, value))
    assert run("report", tmp_path / "r.json") == 3
    assert [file.name for file in tmp_path.iterdir()] == ["r.json"]
    monkeypatch.setattr(records, "check", lambda *_: None)
    assert records.read_file(tmp_path / "r.json")  # the guard taken away, it is taken for results


def test_a_pipe_and_a_bomb_are_not_read(tmp_path: Path) -> None:
    with (tmp_path / "large.json").open("wb") as file:
        file.truncate(1 << 40)
    assert run("report", tmp_path / "large.json") == 3
    (tmp_path / "deep.json").write_text("[" * 200_000)
    assert run("report", tmp_path / "deep.json") == 3
