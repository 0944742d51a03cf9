"""Which code gives a result: what must agree before a result is used again, or two machines work on one folder."""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from pathlib import Path
from typing import Any

from harness.environment import versions

_PACKAGES = ("weight_mapping", "harness", "reports")
_SOURCES = (".py", ".html", ".css", ".js", ".cpp", ".h")


@cache
def environment() -> dict[str, Any]:
    """Python, the system's kind and the versions of every distribution that a result depends on."""
    return {"python": platform.python_version(), "machine": platform.machine(), **versions()}


@cache
def code() -> str:
    """Fingerprint of this project's sources and of `environment()`: 16 hexadecimal digits."""
    total = hashlib.sha256(repr(sorted(environment().items())).encode())
    root = Path(__file__).resolve().parents[1]
    for package in _PACKAGES:
        for path in sorted((root / package).rglob("*")):
            if path.suffix in _SOURCES:
                total.update(f"{path.relative_to(root).as_posix()}\0".encode())
                total.update(path.read_bytes())
    return total.hexdigest()[:16]
