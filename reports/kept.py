"""Templates that were compiled before: compiling them takes longer than filling them in."""

from __future__ import annotations

import hashlib
import os
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
    """Jinja2's folder of the user's own, which no other user can write, where there is one. `environment`: the source
    that makes the environment; what was compiled under other options is not found again."""
    if os.name == "nt":
        return None  # there the folder is not the user's alone
    digest = hashlib.sha256(environment.read_bytes()).hexdigest()[:12]
    try:
        return _Kept(pattern=f"lstm-parity-{digest}-%s.cache")
    except (OSError, RuntimeError):
        return None
