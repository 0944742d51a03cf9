"""A file is whole or not there: it is written beside its place, flushed to the disk, and renamed."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from weight_mapping.errors import Unwritable


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A path in the same folder to write to; it takes the place of `path` when the block ends well, and goes away when
    it does not. A symbolic link at `path` is replaced, not followed."""
    path = Path(path)
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:60]}.", suffix=".part")
    except OSError as error:
        raise Unwritable("can't be written", where=str(path), found=error.strerror) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        _flush(temporary, os.O_RDWR)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
        if os.name == "posix":
            _flush(path.parent, os.O_RDONLY)
    except Exception as error:
        reason = _reason(error)
        if reason is None:
            raise
        raise Unwritable("can't be written", where=str(path), found=reason) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """The old file or the new one, in UTF-8; its folder is made where it is not there. A lone surrogate of a file's
    name is spelled out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def _reason(error: Exception) -> str | None:
    """What the system said, if it was the system. h5py and the safetensors library tell of a full disk by errors of
    other kinds, with the system's number in their text."""
    told = re.search(r"(?:errno = |os error )(\d+)", str(error))
    if told:
        return os.strerror(int(told[1]))
    return (error.strerror or str(error)) if isinstance(error, OSError) else None


def _flush(path: Path, mode: int) -> None:
    handle = os.open(path, mode)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    """The process's umask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
