"""The log: what counts as done, what does not, and what a run that was killed leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.folder import fates, line
from harness.folder.log import NAME, Log, opened
from harness.folder.task import Task, from_json
from harness.porting.request import Request
from weight_mapping.errors import DamagedFile, NoModel, PortingError, UnsafeFile, Unsupported

TASK = Task(
    base="/", path="a.h5", config=None, parts=("a.h5",), sha256="1" * 64, output="/out", code="c", timeout=5.0,
    request=Request(),
)  # fmt: skip


def done(log: Log, task: Task = TASK, fate: fates.Fate = fates.PORTED, **changed: Any) -> None:
    (log.output / task.folder).mkdir(exist_ok=True)
    log.add(replace(line.of_error(task, fate, line.described(PortingError("no"))), **changed))


def test_what_is_logged_is_done(tmp_path: Path) -> None:
    with opened(tmp_path / "out") as log:
        assert not log.finished(TASK)
        done(log)
        assert log.finished(TASK)
    with opened(tmp_path / "out") as log:
        assert log.finished(TASK) and not (tmp_path / "out" / TASK.folder / "x").exists()


@pytest.mark.parametrize(
    "changed",
    [{"sha256": "2" * 64}, {"code": "d"}, {"request": Request(seed=1)}, {"request": Request(layers_only=True)}],
)
def test_other_bytes_code_or_options_are_not(tmp_path: Path, changed: dict[str, Any]) -> None:
    with opened(tmp_path / "out") as log:
        done(log)
        assert not log.finished(replace(TASK, **changed)) and log.known(replace(TASK, **changed)) is None


def test_the_same_bytes_elsewhere_are_known_and_a_lost_folder_is_not(tmp_path: Path) -> None:
    with opened(tmp_path / "out") as log:
        done(log)
        copy = replace(TASK, path="b/c.h5")
        assert not log.finished(copy) and log.known(copy) is not None
        (tmp_path / "out" / TASK.folder).rmdir()
        assert not log.finished(TASK) and log.known(copy) is None


def test_a_file_changed_and_changed_back_has_its_last_line(tmp_path: Path) -> None:
    with opened(tmp_path / "out") as log:
        done(log)
        done(log, replace(TASK, sha256="2" * 64))
        assert not log.finished(TASK) and log.known(TASK)
        assert [one.sha256 for one in log.lines()] == ["2" * 64]


def test_too_slow_is_tried_again_only_with_more_time(tmp_path: Path) -> None:
    with opened(tmp_path / "out") as log:
        done(log, fate=fates.TIMED_OUT, seconds=5.0)
        assert log.finished(TASK) and not log.finished(replace(TASK, timeout=6.0))
        done(log, fate=fates.CRASHED)
        assert log.finished(replace(TASK, timeout=6.0))


@pytest.mark.parametrize("at", ["_note", "os.fsync"])
def test_an_interruption_while_a_line_is_added_leaves_log_and_run_of_one_mind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with opened(tmp_path / "out") as log:
        done(log)
    with opened(tmp_path / "out") as log:
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            if at == "_note":
                patch.setattr(Log, at, interrupted)
            else:
                patch.setattr(at, interrupted)
            done(log, replace(TASK, path="b.h5"))
        log.catch_up()
        assert log.settled == {"b.h5"}, "what an earlier run did is not this run's"
        assert [one.path for one in log.lines(log.settled)] == ["b.h5"]


def test_torn_and_foreign_lines_are_nothing(tmp_path: Path) -> None:
    with opened(tmp_path / "out") as log:
        done(log)
    whole = (tmp_path / "out" / NAME).read_bytes()
    for end in range(len(whole)):
        (tmp_path / "out" / NAME).write_bytes(b'{"schema": 99}\n[]\nnonsense\n' + whole + whole[:end])
        with opened(tmp_path / "out") as log:
            assert len(list(log.lines())) == 1
            done(log, replace(TASK, path="b.h5"))
        lines = (tmp_path / "out" / NAME).read_bytes().split(b"\n")
        assert len(lines) == 6 and json.loads(lines[-2])["path"] == "b.h5"


def kills(*options: str) -> dict[str, Any]:
    command = [sys.executable, str(Path(__file__).with_name("killed_log.py")), *options]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return dict(json.loads(subprocess.run(command, env=environment, capture_output=True, check=True).stdout))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system can't fork")
def test_a_run_killed_at_any_point_of_a_line_goes_on_with_nothing_lost_or_done_twice() -> None:
    ran = kills()
    assert ran["points"] > 30 and ran["wrong"] == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system can't fork")
def test_the_kills_would_find_a_torn_line_that_is_left() -> None:
    assert kills("careless")["wrong"]


def test_two_runs_do_not_write_one_log(tmp_path: Path) -> None:
    pytest.importorskip("fcntl", reason="only POSIX systems lock it")
    with (
        opened(tmp_path / "out"),
        pytest.raises(PortingError, match="another run is writing here"),
        opened(tmp_path / "out"),
    ):
        pass


def test_a_task_and_a_line_come_back_as_they_went() -> None:
    odd = replace(TASK, path="a\udcff\x1b.h5", parts=("a\udcff\x1b.h5", "b.json"))
    assert from_json(odd.to_json()) == odd
    told = line.of_error(odd, fates.REFUSED, line.described(Unsupported("no", class_name="A", also=("B",))))
    again = line.from_json(told.to_json())
    assert again.identity == told.identity == odd.identity and again.path == odd.name == "aU+DCFF\\x1b.h5"
    assert again.error is not None and again.error["layers"] == ["A", "B"]


def test_a_number_that_is_none_is_no_json_of_its_own() -> None:
    told = replace(line.of_error(TASK, fates.MISMATCH, {"what": "x"}), checks=({"error": float("nan")},))
    assert "NaN" not in told.to_json() and json.loads(told.to_json())["checks"] == [{"error": None}]


@pytest.mark.parametrize(
    ("error", "fate"),
    [
        (NoModel("x"), "no model"), (DamagedFile("x"), "damaged"), (UnsafeFile("x"), "damaged"),
        (OSError("x"), "damaged"), (Unsupported("x"), "refused"), (PortingError("x"), "refused"),
        (KeyError("x"), "crashed"), (MemoryError(), "crashed"),
    ],
)  # fmt: skip
def test_an_error_has_its_fate(error: Exception, fate: str) -> None:
    assert fates.of_error(error).name == fate


@pytest.mark.parametrize(
    ("names", "code"),
    [
        ((), 0), (("ported", "no model", "layers only", "unproved", "chaotic"), 0), (("ported", "refused"), 2),
        (("refused", "damaged"), 3), (("refused", "timed out"), 3), (("refused", "crashed"), 3),
        (("refused", "damaged", "crashed", "mismatch", "ported"), 1),
    ],
)  # fmt: skip
def test_the_exit_code_is_that_of_the_worst(names: tuple[str, ...], code: int) -> None:
    assert fates.exit_code(names) == code
