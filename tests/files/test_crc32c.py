"""TensorFlow's checksum: the published examples, the plain algorithm, and that a changed bit is seen."""

from __future__ import annotations

import numpy as np
import pytest

from weight_mapping.files import crc32c as tested
from weight_mapping.files.crc32c import crc32c, masked

# RFC 3720, B.4 (in the byte order of a number), and the check value of the catalogue of CRCs
PUBLISHED = {
    bytes(32): 0x8A9136AA,
    b"\xff" * 32: 0x62A8AB43,
    bytes(range(32)): 0x46DD794E,
    bytes(range(31, -1, -1)): 0x113FDB5C,
    b"123456789": 0xE3069283,
    b"": 0,
}


def plain(data: bytes) -> int:
    """A bit at a time."""
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0x82F63B78 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


@pytest.mark.parametrize("data", PUBLISHED)
def test_the_published_examples(data: bytes) -> None:
    assert crc32c([data]) == plain(data) == PUBLISHED[data]


@pytest.mark.parametrize("size", [1, 255, 256, 257, 511, 513, 3000, 4096])
def test_every_size_and_every_cut(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    data = np.random.default_rng(size).bytes(size)
    expected = plain(data)
    assert crc32c([data]) == crc32c([data[: size // 3], b"", data[size // 3 :]]) == expected
    monkeypatch.setattr(tested, "_BLOCK", 300)  # a longer array is read in blocks
    assert crc32c([data]) == expected


def test_it_is_masked_as_tensorflow_masks_it() -> None:
    """crc32c.h: rotated by 15 bits, and a constant added. Of 0 that is the constant."""
    assert masked([b""]) == 0xA282EAD8
    assert masked([b"123456789"]) == ((0xE3069283 >> 15 | 0xE3069283 << 17) + 0xA282EAD8) & 0xFFFFFFFF
