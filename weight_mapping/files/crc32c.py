"""CRC32C (Castagnoli), TensorFlow's checksum, in NumPy: the register is linear in its input, so that a block is read as
many lanes side by side, a byte of each at a time, and the lanes' registers are joined pair by pair.
Sources: RFC 3720, B.4; the mask: tensorflow/core/lib/hash/crc32c.h."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

Registers = NDArray[np.uint32]
_POLYNOMIAL, _ONES, _MASK_DELTA = 0x82F63B78, 0xFFFFFFFF, 0xA282EAD8
_LANE = 256
_BLOCK = 1 << 22


def masked(blocks: Iterable[bytes | memoryview]) -> int:
    """The checksum of the bytes of all blocks in turn, as TensorFlow stores it."""
    crc = crc32c(blocks)
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & _ONES


def crc32c(blocks: Iterable[bytes | memoryview]) -> int:
    """The checksum of the bytes of all blocks in turn."""
    register = np.uint32(_ONES)
    for block in _cut(blocks):
        register = _behind_zeros(register, block.size) ^ _of_block(block)
    return int(register) ^ _ONES


def _cut(blocks: Iterable[bytes | memoryview]) -> Iterator[NDArray[np.uint8]]:
    for block in blocks:
        whole = np.frombuffer(block, np.uint8)
        yield from (whole[at : at + _BLOCK] for at in range(0, whole.size, _BLOCK))


def _of_block(block: NDArray[np.uint8]) -> np.uint32:
    """The register after the block, from zero. Zeros before it change nothing, so that it is made a power of two of
    lanes."""
    count = 1 << (-(-block.size // _LANE) - 1).bit_length()
    padded = np.zeros(count * _LANE, np.uint8)
    padded[padded.size - block.size :] = block
    table, lanes = _table(), np.zeros(count, np.uint32)
    for column in np.ascontiguousarray(padded.reshape(count, _LANE).T):
        lanes = table[(lanes ^ column) & 0xFF] ^ lanes >> 8
    length = _LANE
    while lanes.size > 1:
        lanes = _applied(_power(length.bit_length() - 1), lanes[0::2]) ^ lanes[1::2]
        length *= 2
    return np.uint32(lanes[0])


def _behind_zeros(register: np.uint32, count: int) -> np.uint32:
    """The register after so many zero bytes more."""
    for n in range(count.bit_length()):
        if count >> n & 1:
            register = _applied(_power(n), np.array([register]))[0]
    return register


@cache
def _table() -> Registers:
    """The register after one byte, by that byte."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, table >> 1 ^ _POLYNOMIAL, table >> 1).astype(np.uint32)
    return table


@cache
def _power(n: int) -> Registers:
    """What 2 ** n zero bytes make of each of the register's bits."""
    if n == 0:
        bits = np.uint32(1) << np.arange(32, dtype=np.uint32)
        images: Registers = _table()[bits & 0xFF] ^ bits >> 8
        return images
    return _applied(_power(n - 1), _power(n - 1))


def _applied(power: Registers, registers: Registers) -> Registers:
    """What these zero bytes make of each register: its bits' images together."""
    found = np.zeros_like(registers)
    for n, image in enumerate(power):
        found ^= (registers >> np.uint32(n) & np.uint32(1)) * image
    return found
