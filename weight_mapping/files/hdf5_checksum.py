"""The checksums of HDF5's newer object headers and superblock, which pyfive passes over. Formats: "HDF5 File Format
Specification 3.0", II and IV.A.1.b; the sum is Bob Jenkins' lookup3 (burtleburtle.net/bob/c/lookup3.c, hashlittle).
Those of the trees and heaps that hold many attributes or links are not compared: no Keras writes them."""

from __future__ import annotations

import struct

from weight_mapping.errors import DamagedFile
from weight_mapping.files.guard import View

_MASK = 0xFFFFFFFF
_CONTINUATION = 0x10
_SUPERBLOCK = 48  # versions 2 and 3


def check_superblock(view: View, where: str) -> None:
    """Versions 2 and 3; the older ones have no checksum."""
    _check(view.exactly(0, _SUPERBLOCK), where)


def check_header(view: View, address: int, where: str) -> None:
    """Every block of the object header that begins at this address; DamagedFile where a checksum is wrong. A header of
    version 1 has none."""
    start = _read(view, address, min(26, view.length - address))
    if not start.startswith(b"OHDR"):
        return
    flags = start[5]
    at = 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
    width = 1 << (flags & 3)
    first = at + width
    size = int.from_bytes(_read(view, address + at, width), "little")
    waiting, known = [(address, first, first + size + 4)], {address}
    while waiting:
        at, first, length = waiting.pop()
        block = _read(view, at, length)
        _check(block, where)
        for place, size in _continuations(block[first:-4], 6 if flags & 4 else 4):
            if place not in known:
                known.add(place)
                waiting.append((place, 4, size))


def _continuations(messages: bytes, head: int) -> list[tuple[int, int]]:
    """(address, length) of the blocks that these messages lead to; `head`: the bytes before a message's own."""
    found, at = [], 0
    while at + head <= len(messages):
        size = int.from_bytes(messages[at + 1 : at + 3], "little")
        if messages[at] == _CONTINUATION and size >= 16:
            told = messages[at + head : at + head + 16]
            found.append((int.from_bytes(told[:8], "little"), int.from_bytes(told[8:], "little")))
        at += head + size
    return found


def _read(view: View, at: int, size: int) -> bytes:
    """What is summed is paid for as structure."""
    view.within(at, size)
    view.seek(at)
    return view.read(size)


def _check(block: bytes, where: str) -> None:
    found, told = lookup3(block[:-4]), int.from_bytes(block[-4:], "little")
    if found != told:
        raise DamagedFile(
            "a checksum is wrong: the file is damaged", where=where, found=f"{found:08x}", expected=f"{told:08x}",
            way_out="Fetch the file again.",
        )  # fmt: skip


def lookup3(data: bytes) -> int:
    """The checksum of these bytes."""
    a = b = c = (0xDEADBEEF + len(data)) & _MASK
    if not data:
        return c
    padded = data + bytes(-len(data) % 12)
    words: tuple[int, ...] = struct.unpack(f"<{len(padded) // 4}I", padded)
    last = len(words) - 3
    for at in range(0, last, 3):
        a, b, c = a + words[at] & _MASK, b + words[at + 1] & _MASK, c + words[at + 2] & _MASK
        a, c = a - c & _MASK ^ _turned(c, 4), c + b & _MASK
        b, a = b - a & _MASK ^ _turned(a, 6), a + c & _MASK
        c, b = c - b & _MASK ^ _turned(b, 8), b + a & _MASK
        a, c = a - c & _MASK ^ _turned(c, 16), c + b & _MASK
        b, a = b - a & _MASK ^ _turned(a, 19), a + c & _MASK
        c, b = c - b & _MASK ^ _turned(b, 4), b + a & _MASK
    a, b, c = a + words[last] & _MASK, b + words[last + 1] & _MASK, c + words[last + 2] & _MASK
    c = (c ^ b) - _turned(b, 14) & _MASK
    a = (a ^ c) - _turned(c, 11) & _MASK
    b = (b ^ a) - _turned(a, 25) & _MASK
    c = (c ^ b) - _turned(b, 16) & _MASK
    a = (a ^ c) - _turned(c, 4) & _MASK
    b = (b ^ a) - _turned(a, 14) & _MASK
    return (c ^ b) - _turned(b, 24) & _MASK


def _turned(word: int, by: int) -> int:
    return word << by & _MASK | word >> 32 - by
