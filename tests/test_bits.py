"""An array's bytes and numbers a part at a time; one that lies in a file leaves the memory again."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from weight_mapping import bits
from weight_mapping.files.guard import source
from weight_mapping.weights import fingerprint

RNG = np.random.default_rng(5)
WHOLE = RNG.normal(size=(7, 3, 5)).astype(np.float32)


@pytest.mark.parametrize(("part", "across"), [(1, 2), (64, 3), (1 << 24, 512)])
@pytest.mark.parametrize(
    "array", [WHOLE, WHOLE.T, WHOLE[::2, :, ::-1], WHOLE.astype(">f4"), WHOLE[:0], np.array(2.5, np.float32)],
    ids=["whole", "transposed", "strided", "big-endian", "empty", "scalar"],
)  # fmt: skip
def test_parts_are_the_whole(monkeypatch: pytest.MonkeyPatch, array: np.ndarray, part: int, across: int) -> None:
    monkeypatch.setattr(bits, "_PART", part)
    monkeypatch.setattr(bits, "_ACROSS", across)
    assert b"".join(bits.parts(array)) == array.astype("<f4").tobytes()
    copied = bits.copied(array, np.float64)
    assert copied.flags.c_contiguous and not np.shares_memory(copied, array)
    np.testing.assert_array_equal(copied, array.astype(np.float64), strict=True)


@pytest.mark.skipif(sys.platform != "linux", reason="what a process has of a file is read from Linux's /proc")
def test_what_lies_in_a_file_is_read_and_given_back(tmp_path: Path) -> None:
    numbers = RNG.normal(size=(16, 1 << 18))
    path = tmp_path / "numbers"
    path.write_bytes(b"headers!" + numbers.tobytes())
    data = source(path).part("data", 8, numbers.nbytes).mapped()
    lying = np.frombuffer(data, np.float64).reshape(numbers.shape)
    path.unlink()
    before = _of_files()
    assert lying.sum() == numbers.sum() and _of_files() - before > numbers.nbytes / 2
    assert fingerprint(lying) == fingerprint(numbers)
    assert _of_files() - before < numbers.nbytes / 4


def _of_files() -> int:
    """Bytes of mapped files that this process has in memory."""
    found = re.search(r"RssFile:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024
