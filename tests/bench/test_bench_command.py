"""`lstm-parity bench` and `doctor` as their users call them."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import cli
from harness.bench import fresh, plan, stopwatch
from harness.bench.implementations import IMPLEMENTATIONS
from harness.results import Timing, from_json, to_json

pytest.importorskip("torch", reason="PyTorch is not installed")
roof_torch = importlib.import_module("harness.backends.roof_torch")
SHAPE = (2, 7, 5, 3)
SMALL = ("bench", "--shape", "2,7,5,3", "--rounds", "6", "--task", "forward")
NATIVE = ("--implementation", "torch.nn")


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fresh processes do is done in this one: tests/bench/test_bench.py has the real ones."""

    def call(function: str, _environment: Any, **arguments: Any) -> Iterator[Any]:
        module, _, name = function.partition(":")
        options = {"rounds": 1, "seconds": 0.0} if name == "measure" else arguments
        for told in getattr(importlib.import_module(module), name)(**options):
            yield json.loads(json.dumps(told))

    monkeypatch.setattr(fresh, "call", call)
    monkeypatch.setattr(roof_torch, "_TRAFFIC", 1 << 16)
    monkeypatch.setattr(roof_torch, "PRODUCTS", ((16, 16, 16),))
    monkeypatch.setattr(roof_torch, "MATRICES", (1 << 10,))


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(list(arguments))
    return int(ended.value.code or 0)


def test_tables_with_ratios_to_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*SMALL, *NATIVE, "--implementation", "port, without torch.nn") == 0
    out, told = capsys.readouterr()
    assert "lstm forward, batch 2, time 7, input 5, units 3, cpu; 3 processes; ratios are to torch.nn" in out
    assert "GFLOP/s" in out and "This machine, measured" in out
    assert "together about" in told and "process 3 of 3" in told
    assert " ms (" in out
    assert "times as" in out or "not significant" in out


def test_results_and_page_in_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*SMALL, *NATIVE, "-o", str(tmp_path / "out"), "--json") == 0
    results = from_json(capsys.readouterr().out)
    assert results == from_json((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert results.kind == "bench"
    assert [(len(t.seconds), t.processes) for t in results.timings if t.device == "cpu"] == [(18, (6, 6, 6))]
    assert results.environment["threads"]["each"] > 0
    assert "torch.nn" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(("factor", "words"), [(1e30, "faster: torch.nn"), (1e-30, "SLOWER: torch.nn")])
def test_against_an_earlier_run(tmp_path: Path, capsys: pytest.CaptureFixture[str], factor: float, words: str) -> None:
    # Six rounds on a busy machine: processes that differ a hundredfold leave a factor of a million open.
    old = tmp_path / "old.json"
    assert run(*SMALL, *NATIVE, "--json") == 0
    results = from_json(capsys.readouterr().out)
    moved = [replace(t, seconds=tuple(s * factor for s in t.seconds)) for t in results.timings]
    old.write_text(to_json(replace(results, timings=tuple(moved))), encoding="utf-8")
    assert run(*SMALL, *NATIVE, "--compare", str(old)) == 0
    told = capsys.readouterr().out.partition("Against the earlier run")[2]
    assert words in told and "1 compared; 0 without" in told


def test_a_run_elsewhere_is_not_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = tmp_path / "old.json"
    assert run(*SMALL, *NATIVE, "--json") == 0
    results = from_json(capsys.readouterr().out)
    slower = [replace(t, seconds=tuple(s * 1e-6 for s in t.seconds)) for t in results.timings]
    elsewhere = {**results.environment, "python": "2.7"}
    old.write_text(to_json(replace(results, environment=elsewhere, timings=tuple(slower))), encoding="utf-8")
    assert run(*SMALL, *NATIVE, "--compare", str(old), "-o", str(tmp_path / "new")) == 0
    told = capsys.readouterr().out.partition("Against the earlier run")[2]
    assert "not compared" in told and "python is another" in told and "SLOWER" not in told
    page = (tmp_path / "new" / "report.html").read_text(encoding="utf-8")
    assert "times as long" not in page.partition("What changed")[2].partition("Speed</h2>")[0]


@pytest.mark.parametrize("text", ["", "[]", '{"schema": 1}', '{"schema": 99}', "\x00"])
def test_what_is_no_earlier_run_is_one_clear_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    old = tmp_path / "old.json"
    old.write_text(text, encoding="utf-8")
    assert run(*SMALL, *NATIVE, "--compare", str(old)) == 3
    assert "old.json: no results of this program" in capsys.readouterr().err


@pytest.mark.parametrize("shape", ["1,2,3", "1,2,3,0", "a,b,c,d", "1,2,3,-4", ""])
def test_a_bad_shape_is_a_usage_error(capsys: pytest.CaptureFixture[str], shape: str) -> None:
    assert run("bench", "--shape", shape) == 4
    assert "four whole numbers" in capsys.readouterr().err


def test_an_unknown_implementation_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("bench", "--implementation", "jax") == 2
    assert "there is no implementation 'jax'" in capsys.readouterr().err


def test_a_wrong_answer_turns_the_command_red(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def wrong(*_: Any, **__: Any) -> tuple[plan.Found, list[Timing]]:
        timing = Timing(
            implementation="x", task="forward", device="cpu", shape=SHAPE, seconds=(1.0,), measure=(1.0,), agrees=False
        )
        return plan.Found(), [timing]

    monkeypatch.setattr(plan, "run", wrong)
    assert run("bench") == 1
    assert "WRONG ANSWER" in capsys.readouterr().out


@pytest.mark.parametrize("cell", ["gru", "rnn"])
def test_other_cells(capsys: pytest.CaptureFixture[str], cell: str) -> None:
    assert run(*SMALL, *NATIVE, "--cell", cell, "--processes", "1") == 0
    assert f"{cell} forward, batch 2" in capsys.readouterr().out


def test_an_unknown_cell_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*SMALL, "--cell", "sru") == 2
    assert "there is no cell 'sru'" in capsys.readouterr().err


def test_doctor_tells_all_and_is_content(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("doctor", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["clashes"] == {}
    assert found["installed"]["numpy"]
    assert found["measured"]["cpu"].keys() == {row.name for row in IMPLEMENTATIONS}
    assert run("doctor") == 0
    assert "No clash of names" in capsys.readouterr().out


def test_ctrl_c_keeps_what_is_timed_and_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    real, calls = stopwatch.interleave, []

    def interrupted(*arguments: Any, **options: Any) -> Any:
        calls.append(arguments)
        if len(calls) > 2:  # the roof, and the first group
            raise KeyboardInterrupt
        return real(*arguments, **options)

    monkeypatch.setattr(stopwatch, "interleave", interrupted)
    assert run(*SMALL, "--shape", "1,5,4,3", *NATIVE, "--processes", "1", "-o", str(tmp_path)) == 130
    results = from_json((tmp_path / "results.json").read_text(encoding="utf-8"))
    first, *left = [t for t in results.timings if t.device == "cpu"]
    assert first.seconds and first.agrees
    assert [t.note for t in left] == ["not measured: interrupted"]
    again = "lstm-parity bench --implementation torch.nn --task forward --shape 1,5,4,3"
    assert again in capsys.readouterr().err
