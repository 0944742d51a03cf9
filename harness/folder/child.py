"""A process that ports one file after the other: tasks come in as lines, lines of the log go out.

Run as `python -P -m harness.folder.child`, by `harness.folder.children` alone."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import IO

from harness.memory import settle


def main() -> None:
    """Until the input ends. What libraries print goes to stderr: stdout is the answers'."""
    settle()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    from harness.reading.confined import forking

    with forking():
        serve(sys.stdin.buffer, answers)


def serve(tasks: IO[bytes], answers: IO[str]) -> None:
    """Each input line is the folder to write, a tab, and the task."""
    from harness.folder.task import from_json
    from harness.folder.work import port

    while request := tasks.readline():
        part, _, told = request.decode("utf-8", "surrogateescape").partition("\t")
        task = from_json(told)
        os.chdir(task.base)
        answers.write(f"{port(task, Path(part)).to_json()}\n")
        answers.flush()


if __name__ == "__main__":
    main()
