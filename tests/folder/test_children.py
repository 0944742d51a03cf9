"""A file that brings its process down costs only itself, and is tried once more at most."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest
from batches import logged

from harness.folder import children, local
from harness.folder.batch import Batch, port_all
from harness.folder.children import PARTS, Children
from harness.porting.request import Request

GOLDEN = Path(__file__).parents[1] / "golden" / "k2.2.4_tensorflow_rnn.h5"
WRONG = (sys.executable, "-X", "faulthandler", str(Path(__file__).with_name("wrong_child.py")))
ENDS = ("killed", "killed once", "segfault", "endless", "sound")


class Clock(threading.Timer):
    """Strikes once the file that never ends is under way, and at no other: however slow the machine is."""

    set_to: ClassVar[list[float]] = []

    def __init__(self, interval: float, function: Callable[[], None]) -> None:
        super().__init__(interval, function)
        self.set_to.append(interval)
        self.before = tried().count("endless")

    def run(self) -> None:
        while not self.finished.wait(0.01):
            if tried().count("endless") > self.before:
                self.function()
                return


def tried() -> list[str]:
    """The names of the files that a process has begun, in turn."""
    names = Path(os.environ["TRIED"])
    return names.read_text().split("\n")[:-1] if names.exists() else []


def batch(models: Path, output: Path, *, timeout: float) -> Batch:
    return port_all(
        [models], output, Request(proof=False, trusted=True), config=None, timeout=timeout,
        workers=local.workers(1, Children(command=WRONG)), command="a test", say=print,
    )  # fmt: skip


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    for number, name in enumerate(ENDS):  # other bytes each, or they would be copies of one another
        shutil.copyfile(GOLDEN, folder / f"{name}.h5")
        with (folder / f"{name}.h5").open("ab") as file:
            file.write(bytes(number + 1))
    monkeypatch.setenv("TRIED", str(tmp_path / "tried"))
    monkeypatch.setattr(children.threading, "Timer", Clock)
    monkeypatch.setattr(Clock, "set_to", [])
    return folder


def test_every_end_is_told_and_the_rest_is_ported(models: Path, tmp_path: Path) -> None:
    done = batch(models, tmp_path / "out", timeout=12)
    lines = {Path(line["path"]).stem: line for line in logged(tmp_path / "out")}
    assert {name: (line["fate"], line["attempts"]) for name, line in lines.items()} == {
        "killed": ("crashed", 2), "killed once": ("unproved", 2), "segfault": ("crashed", 2),
        "endless": ("timed out", 1), "sound": ("unproved", 1),
    }  # fmt: skip
    assert "SIGKILL" in lines["killed"]["error"]["found"] and "SIGSEGV" in lines["segfault"]["error"]["found"]
    assert "ctypes" in lines["segfault"]["error"]["found"], "the last that the process said"
    assert all("lstm-parity port" in lines[name]["error"]["way_out"] for name in ("killed", "endless"))
    begun = tried()
    assert [begun.count(name) for name in ENDS] == [2, 2, 2, 1, 1] and set(Clock.set_to) == {12}
    assert done.summary.exit_code == 3 and not (tmp_path / "out" / PARTS).exists()
    for line in lines.values():
        inside = {file.name for file in (tmp_path / "out" / line["folder"]).iterdir()}
        assert "report.html" in inside and "half" not in inside

    # What crashed is not tried again; what took too long is, once it may take longer.
    batch(models, tmp_path / "out", timeout=12)
    assert tried() == begun
    batch(models, tmp_path / "out", timeout=13)
    assert tried() == [*begun, "endless"] and Clock.set_to[-1] == 13


def test_ctrl_c_keeps_what_is_done_and_ends_the_processes(models: Path, tmp_path: Path) -> None:
    class Impatient(Children):
        def port(self, task):  # type: ignore[no-untyped-def]
            if Path(task.path).stem == "sound":
                signal.raise_signal(signal.SIGTERM)
            return Children.port(self, task)

    for name in ("killed", "segfault"):
        (models / f"{name}.h5").unlink()
    impatient = Impatient(command=WRONG)
    done = port_all(
        [models], tmp_path / "out", Request(proof=False, trusted=True), config=None, timeout=5,
        workers=local.workers(1, impatient), command="a test", say=print,
    )  # fmt: skip
    assert done.interrupted and done.found == 3
    assert done.summary.files < 3 and len(logged(tmp_path / "out")) == done.summary.files
    assert not impatient._all and done.page.exists() and not (tmp_path / "out" / PARTS).exists()
    again = batch(models, tmp_path / "out", timeout=2)
    assert not again.interrupted and again.summary.files == 3
    paths = [line["path"] for line in logged(tmp_path / "out")]
    assert len(paths) == len(set(paths)) == 3, "what was done before is not done again"
