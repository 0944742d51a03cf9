"""The process that reads a stranger's file for `confined`: it gives away what it does not need, reads, and
writes its answer to standard output as one safetensors file."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from harness.memory import settle
from weight_mapping.errors import PortingError, UnsafeFile, Unsupported, shown
from weight_mapping.files.guard import reading
from weight_mapping.files.safetensors import stream
from weight_mapping.files.torch_file import begins_as_torch

_REFUSED = (
    "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "os.kill", "os.startfile",
    "subprocess.", "pty.", "socket.", "urllib.", "http.", "ftplib.", "smtplib.", "webbrowser.", "shutil.", "tempfile.",
    "os.mkdir", "os.rmdir", "os.remove", "os.rename", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown",
    "pickle.find_class", "builtins.input",
)  # fmt: skip
"""Audit events (docs.python.org/3/library/audit_events.html) that no reading brings about."""
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def main() -> None:
    """Read what the one argument asks for."""
    settle()
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # so that nothing else is written into the answer
    answer(json.loads(sys.argv[1]), output)


def answer(request: Mapping[str, Any], output: IO[bytes]) -> None:
    """Read what is asked for. An error that is met is an answer too."""
    file, config = Path(request["file"]), request["config"] and Path(request["config"])
    from harness.reading.readings import READINGS

    texts: dict[str, Any]
    try:
        with reading(shown(file.name)):
            _import_what_is_needed(file)
            _limit(request)
            _confine([file, config] if config else [file])
            texts, arrays = READINGS[request["reading"]](file, config, **request["options"])
    except PortingError as error:
        texts, arrays = {"error": _told(error)}, {}
    with output:
        text = json.dumps(texts).encode()
        output.write(text + b" " * (-(len(text) + 1) % 8) + b"\n")  # numbers lie where a processor likes them
        stream(output, arrays)


def _told(error: PortingError) -> dict[str, Any]:
    facts = {name: getattr(error, name) for name in ("where", "found", "expected", "way_out", "class_name")
             if getattr(error, name, None) is not None}  # fmt: skip
    told = {"kind": type(error).__name__, "what": error.what, **{name: str(fact) for name, fact in facts.items()}}
    return {**told, "also": error.also} if isinstance(error, Unsupported) else told


def _import_what_is_needed(file: Path) -> None:
    """PyTorch, for its own files: with CUDA it takes far more addresses than a file may."""
    if file.is_file():
        with file.open("rb") as start:
            wanted = begins_as_torch(start.read(128))
        if wanted:
            with suppress(ImportError):  # the reading says so
                importlib.import_module("torch")


def _limit(request: Mapping[str, Any]) -> None:
    """No core dumps, and so much memory and time beyond what is spent by now, where the system can limit them."""
    try:
        import resource
    except ImportError:
        return  # Windows: the parent's limit of wall time remains
    spent = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(spent.ru_utime + spent.ru_stime) + 1 + request["processor_seconds"]
    for kind, limit in (
        (resource.RLIMIT_CORE, 0), (resource.RLIMIT_CPU, seconds), (resource.RLIMIT_FSIZE, request["answer"]),
        (resource.RLIMIT_AS, _addresses() + request["memory"]),
    ):  # fmt: skip
        _, most = resource.getrlimit(kind)
        limit = limit if most == resource.RLIM_INFINITY else min(limit, most)
        try:
            resource.setrlimit(kind, (limit, limit))
        except (OSError, ValueError):
            if sys.platform == "linux":
                raise  # macOS knows RLIMIT_AS and does not take it


def _addresses() -> int:
    """The bytes of the address space that this process has taken."""
    table = Path("/proc/self/statm")
    return int(table.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE") if table.exists() else 0


def _confine(files: Sequence[Path]) -> None:
    """From here on nothing is started, connected, written or moved, and nothing opened but what lies beside the files,
    and Python's own."""
    own = (*sys.path, sys.prefix, sys.base_prefix, sys.exec_prefix, "/proc/", "/sys/", "/dev/null", "/dev/urandom")
    roots = tuple(_place(entry) for entry in (*own, *files, *(file.parent for file in files)))

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and not isinstance(arguments[0], int):
            path, _, flags = arguments
            place = _place(os.fsdecode(path))
            if (flags or 0) & _WRITING or not place.startswith(roots):
                raise UnsafeFile("the file leads to another, which is not opened", found=place)
        elif event.startswith(_REFUSED):
            raise UnsafeFile("the file leads to a call that is not made", found=event)

    sys.addaudithook(watch)


def _place(path: str | Path) -> str:
    return os.path.normpath(Path(path).absolute())
