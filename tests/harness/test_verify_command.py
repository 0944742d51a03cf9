"""`lstm-parity verify`: files, verdict, exit code, and what is said of what could not be measured."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from harness import backends, check, expected
from harness.commands import progress, verify
from harness.compare import Limit
from harness.results import FAILS, HOLDS, from_json

QUICK = ["--case", "rnn/default@different", "--no-bench", "--no-mutants"]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(verify.command, list(arguments), standalone_mode=False, catch_exceptions=False)


@pytest.fixture
def one_backend() -> None:
    pytest.importorskip("torch")


@pytest.mark.usefixtures("one_backend")
def test_results_and_page_are_written_and_the_verdict_ends_it(tmp_path: Path) -> None:
    result = run(*QUICK, "--backend", "torch module", "-o", str(tmp_path))
    assert result.return_value == 0
    results = from_json((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert results.verdict == HOLDS and results.planned == ("rnn/default@different",)
    assert results.not_measured["keras 3"] == "not among the backends asked for"
    assert results.not_measured["speed"] and results.not_measured["wrong ports"]
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!")
    page, verdict = result.output.strip().splitlines()[-2:]
    assert page == str(tmp_path / "report.html") and verdict.startswith("holds: 1 of 1 cases hold")


@pytest.mark.usefixtures("one_backend")
def test_json_alone_is_on_stdout(tmp_path: Path) -> None:
    result = run(*QUICK, "--backend", "torch nn", "-o", str(tmp_path), "--json")
    assert json.loads(result.stdout)["kind"] == "verify"


@pytest.mark.usefixtures("one_backend")
def test_a_failure_is_told_with_the_command_that_repeats_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*_: Any, **__: Any) -> dict[str, Limit]:
        return dict.fromkeys(("y", "h", "kernel", "recurrent", "bias", "losses", "gate n"), Limit(1e-30, "none")) | {
            f"gradient {name}": Limit(1e-30, "none") for name in ("x", "h", "kernel", "recurrent", "bias")
        }

    monkeypatch.setattr(expected, "limits", no_room)
    result = run(*QUICK, "--backend", "torch module", "-o", str(tmp_path), "--seed", "3")
    assert result.return_value == 1
    assert "lstm-parity verify --case rnn/default@different --seed 3 --no-bench --no-mutants" in result.stderr
    assert result.output.strip().splitlines()[-1].startswith("fails: 0 of 1 cases hold, 1 fail")


@pytest.mark.usefixtures("one_backend")
def test_a_framework_that_is_not_there_is_told_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    absent = {**backends.MODULES, "keras 3": ("harness.backends.nowhere", "keras")}
    monkeypatch.setattr(backends, "MODULES", absent)
    names = ("--backend", "torch module", "--backend", "keras 3")
    assert run(*QUICK, *names, "-o", str(tmp_path)).return_value == 0
    results = from_json((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert "can't be imported" in results.not_measured["keras 3"]


def test_a_run_without_any_backend_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "MODULES", {"keras 3": ("harness.backends.nowhere", "keras")})
    assert run(*QUICK, "-o", str(tmp_path)).return_value == 1


@pytest.mark.usefixtures("one_backend")
def test_a_backend_that_raises_fails_and_the_others_go_on() -> None:
    (case,) = check_cases("rnn/default@different")
    (right,), _ = backends.load(["torch module"])

    class Broken:
        name, keras, of_argument = "broken", None, frozenset[str]()

        def build(self, problem: Any, dtype: str) -> Any:
            raise RuntimeError(f"no {dtype} today of {type(problem).__name__}")

    result = check.check(case, [Broken(), right])  # type: ignore[list-item]
    assert result.verdict == FAILS
    assert [a.reason for a in result.agreements if a.backend == "broken"] == [
        "RuntimeError: no float64 today of Problem",
        "RuntimeError: no float32 today of Problem",
    ]
    assert {a.verdict for a in result.agreements if a.backend == "torch module"} == {HOLDS}


def check_cases(pattern: str) -> Any:
    from harness.cases import cases

    return cases([pattern])


@pytest.mark.usefixtures("one_backend")
@pytest.mark.parametrize("part", ["outputs", "gradients", "step", "train"])
def test_a_nan_from_a_backend_never_passes(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.backends import torch

    (case,) = check_cases("lstm/default@different")
    (backend,), _ = backends.load(["torch module"])

    def spoilt(arrays: dict) -> dict:
        name = list(arrays)[-1]
        return {**arrays, name: arrays[name] * float("nan")}

    if part in ("step", "train"):
        before = getattr(torch.TorchSubject, part)
        monkeypatch.setattr(torch.TorchSubject, part, lambda self, *given: spoilt(before(self, *given)))
    else:
        answer = torch.TorchSubject.answer
        monkeypatch.setattr(
            torch.TorchSubject, "answer",
            lambda self: replace(found := answer(self), **{part: spoilt(getattr(found, part))}),
        )  # fmt: skip
    assert check.check(case, [backend]).verdict == FAILS


def test_usage_errors_are_usage_errors() -> None:
    import click

    for arguments in (["--case", "nothing"], ["--backend", "nothing"]):
        with pytest.raises(click.UsageError, match="nothing"):
            run(*arguments)


def test_list_names_cases_and_backends_and_loads_nothing() -> None:
    result = run("--list", "--case", "lstm/default")
    assert result.return_value == 0
    assert result.output.splitlines()[-1] == f"backends: {', '.join(backends.MODULES)}"


@pytest.mark.usefixtures("one_backend")
def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness import verify as main_job

    def interrupted(case: Any, *arguments: Any, **options: Any) -> Any:
        if case.id.startswith("bidirectional/sum"):
            raise KeyboardInterrupt
        return check.check(case, *arguments, **options)

    monkeypatch.setattr(main_job, "check", interrupted)
    cases = ["rnn/default@square", "bidirectional/concat@square", "bidirectional/sum@square"]
    asked = [*(word for case in cases for word in ("--case", case)), "--backend", "torch module", "--no-bench"]
    result = run(*asked, "-o", str(tmp_path / "page"))
    assert result.return_value == 130
    results = from_json((tmp_path / "page" / "results.json").read_text(encoding="utf-8"))
    assert results.interrupted and results.verdict == FAILS
    assert results.missing == ("bidirectional/sum@square",) and len(results.cases) == 2
    assert (tmp_path / "page" / "report.html").exists()
    again = next(line for line in result.stderr.splitlines() if line.startswith("interrupted"))
    assert "lstm-parity verify --case 'bidirectional/sum@*' -o " in again and "missing:" not in result.stderr


@pytest.mark.usefixtures("one_backend")
def test_processes_share_the_cases_and_find_the_same(tmp_path: Path) -> None:
    found = []
    for jobs in ("1", "2"):
        asked = ["--case", "rnn/default", "--case", "rnn/no bias@square", "--backend", "torch module", "--jobs", jobs]
        assert run(*asked, "--no-bench", "--no-mutants", "-o", str(tmp_path / jobs)).return_value == 0
        results = from_json((tmp_path / jobs / "results.json").read_text(encoding="utf-8"))
        assert tuple(case.id for case in results.cases) == results.planned and len(results.planned) == 3
        found.append([replace(case, seconds=0.0) for case in results.cases])
    assert found[0] == found[1]


@pytest.mark.usefixtures("one_backend")
def test_a_case_that_brings_its_process_down_fails_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    from harness import verify as main_job
    from harness import workers

    def results(items: Any, task: Any, *_: Any) -> Any:
        first, *others = items
        yield from ((item, task.work(item, backends.load(["torch module"])[0])) for item in others)
        assert task.parts(first) == [first]
        yield first, task.died(first)

    monkeypatch.setattr(workers, "results", results)
    chosen = check_cases("rnn/default")
    options = {"seed": 0, "mutants": False, "timings": False, "command": "", "jobs": 2}
    found = main_job.run(chosen, [], {}, progress=progress.Lines(2), **options)  # type: ignore[arg-type]
    assert [case.verdict for case in found.cases] == [FAILS, HOLDS] and found.verdict == FAILS
    assert found.cases[0].agreements[0].reason == "the process died" and found.missing == ()
