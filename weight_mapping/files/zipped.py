"""A ZIP archive's members as sources. Nothing is extracted to disk: a stored member is a window onto the archive, a
deflated one is inflated into memory, within the budget and against its checksum."""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from weight_mapping.errors import DamagedFile, UnsafeFile, shown
from weight_mapping.files.guard import Budget, Source, reading

SIGNATURE = b"PK\x03\x04"
MAX_MEMBERS = 10_000
_DIRECTORY = 4 << 20
"""Bytes that telling an archive's members may read: its end, and a directory of so many members and more."""
MAX_RATIO = 100
_SMALL = 1 << 20
_LOCAL_HEADER = 30
_ENCRYPTED = 1


@dataclass(frozen=True, slots=True)
class Members:
    """A checked archive: its files by name."""

    source: Source
    infos: Mapping[str, zipfile.ZipInfo]

    def __contains__(self, name: str) -> bool:
        return name in self.infos

    def open(self, name: str, budget: Budget) -> Source:
        """One member, its checksum compared. Only a deflated one costs memory."""
        where = f"{self.source.name}:{shown(name)}"
        if name not in self.infos:
            raise DamagedFile("the archive lacks a member", where=where, found=_some(self.infos))
        info = self.infos[name]
        with reading(where):
            if info.compress_type == zipfile.ZIP_STORED:
                return _window(self.source, info, where)
            budget.spend(info.file_size, where)
            with self.source.view() as view, zipfile.ZipFile(view) as archive:
                blob = archive.read(info)
            return Source(self.source.path, where, len(blob), blob=blob)


def members(source: Source) -> Members:
    """The archive's members, each name and size checked; nothing is read but the directory."""
    with reading(source.name), source.view(_DIRECTORY) as view, zipfile.ZipFile(view) as archive:
        infos = archive.infolist()
    if len(infos) > MAX_MEMBERS:
        raise UnsafeFile("too many members", where=source.name, found=len(infos), expected=f"at most {MAX_MEMBERS:,}")
    for info in infos:
        _check(info, source)
    for name, count in Counter(info.filename for info in infos).items():
        if count > 1:
            raise UnsafeFile("two members have one name", where=f"{source.name}:{shown(name)}")
    _check_places(infos, source)
    return Members(source, {info.filename: info for info in infos if not info.is_dir()})


def _check(info: zipfile.ZipInfo, source: Source) -> None:
    name = info.orig_filename
    where = f"{source.name}:{shown(name)}"
    parts = name.replace("\\", "/").split("/")
    if ".." in parts or name.startswith(("/", "\\")) or "\0" in name or "\\" in name or ":" in parts[0]:
        raise UnsafeFile("a member's name leads out of the archive", where=where)
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        what = "a symbolic link" if kind == stat.S_IFLNK else "a pipe or a device"
        raise UnsafeFile(f"a member is {what}", where=where)
    if info.flag_bits & _ENCRYPTED:
        raise DamagedFile("a member is encrypted", where=where, way_out="Save the model without a password.")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DamagedFile("a member is packed in a way that Keras does not use", where=where, found=info.compress_type)
    if info.file_size > MAX_RATIO * info.compress_size + _SMALL:
        raise UnsafeFile(
            "a member unpacks to far more than it stores",
            where=where,
            found=f"{info.file_size:,} bytes",
            expected=f"at most {MAX_RATIO}:1",
        )


def _check_places(infos: list[zipfile.ZipInfo], source: Source) -> None:
    """Members follow one another from the first byte on: no foreign prefix, no two that share their bytes."""
    end = 0
    for info in sorted(infos, key=lambda i: i.header_offset):
        if info.header_offset < end or (end == 0 and info.header_offset != 0):
            raise UnsafeFile("the archive's members overlap, or something precedes them", where=source.name)
        end = info.header_offset + _LOCAL_HEADER + info.compress_size


def _window(source: Source, info: zipfile.ZipInfo, where: str) -> Source:
    """A stored member's bytes within the archive; its local header must agree with the directory."""
    local = source.read(info.header_offset, _LOCAL_HEADER)
    name_length, extra_length = (int.from_bytes(local[at : at + 2], "little") for at in (26, 28))
    name = source.read(info.header_offset + _LOCAL_HEADER, name_length)
    flags, packing = (int.from_bytes(local[at : at + 2], "little") for at in (6, 8))
    if (
        local[:4] != SIGNATURE
        or (flags & _ENCRYPTED, packing) != (0, zipfile.ZIP_STORED)
        or name.decode("utf-8", "replace") != info.orig_filename
        or info.file_size != info.compress_size
    ):
        raise DamagedFile("the archive's directory and a member's header disagree", where=where)
    start = info.header_offset + _LOCAL_HEADER + name_length + extra_length
    part = source.part(shown(info.filename), start, info.file_size)
    if _checksum(part) != info.CRC:
        raise DamagedFile("a member's checksum is wrong", where=where, way_out="Fetch the file again.")
    return part


def _checksum(source: Source) -> int:
    value = 0
    with source.view() as view:
        for block in view.blocks():
            value = zlib.crc32(block, value)
    return value


def _some(names: Mapping[str, zipfile.ZipInfo]) -> str:
    return ", ".join(shown(name) for name in list(names)[:6])
