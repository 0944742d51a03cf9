"""A program: a run that writes a folder's log is killed at every point of it, twice in a row, and then goes on to its
end. Prints at how many points, and what was lost or is there twice. With `careless` nothing that is torn is cut off.

Every run is a fork, ended by SIGKILL. A line comes to the disk in pieces, and a kill may fall between any two."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.folder import fates, line
from harness.folder import log as logs
from harness.folder.task import Task
from harness.porting.port import Request
from weight_mapping.errors import PortingError

PIECE = 100
TASKS = [
    Task(
        base="/", path=f"{n}.h5", config=None, parts=(f"{n}.h5",), sha256=f"{n}" * 64, output="/out", code="c",
        timeout=5.0, request=Request(),
    )
    for n in range(3)
]  # fmt: skip
LINES = [line.of_error(task, fates.REFUSED, line.described(PortingError("no"))) for task in TASKS]
left = 0


def point() -> None:
    """One more point at which a run may be killed."""
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)


class InPieces(io.FileIO):
    """A file of which a write is many, and that a kill may leave after any."""

    careless = False

    def write(self, data: Any) -> int:
        for start in range(0, len(data), PIECE):
            point()
            super().write(data[start : start + PIECE])
        return len(data)

    def truncate(self, size: int | None = None) -> int:
        point()
        return 0 if self.careless else super().truncate(size)


def log_in_pieces(path: Path, mode: str = "r", *given: Any, own: Any = Path.open, **options: Any) -> Any:
    return io.BufferedRandom(InPieces(path, "a+")) if mode == "a+b" else own(path, mode, *given, **options)


def fsync(_file: int) -> None:
    """A kill loses nothing that the system has: nothing waits for the disk."""
    point()


def run(folder: Path, said: int) -> None:
    """What a run does with its log: what is not finished is done, and it is said once it is on the disk."""
    with logs.opened(folder) as log:
        for task, told in zip(TASKS, LINES, strict=True):
            if not log.finished(task):
                log.add(told)
                os.write(said, task.name.encode() + b"\n")
            point()


def killed(folder: Path, at: int) -> tuple[bool, list[str]]:
    """Whether a run was killed at this point, and what it had said by then."""
    global left
    reading, writing = os.pipe()
    fork = os.fork()
    if fork == 0:
        left = at
        try:
            run(folder, writing)
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, encoding="utf-8") as said:  # noqa: PTH123
        names = said.read().split()
    return os.waitpid(fork, 0)[1] != 0, names


def wrong(folder: Path, at: int) -> tuple[bool, str]:
    """Whether there is such a point, and what is wrong after kills there."""
    for task in TASKS:
        (folder / replace(task, output=str(folder)).folder).mkdir(parents=True)
    there, said = killed(folder, at)
    said += killed(folder, at)[1]
    said += killed(folder, 0)[1]
    written = [json.loads(one)["path"] for one in (folder / logs.NAME).read_bytes().splitlines() if _is_whole(one)]
    whole = written == [task.name for task in TASKS] and len(said) == len(set(said)) and set(said) <= set(written)
    return there, "" if whole else f"killed at {at}: said {said}, written {written}"


def _is_whole(one: bytes) -> bool:
    try:
        return isinstance(json.loads(one), dict)
    except ValueError:
        return False


def main() -> None:
    InPieces.careless = "careless" in sys.argv
    os.fsync = fsync
    Path.open = log_in_pieces  # type: ignore[assignment, method-assign]
    points, found = 0, []
    with tempfile.TemporaryDirectory() as place:
        there = True
        while there:
            there, what = wrong(Path(place) / f"{points}", points + 1)
            points += 1
            found += [what] if what else []
    print(json.dumps({"points": points, "wrong": found}))


if __name__ == "__main__":
    main()
