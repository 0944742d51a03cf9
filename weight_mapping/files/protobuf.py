"""The wire format of protocol buffers, as far as TensorFlow's own files need it: fields by number, nothing resolved.
Source: protobuf.dev/programming-guides/encoding."""

from __future__ import annotations

from collections.abc import Iterator

from weight_mapping.errors import DamagedFile

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
MOST = 1 << 19
"""Fields of one message. A layer has some tens of nodes in an object graph."""


def fields(data: bytes, where: str) -> Iterator[tuple[int, int | bytes]]:
    """Every field of one message in order: (number, value); a nested message is bytes."""
    at = told = 0
    while at < len(data):
        told += 1
        if told > MOST:
            raise DamagedFile("a message of too many fields", where=where, expected=f"at most {MOST:,}")
        tag, at = varint(data, at, where)
        kind = tag & 7
        value: int | bytes
        if kind == _VARINT:
            value, at = varint(data, at, where)
        elif kind in (_BYTES, _FIXED32, _FIXED64):
            size, at = varint(data, at, where) if kind == _BYTES else ({_FIXED32: 4, _FIXED64: 8}[kind], at)
            if at + size > len(data):
                raise DamagedFile("a message ends early", where=where, found=len(data) - at, expected=f"{size} bytes")
            chunk, at = data[at : at + size], at + size
            value = chunk if kind == _BYTES else int.from_bytes(chunk, "little")
        else:
            raise DamagedFile("not a protocol buffer", where=where, found=f"wire type {kind}")
        yield tag >> 3, value


def messages(data: bytes, number: int, where: str) -> list[bytes]:
    """Every value of a repeated field that holds bytes."""
    return [value for found, value in fields(data, where) if found == number and isinstance(value, bytes)]


def text(data: bytes, number: int, where: str) -> str:
    """A string field's last value; '' where it is absent."""
    found = messages(data, number, where)
    return found[-1].decode() if found else ""


def number(data: bytes, field: int, where: str) -> int:
    """A whole-number field's last value; 0 where it is absent."""
    return next(
        (value for found, value in reversed([*fields(data, where)]) if found == field and isinstance(value, int)), 0
    )


def varint(data: bytes, at: int, where: str) -> tuple[int, int]:
    """The whole number at this place, and where the next thing begins."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise DamagedFile("a number of the message has no end", where=where)
