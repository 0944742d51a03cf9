"""HDF5's newer object headers carry checksums: a changed bit in one is an error, and not another configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import weight_mapping as wm
from weight_mapping.errors import DamagedFile
from weight_mapping.files import hdf5
from weight_mapping.files.hdf5_checksum import lookup3

GOLDEN = Path(__file__).parents[1] / "golden" / "k2.2.4_tensorflow_lstm_hs.h5"


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A model as HDF5 writes it today where it is asked to, its configuration in the root's header, in two blocks."""
    path = tmp_path_factory.mktemp("newer") / "model.h5"
    with h5py.File(GOLDEN) as old, h5py.File(path, "w", libver="latest") as new:
        copied(old["model_weights"], new.create_group("model_weights"))
        for name, value in old.attrs.items():
            new.attrs[name] = np.bytes_(value if isinstance(value, bytes) else str(value).encode())
    raw = path.read_bytes()
    assert raw[8] >= 2 and raw.count(b"OHDR") > 4 and raw.count(b"OCHK") > 0
    return raw


def copied(old: Any, new: Any) -> None:
    for name, value in old.attrs.items():
        new.attrs[name] = value
    for name, item in old.items():
        if isinstance(item, h5py.Dataset):
            new[name] = item[...]
        else:
            copied(item, new.create_group(name))


def test_the_sum_is_the_published_one() -> None:
    """The values that lookup3.c's own driver5 tells."""
    assert lookup3(b"") == 0xDEADBEEF
    assert lookup3(b"Four score and seven years ago") == 0x17770551


def test_it_loads_and_is_the_same_model(newer: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.h5").write_bytes(newer)
    found, expected = wm.load(tmp_path / "m.h5"), wm.load(GOLDEN)
    assert found.spec == expected.spec and found.fingerprints() == expected.fingerprints()


@pytest.mark.parametrize("signature", [b"\x89HDF", b"OHDR", b"OCHK"])
def test_a_changed_bit_in_any_block_is_seen(signature: bytes, newer: bytes, tmp_path: Path) -> None:
    path, at = tmp_path / "m.h5", -1
    blocks = 0
    while (at := newer.find(signature, at + 1)) >= 0:
        raw = bytearray(newer)
        raw[at + 30] ^= 4
        path.write_bytes(raw)
        with pytest.raises(DamagedFile):
            wm.load(path)
        blocks += 1
    assert blocks


def test_without_the_checksum_another_configuration_would_be_read(
    newer: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m.h5").write_bytes(newer.replace(b'"tanh"', b'"relu"'))
    with pytest.raises(DamagedFile, match="a checksum is wrong"):
        wm.load(tmp_path / "m.h5")
    monkeypatch.setattr(hdf5, "check_header", lambda *_: None)
    assert wm.load(tmp_path / "m.h5").spec != wm.load(GOLDEN).spec
