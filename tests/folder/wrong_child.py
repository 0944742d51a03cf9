"""A process for `harness.folder.children` that meets a bad end at files whose names say so."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from pathlib import Path

from harness.folder import child, work
from harness.folder.line import Line
from harness.folder.task import Task

REAL = work.port


def port(task: Task, part: Path) -> Line:
    name = Path(task.path).stem
    with Path(os.environ["TRIED"]).open("a") as tried:
        tried.write(f"{name}\n")
    first = Path(os.environ["TRIED"]).read_text().split("\n").count(name) == 1
    if name == "killed" or (name == "killed once" and first):
        part.mkdir(parents=True)
        (part / "half").write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "segfault":
        ctypes.string_at(0)
    if name == "endless":
        time.sleep(600)
    return REAL(task, part)


work.port = port
if __name__ == "__main__":
    child.main()
