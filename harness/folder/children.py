"""Long-lived processes, one a thread that asks: a file that brings one down, or never ends, costs only itself."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from harness.endings import ending, last_said
from harness.folder import fates, work
from harness.folder.line import Line, from_json
from harness.folder.task import Task

PARTS = ".parts"
"""The folder within the output that holds what is not finished."""
ATTEMPTS = 2
"""A file whose process died is tried once again: the process may have been killed for another's sake."""
# -P: a folder of strangers' files that is the current one is no place to import from.
COMMAND = (sys.executable, "-P", "-X", "faulthandler", "-m", "harness.folder.child")
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
_TAIL = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A finished task: its line, and the folder that holds its files."""

    line: Line
    part: str


class Stopped(Exception):
    """The processes were ended while a file was being ported; it counts as not begun."""


@dataclass(slots=True, kw_only=True, eq=False)
class Child:
    """One process, what it printed, and whether it was ended for being too slow."""

    process: subprocess.Popen[bytes]
    said: IO[bytes]
    too_slow: bool = False

    def ask(self, request: bytes, timeout: float) -> bytes:
        """Its answer; less than a line where it died, or was killed after `timeout` seconds."""
        assert self.process.stdin and self.process.stdout
        timer = threading.Timer(timeout, self._give_up)
        timer.start()
        try:
            self.process.stdin.write(request + b"\n")
            self.process.stdin.flush()
            return self.process.stdout.readline()
        except OSError:
            return b""
        finally:
            timer.cancel()

    def end(self) -> str:
        """Kill it where it still runs; how it ended, in words."""
        self.process.kill()
        code = self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]
        tail = last_said(self.said, _TAIL)
        self.said.close()
        return ending(code, tail)

    def _give_up(self) -> None:
        self.too_slow = True
        self.process.kill()


@dataclass(slots=True, kw_only=True)
class Children:
    """The processes of this one's threads. `port` may be called from any thread; `stop` ends them all."""

    command: Sequence[str] = COMMAND
    _mine: threading.local = field(default_factory=threading.local)
    _all: set[Child] = field(default_factory=set)
    _stopped: bool = False

    def port(self, task: Task) -> Done:
        """The task done by this thread's process. Whatever happens to the process, the answer is a line; raises
        Stopped alone."""
        endings: list[str] = []
        while len(endings) < ATTEMPTS:
            child, part = self._child(), new_part(task)
            answer = child.ask(os.fsencode(part) + b"\t" + task.to_json().encode("ascii"), task.timeout)
            if answer.endswith(b"\n"):
                return Done(line=replace(from_json(answer), attempts=len(endings) + 1), part=str(part))
            endings.append(self._end(child))
            if self._stopped:
                raise Stopped
            if child.too_slow:
                return _too_slow(task, len(endings))
        return crashed(task, "; ".join(dict.fromkeys(endings)))

    def stop(self) -> None:
        """End every process; a thread that waits for one raises Stopped."""
        self._stopped = True
        for child in list(self._all):
            self._end(child)

    def _child(self) -> Child:
        if self._stopped:
            raise Stopped
        child: Child | None = getattr(self._mine, "child", None)
        if child is None or child not in self._all or child.process.poll() is not None:
            if child is not None:
                self._end(child)
            child = self._mine.child = _started(self.command)
            self._all.add(child)
        return child

    def _end(self, child: Child) -> str:
        """End it, unless another thread did; how it ended."""
        try:
            self._all.remove(child)
        except KeyError:
            return ""
        return child.end()


def _started(command: Sequence[str]) -> Child:
    said = tempfile.TemporaryFile()  # noqa: SIM115
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, env={**os.environ, **_ONE_THREAD},
    )  # fmt: skip
    return Child(process=process, said=said)


def crashed(task: Task, ending: str) -> Done:
    """The answer to a task whose process died each time."""
    return _given_up(task, fates.CRASHED, ATTEMPTS, "its process died", ending)


def _too_slow(task: Task, attempts: int) -> Done:
    done = _given_up(task, fates.TIMED_OUT, attempts, f"not done after {task.timeout:g} seconds", None)
    return replace(done, line=replace(done.line, seconds=task.timeout))


def _given_up(task: Task, fate: fates.Fate, attempts: int, what: str, found: str | None) -> Done:
    error: dict[str, Any] = {
        "type": fate.name, "what": what, "where": task.name, "found": found, "expected": None,
        "way_out": f"By itself: {task.command}", "layers": [],
    }  # fmt: skip
    part = new_part(task)
    return Done(line=replace(work.refused(task, part, fate, error), attempts=attempts), part=str(part))


def new_part(task: Task) -> Path:
    """A folder that no other attempt writes."""
    return Path(task.output) / PARTS / secrets.token_hex(8)
