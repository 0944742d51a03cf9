"""Many files read one after the other, each in a process of its own as `confined` has it: the processes are
forks of one that has imported what reading needs, and has never seen a file. For whole folders, on POSIX systems."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

from harness.memory import settle

NEEDED = ("harness.reading.readings", "pyfive", "weight_mapping.drafting.assumed")
"""What a reading imports when it first needs it."""
_POLL = 0.0005


@dataclass(slots=True, kw_only=True)
class Forks:
    """The process that forks; started again where it is gone."""

    command: list[str]
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None

    def run(self, request: Mapping[str, Any], output: str, folder: str, seconds: float) -> int | None:
        """The exit code of a reading of `request` in the empty `folder`, its answer in the file `output`; None where it
        did not end in so many seconds."""
        if self.process is None or self.process.poll() is not None:
            self.end()
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                env=dict(self.environment),
            )  # fmt: skip
        assert self.process.stdin and self.process.stdout
        told = {"request": request, "output": output, "folder": folder, "seconds": seconds}
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(told).encode("ascii") + b"\n")
            self.process.stdin.flush()
        ended = self.process.stdout.readline()
        return -signal.SIGKILL if not ended else json.loads(ended)

    def end(self) -> None:
        if self.process is not None:
            for pipe in (self.process.stdin, self.process.stdout):
                with contextlib.suppress(OSError):
                    pipe.close()  # type: ignore[union-attr]
            self.process.kill()
            self.process.wait()
            self.process = None


def main() -> None:
    """Fork for each line of the input; say how each fork ended."""
    settle()
    for name in NEEDED:
        importlib.import_module(name)
    for line in sys.stdin.buffer:
        told = json.loads(line)
        fork = os.fork()
        if fork == 0:
            _read(told)
        print(json.dumps(_ending(fork, told["seconds"])), flush=True)


def _read(told: Mapping[str, Any]) -> None:
    """In the fork: as `harness.reading.reader.main`, and gone."""
    code = 1
    try:
        from harness.reading.reader import answer

        output: IO[bytes] = open(told["output"], "wb")  # noqa: SIM115, PTH123
        nowhere = os.open(os.devnull, os.O_RDWR)
        for taken in (0, 1):
            os.dup2(nowhere, taken)
        os.chdir(told["folder"])
        answer(told["request"], output)
        code = 0
    finally:
        os._exit(code)


def _ending(fork: int, seconds: float) -> int | None:
    due, pause = time.monotonic() + seconds, _POLL
    while True:
        ended, status = os.waitpid(fork, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > due:
            os.kill(fork, signal.SIGKILL)
            os.waitpid(fork, 0)
            return None
        time.sleep(pause)
        pause = min(2 * pause, 0.02)
