"""log.jsonl: what is finished, one line a file, appended and flushed to the disk. What the log does not say, was not
done: resuming is what was found, without what it says."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from harness.folder import fates
from harness.folder.line import Line, from_json
from harness.folder.task import Task
from weight_mapping.errors import PortingError

NAME = "log.jsonl"


@dataclass(slots=True, kw_only=True)
class Log:
    """The log of one output folder, open for one run alone. It keeps where lines begin, not the lines."""

    output: Path
    _file: IO[bytes]
    settled: set[str] = field(default_factory=set)
    """The paths of which this run knows the fate."""
    _last: dict[str, int] = field(default_factory=dict)
    """By path: where its last line begins."""
    _same: dict[str, int] = field(default_factory=dict)
    """By identity: where the last line of it begins."""
    _begun: float = math.inf
    """Where this run's own lines begin."""

    def add(self, line: Line) -> None:
        """On the disk when this returns."""
        start = self._file.seek(0, os.SEEK_END)
        self._file.write(line.to_json().encode("ascii") + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._note(line, start)

    def catch_up(self) -> None:
        """Take what is on the disk for what was done: an interruption may come between a line and its note."""
        self._file.flush()
        self._read()

    def known(self, task: Task) -> Line | None:
        """The line of the same bytes, code and options, under whatever path, that makes doing it again needless. A file
        that took too long is tried again where it now may take longer."""
        at = self._same.get(task.identity)
        found = None if at is None else self._at(at)
        if found is None or not (self.output / found.folder).is_dir():
            return None
        return None if found.fate == fates.TIMED_OUT.name and task.timeout > found.seconds else found

    def finished(self, task: Task) -> bool:
        """Whether that is also what the log says of this very path."""
        at = self._last.get(task.name)
        same = at is not None and self._at(at).identity == task.identity and self.known(task) is not None
        if same:
            self.settled.add(task.name)
        return same

    def same(self, task: Task) -> Line:
        """The last line of the same bytes, code and options. KeyError where there is none."""
        return self._at(self._same[task.identity])

    def lines(self, paths: set[str] | None = None) -> Iterator[Line]:
        """The last line of each path (of `paths`), from the worst fate to the best, in the order of names."""
        chosen = [(path, at) for path, at in self._last.items() if paths is None or path in paths]
        for _, _, at in sorted((-fates.RANK.get(self._at(at).fate, 0), path, at) for path, at in chosen):
            yield self._at(at)

    def _note(self, line: Line, start: int) -> None:
        self._last[line.path] = self._same[line.identity] = start
        if start >= self._begun:
            self.settled.add(line.path)

    def _at(self, start: int) -> Line:
        self._file.seek(start)
        return from_json(self._file.readline())

    def _read(self) -> None:
        """Every line; a torn last one is no line, and the next begins in its place."""
        self._file.seek(0)
        start = 0
        while (told := self._file.readline()).endswith(b"\n"):
            with contextlib.suppress(ValueError, TypeError):  # a line of another schema stays, and says nothing here
                self._note(from_json(told), start)
            start += len(told)
        if told:
            self._file.truncate(start)


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[Log]:
    """The log of the output `folder`, which is made where it is not there. PortingError where another run has it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / NAME).open("a+b") as file:
        _lock(file, folder)
        log = Log(output=folder, _file=file)
        log._read()
        log._begun = file.seek(0, os.SEEK_END)
        yield log


def _lock(file: IO[bytes], folder: Path) -> None:
    try:
        import fcntl
    except ImportError:  # not a POSIX system: two runs into one folder are the user's to avoid
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise PortingError(
            "another run is writing here", where=str(folder), way_out="Wait for it, or name another output folder."
        ) from None
