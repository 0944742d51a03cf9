"""The one way to a file's bytes. A `Source` is a window onto a regular file (or onto bytes in memory); everything that
this package reads goes through its `View`, which never leaves the window and never reads more than its budget."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weight_mapping.errors import DamagedFile, PortingError, UnsafeFile
from weight_mapping.mapped import mapped

Array = NDArray[Any]
_READ_COST = 64  # charged for each read beside its bytes, so that a loop of empty reads ends too
_BLOCK = 1 << 20


class Budget:
    """So many bytes and no more: `spend` raises UnsafeFile when they are gone."""

    def __init__(self, limit: int, what: str) -> None:
        self.limit, self.spent, self.what = limit, 0, what

    def spend(self, amount: int, where: str) -> None:
        self.spent += amount
        if self.spent > self.limit:
            raise UnsafeFile(
                f"too many bytes of {self.what}",
                where=where,
                found=f"{self.spent:,} or more",
                expected=f"at most {self.limit:,}",
                way_out="If the file is trusted and really that large, open it with a greater max_bytes, or --trusted.",
            )


def array_budget(stored: int, max_bytes: int) -> Budget:
    """What the arrays of a container of `stored` bytes may declare together: 1000 times as much and 64 MiB."""
    return Budget(min(max_bytes, 1000 * stored + (64 << 20)), "arrays")


@dataclass(frozen=True, slots=True)
class Source:
    """`length` bytes of the file at `path` from `start` on, or `blob`. `name` is what messages call it.

    The file is not held open: `view` opens it each time and refuses a file that is no longer the one it was."""

    path: Path
    name: str
    length: int
    start: int = 0
    blob: bytes | None = None
    identity: tuple[int, ...] = ()

    def part(self, name: str, start: int, length: int) -> Source:
        """A window within this one."""
        if min(start, length) < 0 or start + length > self.length:
            raise DamagedFile(
                "a part lies outside of its container",
                where=f"{self.name}:{name}",
                found=f"bytes {start} to {start + length}",
                expected=f"at most {self.length}",
            )
        return Source(self.path, f"{self.name}:{name}", length, self.start + start, self.blob, self.identity)

    @contextmanager
    def view(self, most: int | None = None) -> Iterator[View]:
        """The bytes as a file object, for the length of a `with`; it reads at most so many."""
        if self.blob is not None:
            yield View(io.BytesIO(self.blob), self, most)
            return
        with self._opened() as handle:
            yield View(handle, self, most)

    def mapped(self) -> memoryview:
        """The bytes where they lie: of a file that nobody else writes (`weight_mapping.mapped`)."""
        with self._opened() as handle:
            return memoryview(mapped(handle.fileno(), self.start + self.length))[self.start :]

    @contextmanager
    def _opened(self) -> Iterator[io.BufferedReader]:
        with self.path.open("rb") as handle:
            if _identity(os.fstat(handle.fileno())) != self.identity:
                raise DamagedFile("the file changed while it was being read", where=self.name)
            yield handle

    def read(self, start: int = 0, size: int | None = None) -> bytes:
        """Exactly these bytes."""
        with self.view() as view:
            return view.exactly(start, self.length - start if size is None else size)

    def sha256(self) -> str:
        return digest([self])


class View:
    """A binary file object over one source; position 0 is the source's first byte."""

    def __init__(self, handle: io.BufferedReader | io.BytesIO, source: Source, most: int | None = None) -> None:
        self._handle, self._source, self._at = handle, source, 0
        # A reader of structure meets each byte about once; a loop within the structure meets them for ever.
        self._budget = Budget(4 * source.length + (16 << 20) if most is None else most, "structure")

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._source.length}[whence]
        if base + offset < 0:
            raise DamagedFile("an address lies before the beginning", where=self._source.name, found=base + offset)
        self._at = base + offset
        return self._at

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes, fewer at the end of the source."""
        left = max(self._source.length - self._at, 0)
        size = left if size < 0 else min(size, left)
        self._budget.spend(size + _READ_COST, self._source.name)
        self._handle.seek(self._source.start + self._at)
        got = self._handle.read(size)
        self._at += len(got)
        return got

    def exactly(self, start: int, size: int) -> bytes:
        """`size` bytes from `start` on, or DamagedFile."""
        self.within(start, size)
        self._handle.seek(self._source.start + start)
        got = self._handle.read(size)
        if len(got) != size:
            raise DamagedFile("the file ends early", where=self._source.name, found=len(got), expected=size)
        return got

    def blocks(self) -> Iterator[bytes]:
        """All bytes in turn, a megabyte at a time."""
        for at in range(0, self.length, _BLOCK):
            yield self.exactly(at, min(_BLOCK, self.length - at))

    def array(self, start: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """The array stored in C order from `start` on, read into place and in the machine's byte order."""
        self.within(start, prod(shape) * dtype.itemsize)
        flat = np.empty(prod(shape), dtype)
        self._handle.seek(self._source.start + start)
        if flat.nbytes and self._handle.readinto(flat.view(np.uint8).data) != flat.nbytes:
            raise DamagedFile("the file ends early", where=self._source.name, expected=f"{flat.nbytes} bytes")
        return native(flat.reshape(shape))

    @property
    def length(self) -> int:
        return self._source.length

    def within(self, start: int, size: int) -> None:
        """Raise DamagedFile unless these bytes lie inside."""
        if min(start, size) < 0 or start + size > self._source.length:
            raise DamagedFile(
                "data lie outside of the file: it is truncated or damaged",
                where=self._source.name,
                found=f"bytes {start} to {start + size}",
                expected=f"at most {self._source.length}",
                way_out="Fetch the file again.",
            )


def native(array: Array) -> Array:
    """The same numbers in the machine's byte order; the same array where it is in it."""
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def source(path: Path) -> Source:
    """The regular file at `path`; PortingError where there is none. Nothing is opened: a pipe would block."""
    with reading(path.name):
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):
            raise PortingError("neither a file nor a folder", where=str(path))
        return Source(path, path.name, facts.st_size, identity=_identity(facts))


def digest(sources: list[Source]) -> str:
    """SHA-256 of one source's bytes; of several, over the names and bytes in the order of their names."""
    total = hashlib.sha256()
    for one in sorted(sources, key=lambda s: s.name):
        if len(sources) > 1:
            total.update(f"{one.name}\0{one.length}\0".encode("utf-8", "surrogateescape"))
        with one.view() as view:
            for block in view.blocks():
                total.update(block)
    return total.hexdigest()


@contextmanager
def reading(where: str) -> Iterator[None]:
    """What any reader raises inside becomes one error of this project's. The readers of hostile bytes raise all there
    is (AssertionError, struct.error, KeyError, RecursionError, zlib.error, MemoryError, …), so all of it is caught."""
    try:
        yield
    except PortingError:
        raise
    except FileNotFoundError as error:
        raise PortingError("no such file or folder", where=str(error.filename or where)) from error
    except (PermissionError, IsADirectoryError) as error:
        raise PortingError("can't be opened", where=where, found=error.strerror) from error
    except MemoryError as error:
        raise UnsafeFile(
            "needs more memory than it is given", where=where, way_out="If the file is trusted, read it with --trusted."
        ) from error
    except Exception as error:
        raise DamagedFile(
            "can't be read",
            where=where,
            found=f"{type(error).__name__}: {str(error)[:200]}".rstrip(": "),
            way_out="The file is truncated or damaged: fetch it again, or save it anew.",
        ) from error


def _identity(facts: os.stat_result) -> tuple[int, ...]:
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns
