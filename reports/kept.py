"""Compiled Jinja templates, kept from run to run: to compile them takes longer than to fill them in."""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress
from pathlib import Path

from jinja2 import BytecodeCache, FileSystemBytecodeCache
from jinja2.bccache import Bucket


class _Kept(FileSystemBytecodeCache):
    """A disk that is full costs time and nothing else."""

    def dump_bytecode(self, bucket: Bucket) -> None:
        with suppress(OSError):
            super().dump_bytecode(bucket)


def kept(environment: Path) -> BytecodeCache | None:
    """The cache in a folder of the user's own, which no other user can write, where there is one: compiled templates
    are code. `environment`: the source that makes the environment; what was compiled under other options is not found
    again."""
    if os.name == "nt":
        return None  # there the folder is not the user's alone
    digest = hashlib.sha256(environment.read_bytes()).hexdigest()[:12]
    try:
        place = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lstm-parity"
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = place.lstat()
    except (OSError, RuntimeError):
        return None
    own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022
    return _Kept(str(place), pattern=f"page-{digest}-%s.cache") if own else None
