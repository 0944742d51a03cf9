"""The log asked in SQL: the answers, what a query can't reach, and a log that is torn."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from harness.cli import main

pytest.importorskip("duckdb", reason="the extra `results` is not installed")
LINES = [
    {"schema": 1, "path": "a.h5", "fate": "refused", "error": {"what": "no", "layers": ["Theirs"]}, "seconds": 0.5},
    {"schema": 1, "path": "b\\x1b.h5", "fate": "ported", "error": None, "seconds": 0.25},
    {"schema": 1, "path": "a.h5", "fate": "ported", "error": None, "seconds": 1.5},
]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in LINES))
    return path


def ask(query: str, log: Path, *options: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["results", query, str(log.parent), *options])
    return int(ended.value.code or 0)


def rows(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_log_and_the_last_line_of_each_path(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask("SELECT count(*) AS n, sum(seconds) AS s FROM log", log, "--json") == 0
    assert rows(capsys) == [{"n": 3, "s": 2.25}]
    assert ask("SELECT path, fate, seconds FROM files ORDER BY path", log, "--json") == 0
    assert [(row["path"], row["seconds"]) for row in rows(capsys)] == [("a.h5", 1.5), ("b\\x1b.h5", 0.25)]
    assert ask("SELECT error.layers[1] AS layer FROM log WHERE error IS NOT NULL", log) == 0
    assert "Theirs" in capsys.readouterr().out


def test_a_torn_last_line_is_nothing_and_a_damaged_one_is_told(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with log.open("a") as file:
        file.write('{"path": "to')
    assert ask("SELECT count(*) AS n FROM log", log, "--json") == 0
    told = capsys.readouterr()
    assert json.loads(told.out) == {"n": 3} and not told.err
    with log.open("a") as file:
        file.write("\n" + json.dumps(LINES[0]) + "\n")
    assert ask("SELECT count(*) AS n FROM log", log, "--json") == 0
    told = capsys.readouterr()
    assert json.loads(told.out) == {"n": 4} and "1 lines of the log can't be read" in told.err


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_text('{secret}')",
        "SELECT * FROM read_json('{secret}')",
        "COPY log TO '{secret}.copy'",
        "ATTACH '{secret}.db'",
        "INSTALL httpfs",
        "SELECT * FROM read_csv('http://127.0.0.1:9/a.csv')",
        "SET enable_external_access = true",
        "SELEC nonsense",
    ],
)
def test_a_query_reaches_nothing_but_the_log(log: Path, query: str, capsys: pytest.CaptureFixture[str]) -> None:
    secret = log.with_name("secret")
    secret.write_text("{}")
    assert ask(query.format(secret=secret), log) == 2
    assert "the query can't be answered" in capsys.readouterr().err
    assert sorted(path.name for path in log.parent.iterdir()) == ["log.jsonl", "secret"]


def test_without_the_locks_the_query_would_reach_it(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.folder.query._LOCKS", ())
    log.with_name("secret").write_text("{}")
    assert ask(f"SELECT * FROM read_text('{log.with_name('secret')}')", log) == 0


def test_what_is_not_there_is_one_error(
    log: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask("SELECT 1", log.parent / "elsewhere" / "log.jsonl") == 2
    assert "there is no log" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "duckdb", None)
    assert ask("SELECT 1", log) == 2
    assert "pip install 'lstm-parity[results]'" in capsys.readouterr().err
