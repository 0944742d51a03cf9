"""Every hostile file as a user meets it: `inspect` and `port` in processes of their own, each watched from outside for
its exit code, its time, its greatest memory, what it says, what it leaves behind, and (--traced) every file that it
opens and every program that it starts. Prints a line of JSON for each run that breaks a promise, and the table.

    python tests/hostile/tried.py [PART OF A NAME ...] [--traced]

It imports nothing large itself: a process's greatest memory begins as that of the one that started it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RAW = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
SECONDS, MEMORY, PATIENCE = 20, 1500, 60
"""What a run may take, in seconds and megabytes; after so many seconds it is ended."""
COMMANDS = {"inspect": ["inspect"], "port": ["port", "-o", "out"]}
# Python's own files, this project's, the system's libraries, and what tells of the machine and its user.
_OWN = (
    sys.prefix, sys.base_prefix, str(HERE.parents[1]), "/usr/", "/lib", "/proc/", "/sys/", "/dev/null",
    "/dev/urandom", "/etc/ld.so", "/etc/localtime", "/etc/ssl/openssl.cnf", "/etc/fonts", "/dev/shm/",
    str(Path.home() / ".cache"), str(Path.home() / ".config/matplotlib"), *map(os.path.realpath, sys.path),
)  # fmt: skip
_STRACE = ["strace", "-f", "-qq", "-s", "4096", "-e", "trace=open,openat,execve,connect", "-o"]
_OPENED = re.compile(r'(?:openat\([^,]*|open\(|execve\(|connect\([^,]*),? ?"((?:[^"\\]|\\.)*)".* = (-?\d+)')


def main(arguments: Sequence[str]) -> int:
    chosen, traced = [a for a in arguments if a != "--traced"], "--traced" in arguments
    told = []
    for name in _python("-m", "attacks").splitlines():
        for command in COMMANDS if all(part in name for part in chosen) else ():
            told.append(row := _tried(name, command, traced))
            if row["broken"]:
                print(json.dumps(row), flush=True)
    for kind in ("attack", "strange", "sound"):
        for command in COMMANDS:
            rows = [row for row in told if row["name"].startswith(kind) and row["command"] == command]
            if rows:
                print(f"{kind:8} {command:8} {_summary(rows)}")
    return int(any(row["broken"] for row in told))


def _summary(rows: Sequence[dict[str, Any]]) -> str:
    codes, seconds = [row["code"] for row in rows], [row["seconds"] for row in rows]
    counts = {
        "tried": len(rows), "accepted": sum(code in (0, 1) for code in codes),
        "refused": sum(code in (2, 3) for code in codes), "hangs": sum(taken > SECONDS for taken in seconds),
        "crashes": sum(code not in (0, 1, 2, 3) for code in codes),
        "broken promises": sum(bool(row["broken"]) for row in rows),
        "most memory (MB)": max(row["megabytes"] for row in rows),
    }  # fmt: skip
    return ", ".join(f"{what} {count}" for what, count in counts.items()) + f", longest {max(seconds)} s"


def _python(*arguments: str) -> str:
    ran = subprocess.run([sys.executable, *arguments], cwd=HERE, capture_output=True, text=True, check=True)
    return ran.stdout.rstrip("\n")


def _tried(name: str, command: str, traced: bool) -> dict[str, Any]:
    """One file through one command, and which promises it broke."""
    with tempfile.TemporaryDirectory(prefix="tried-", ignore_cleanup_errors=True) as place:
        folders = {part: Path(place) / part for part in ("file", "temporary", "working")}
        for folder in folders.values():
            folder.mkdir()
        file = _python("-m", "attacks", name, str(folders["file"]))
        before = _found(Path(place))
        line = [sys.executable, "-c", "from harness.cli import main; main()", *COMMANDS[command], file]
        log = Path(place).with_suffix(".strace")
        if traced:
            line = [*_STRACE, str(log), *line]
        environment = {
            **os.environ, "TMPDIR": str(folders["temporary"]), "PYTHONPATH": str(HERE.parents[1]),
            "PYTHONIOENCODING": "utf-8", "COLUMNS": "100",
        }  # fmt: skip
        said, code, seconds, megabytes = _run(line, folders["working"], environment)
        told = {"name": name, "command": command, "code": code, "seconds": seconds, "megabytes": megabytes}
        left = _found(Path(place)) - before
        whole = (folders["working"] / "out" / "index.html").exists()
        if whole:  # a folder of models: the log, and the pages of what was refused
            left = {path for path in left if Path(path).is_file() and not path.endswith((".html", ".jsonl"))}
        broken = []
        if name.startswith("attack"):
            allowed = (0, 2, 3) if command == "inspect" else (2, 3)
            broken += [] if code in allowed else [f"exit code {code}"]
            broken += [f"left behind: {sorted(left)[:3]}"] if left else []
        elif code not in ((0,) if name.startswith("sound") else (0, 2, 3)) and not _is_refused(name, command):
            broken.append(f"exit code {code}")
        broken += ["a traceback"] if "Traceback" in said else []
        broken += ["a raw control character"] if RAW.search(said) else []
        broken += ["a line of its own"] if "lstm-parity: all is well" in said.splitlines() else []
        broken += [f"{seconds} s"] if seconds > SECONDS and not traced else []
        broken += [f"{megabytes} MB"] if megabytes > MEMORY else []
        pages = [page.read_text(encoding="utf-8") for page in Path(place).rglob("report.html")]
        broken += ["a tag in the page"] if any("<img" in page or RAW.search(page) for page in pages) else []
        if traced:
            broken += _opened(log.read_text(errors="replace"), [place, file])
            log.unlink()
        return {**told, "broken": broken, "said": said[-300:] if broken else ""}


def _is_refused(name: str, command: str) -> bool:
    """Sound files that hold no model with its configuration; folders, which `inspect` takes for none."""
    if name.startswith("sound: folder"):
        return command == "inspect"
    return command == "port" and name in ("sound: pt", "sound: safetensors", "sound: checkpoint")


def _found(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*")}


def _run(line: Sequence[str], folder: Path, environment: dict[str, str]) -> tuple[str, int, float, int]:
    """What was said, the exit code, seconds, and megabytes of the greatest of the processes."""
    with tempfile.TemporaryFile() as output:
        started = time.monotonic()
        process = subprocess.Popen(
            line, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
        while True:
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
            if ended:
                break
            if time.monotonic() - started > PATIENCE:
                os.killpg(process.pid, signal.SIGKILL)
            time.sleep(0.01)
        seconds = round(time.monotonic() - started, 1)
        process.returncode = code = os.waitstatus_to_exitcode(status)
        output.seek(0)
        return output.read().decode("utf-8", "replace"), code, seconds, usage.ru_maxrss >> 10


def _opened(trace: str, allowed: Sequence[str]) -> list[str]:
    """What was opened or started that is neither the file, nor beside it, nor Python's own."""
    roots = (*_OWN, *allowed)
    found = {path for path, result in _OPENED.findall(trace) if int(result) >= 0 and path.startswith("/")}
    return [f"opened {path}" for path in sorted(found) if not os.path.normpath(path).startswith(roots)][:5]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
