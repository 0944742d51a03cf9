"""C++ into a shared library, once: the compiler that is found, and the user's own folder of what it has made."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

from weight_mapping.errors import PortingError
from weight_mapping.files.atomic import replacing

NAMES = ("c++", "g++", "clang++")
PATIENCE = 300.0
"""Seconds after which a compiler is given up."""
TAKEN, REFUSED = "taken", "refused"
ELSEWHERE = "Name a folder of yours by XDG_CACHE_HOME."


class CannotCompile(PortingError):
    """There is no compiler, or it refuses, or there is nowhere to keep what it makes."""


def compiler() -> tuple[str, str] | None:
    """The C++ compiler that would be called, and what tells it from another without starting it: the file behind the
    name, its size and its time. $CXX, else the first of `NAMES`."""
    for name in (os.environ.get("CXX"), *NAMES):
        if name and (path := shutil.which(name)):
            file = Path(path).resolve()
            found = file.stat()
            return path, f"{file} {found.st_size} {found.st_mtime_ns}"
    return None


def version(path: str) -> str:
    """How the compiler at this path names itself, in one line."""
    told = subprocess.run([path, "--version"], capture_output=True, text=True, check=False, timeout=30)
    return (told.stdout.splitlines() or [Path(path).name])[0]


def takes(flags: tuple[str, ...]) -> bool:
    """Whether the compiler knows these flags: an older one lacks those of newer processors. It is asked once, and its
    answer kept. Without a compiler, or a folder, nothing is refused yet; `library` does that."""
    found = compiler()
    if found is None:
        return True
    try:
        kept = folder() / f"flags-{_digest(*flags, *found)}"
        if not kept.exists():
            with replacing(kept) as made:
                made.write_text(_asked(found[0], flags), encoding="utf-8")
        return kept.read_text(encoding="utf-8") == TAKEN
    except PortingError:
        return _asked(found[0], flags) == TAKEN


def _asked(path: str, flags: tuple[str, ...]) -> str:
    command = [path, *flags, "-E", "-x", "c++", "-"]
    told = subprocess.run(command, input="", capture_output=True, text=True, check=False)
    return REFUSED if told.returncode else TAKEN


def folder() -> Path:
    """The folder of compiled libraries, readable and writable by this user alone: they are code that will run."""
    if os.name != "posix":
        raise CannotCompile("code is compiled on Linux and macOS only", found=os.name)
    try:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        place = Path(base) / "lstm-parity"
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = place.lstat()
    except (OSError, RuntimeError) as error:
        raise CannotCompile("there is nowhere to keep compiled code", found=error, way_out=ELSEWHERE) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise CannotCompile(
            "others may write to the folder of compiled code", where=str(place), expected="a folder of your own",
            way_out=f"Remove it. {ELSEWHERE}",
        )  # fmt: skip
    return place


def library(name: str, source: str, headers: Path, flags: tuple[str, ...], key: str) -> Path:
    """The shared library of this C++ text, from the folder or freshly compiled, which is said on stderr.

    `headers`: the folder of what it includes. What is found again has the same text, headers, flags, compiler and
    `key`. Processes that compile the same at the same time each put a whole file in its place."""
    found = compiler()
    if found is None:
        raise CannotCompile("there is no C++ compiler", expected=f"one of {', '.join(NAMES)}, or its path in CXX")
    texts = [source, *(path.read_text(encoding="utf-8") for path in sorted(headers.glob("*.h")))]
    path = folder() / f"{name}-{_digest(*texts, *flags, *found, key)}.so"
    if not path.exists():
        print(f"lstm-parity: compiling {name}, once, into {path.parent} …", file=sys.stderr, flush=True)
        command = [found[0], *flags, "-shared", "-fPIC", f"-I{headers}", "-x", "c++", "-", "-o"]
        try:
            with replacing(path) as made:
                _compile([*command, str(made)], source, name)
        except CannotCompile:
            raise
        except PortingError as error:
            raise CannotCompile("there is nowhere to keep compiled code", found=error, way_out=ELSEWHERE) from error
    return path


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:32]


def _compile(command: list[str], source: str, name: str) -> None:
    try:
        told = subprocess.run(
            command, input=source, capture_output=True, text=True, check=False, timeout=PATIENCE
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotCompile("the C++ compiler can't be run", where=command[0], found=error) from error
    if told.returncode:
        first = next((line for line in told.stderr.splitlines() if "error" in line), told.stderr[:200])
        raise CannotCompile(f"the C++ compiler refuses {name}", where=command[0], found=first)
