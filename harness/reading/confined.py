"""A stranger's file is read in a process of its own (`reader`), with little memory and time, in an empty folder and
without the environment. What comes back is plain data, and is checked again; nothing is pickled.

The answer is one line of JSON, the texts, and behind it the arrays as safetensors. `trusted` reads in this process and
without limits, as `weight_mapping.load` does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.endings import ending
from harness.reading.forking import Forks
from weight_mapping.errors import (
    DamagedFile,
    NoModel,
    PortingError,
    Unconfigured,
    Unrepresentable,
    UnsafeFile,
    Unsupported,
    WeightsMismatch,
    shown,
)

if TYPE_CHECKING:
    from weight_mapping.weights import Portable

TRUSTED = "Read the file in this process, without limits of memory and time."
MAX_BYTES = 4 << 30
"""Of a file, of its arrays, and of the answer; more is read only where it is trusted."""
_WAY_OUT = "If you trust the file, read it with --trusted."
_ERRORS = {
    kind.__name__: kind
    for kind in (
        PortingError,
        Unconfigured,
        Unsupported,
        Unrepresentable,
        DamagedFile,
        NoModel,
        UnsafeFile,
        WeightsMismatch,
    )
}
_KEPT = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
"""What Python itself may need of the environment."""
_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "LC_ALL": "C.UTF-8",
    "HOME": os.sep,  # none: without the variable Python would look for one in /etc/passwd
}  # fmt: skip
_FORKS: list[Forks] = []
"""What reads in place of a new process, within `forking`."""
_CHILD = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1])['path']; from harness.reading.reader import main; main()"
)
_FORKING = "import sys; sys.path[:] = sys.argv[1:]; from harness.reading.forking import main; main()"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Of one reading; memory in bytes, beside that of Python and its libraries."""

    memory: int = 384 << 20
    processor_seconds: int = 6
    wall_seconds: int = 60


def load(
    path: Path, config: Path | None = None, *, layers_only: bool = False, verify: bool = False, trusted: bool = False,
    meanwhile: Callable[[], object] = lambda: None,
) -> Portable:  # fmt: skip
    """`weight_mapping.load`, confined. `meanwhile` is called while a process started for it reads."""
    options = {"layers_only": layers_only, "verify": verify, "max_bytes": 1 << 62 if trusted else MAX_BYTES}
    if trusted:
        from weight_mapping.loading import load as read

        return read(path, config, **options)
    with _answer("load", path, config, options, meanwhile) as (texts, file, start):
        from harness.reading.answers import arrays_of, portable_of

        return portable_of(texts, arrays_of(file, start))


def inspect(path: Path, config: Path | None = None, *, trusted: bool = False) -> dict[str, Any]:
    """`harness.reading.inspection.inspect`, confined."""
    if trusted:
        from harness.reading.inspection import inspect as read

        return read(path, config, max_bytes=1 << 62)
    with _answer("inspect", path, config, {"max_bytes": MAX_BYTES}) as (texts, _, _):
        return dict(json.loads(texts["findings"]))


def draft(path: Path, *, trusted: bool = False) -> dict[str, Any]:
    """`weight_mapping.drafting.outline.outline` of a file of weights, confined."""
    if trusted:
        from weight_mapping.drafting.outline import outline
        from weight_mapping.files import open_archive

        return outline(open_archive(path, max_bytes=1 << 62))
    with _answer("draft", path, None, {"max_bytes": MAX_BYTES}) as (texts, _, _):
        return dict(json.loads(texts["config"]))


def recording(path: Path, *, trusted: bool = False) -> dict[str, Any]:
    """The arrays of an .npz file, confined."""
    if trusted:
        from harness.reading.readings import recorded

        return recorded(path)
    with _answer("recording", path, None, {}) as (_, file, start):
        from harness.reading.answers import arrays_of

        return arrays_of(file, start)


def tell(path: Path) -> tuple[str, frozenset[str]]:
    """`weight_mapping.files.finding.tell`, confined where it reads more than little."""
    from weight_mapping.files import finding

    if finding.is_light(path):
        return finding.tell(path)
    with _answer("tell", path, None, {}) as (texts, _, _):
        kind, names = json.loads(texts["told"])
        return str(kind), frozenset(map(str, names))


@contextmanager
def _answer(
    name: str,
    path: Path,
    config: Path | None,
    options: Mapping[str, Any],
    meanwhile: Callable[[], object] = lambda: None,
) -> Iterator[tuple[dict[str, str], Path, int]]:
    """What the reader of this name answers: its texts, and the file and place where the arrays begin."""
    where = shown(path.name)
    limits = _limits(sum(stored(file) for file in (path, config) if file))
    request = {
        "path": [entry for entry in sys.path if entry], "reading": name, "options": options,
        "file": str(path.absolute()), "config": config and str(config.absolute()),
        "memory": limits.memory, "processor_seconds": limits.processor_seconds, "answer": MAX_BYTES,
    }  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="lstm-parity-", ignore_cleanup_errors=True) as folder:
        file = Path(folder) / "answer"
        code = _run(request, folder, file, limits.wall_seconds, where, meanwhile)
        _check_end(code, limits, where)
        try:
            with file.open("rb") as output:
                texts = dict(json.loads(output.readline()))
                start = output.tell()
            if "error" in texts:
                told = dict(texts["error"])
                raise _ERRORS[told.pop("kind")](told.pop("what"), **told)
            yield texts, file, start
        except (ValueError, TypeError, KeyError, RecursionError) as problem:
            raise DamagedFile("the reader gave no answer", where=where, found=shown(problem)) from problem


def stored(path: Path) -> int:
    """Bytes on the disk: of a file; of what names others beside it, or of a folder, all that lie there, as far as that
    is read; nothing of a device or a pipe, which will be refused."""
    if path.is_file() and path.suffix not in (".json", ".index"):
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise UnsafeFile(
                "more bytes than are read of a stranger's file", where=shown(path.name), found=f"{size:,}",
                expected=f"at most {MAX_BYTES:,}", way_out=_WAY_OUT,
            )  # fmt: skip
        return _on_disk(path)
    if path.exists() and not (path.is_file() or path.is_dir()):
        return 0
    folder = path if path.is_dir() else path.parent
    beside = [entry for pattern in ("*", "*/*") for entry in folder.glob(pattern) if entry.is_file()]
    return min(sum(map(_on_disk, beside)), MAX_BYTES)


def _on_disk(path: Path) -> int:
    """Where the system tells: a hole as large as it likes buys no time and memory."""
    facts = path.stat()
    return min(facts.st_size, 512 * getattr(facts, "st_blocks", facts.st_size))


def _limits(size: int) -> Limits:
    """More for a larger file: two and a half times its bytes of memory, a second for every 16 MB."""
    usual, seconds = Limits(), size >> 24
    return Limits(
        memory=usual.memory + 5 * size // 2, processor_seconds=usual.processor_seconds + seconds,
        wall_seconds=usual.wall_seconds + 3 * seconds,
    )  # fmt: skip


@contextmanager
def forking() -> Iterator[None]:
    """Within this, where the system can fork, a reading does not pay for its process' imports."""
    if not hasattr(os, "fork"):
        yield
        return
    command = [sys.executable, "-I", "-B", "-c", _FORKING, *(entry for entry in sys.path if entry)]
    _FORKS.append(Forks(command=command, environment=_environment()))
    try:
        yield
    finally:
        _FORKS.pop().end()


def _environment() -> dict[str, str]:
    return {**{name: os.environ[name] for name in _KEPT if name in os.environ}, **_ENVIRONMENT}


def _run(
    request: Mapping[str, Any], folder: str, answer: Path, seconds: int, where: str, meanwhile: Callable[[], object]
) -> int:
    """How the reader ended."""
    empty = Path(folder) / "empty"
    empty.mkdir()
    if _FORKS:
        code = _FORKS[-1].run(request, str(answer), str(empty), seconds)
    else:
        code = _new(request, empty, answer, seconds, meanwhile)
    if code is None:
        found = f"nothing after {seconds} s"
        raise UnsafeFile("reading it does not end", where=where, found=found, way_out=_WAY_OUT)
    return code


def _new(
    request: Mapping[str, Any], empty: Path, answer: Path, seconds: int, meanwhile: Callable[[], object]
) -> int | None:
    """A process for this reading alone. What this one needs for arrays is imported while that one is at work."""
    command = [sys.executable, "-I", "-B", "-c", _CHILD, json.dumps(request)]
    nowhere = subprocess.DEVNULL
    with (
        answer.open("wb") as output,
        subprocess.Popen(
            command, stdin=nowhere, stdout=output, stderr=nowhere, cwd=empty, env=_environment()
        ) as process,
    ):
        try:
            if request["reading"] != "inspect":
                import harness.reading.answers  # noqa: F401

            meanwhile()
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            process.kill()


def _check_end(code: int, limits: Limits, where: str) -> None:
    if -code in (getattr(signal, "SIGXCPU", None), getattr(signal, "SIGKILL", None)):
        found = f"more than {limits.processor_seconds} s of the processor"
        raise UnsafeFile("reading it takes too long", where=where, found=found, way_out=_WAY_OUT)
    if code:
        raise DamagedFile("reading it broke the reader", where=where, found=ending(code), way_out=_WAY_OUT)
