"""Our reader against h5py on files made at random: layouts, types, filters, groups; each array bit for bit."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from weight_mapping.files.guard import Budget, source
from weight_mapping.files.hdf5 import read_tree
from weight_mapping.files.hdf5_data import read

h5py = pytest.importorskip("h5py")
TYPES = ["<f2", "<f4", "<f8", ">f4", ">f8", "<i4", "<i8", "u1", ">u2", "?"]


def random_file(rng: np.random.Generator) -> bytes:
    """A file of up to twelve arrays in nested groups, written as old or as new as HDF5 can."""
    blob = io.BytesIO()
    with h5py.File(blob, "w", libver=str(rng.choice(["earliest", "latest"]))) as file:
        for number in range(rng.integers(1, 12)):
            shape = tuple(int(size) for size in rng.integers(0, 7, rng.integers(0, 4)))
            data = rng.integers(0, 255, shape).astype(rng.choice(TYPES))
            depth = rng.integers(0, 4)
            name = "/".join([f"g{n}" for n in range(depth)] + [f"array_{number}"])
            options: dict[str, Any] = {}
            # Chunks of the newest format are indexed in ways that Keras never writes; old ones are.
            if file.libver[0] == "earliest" and data.size and shape and rng.random() < 0.5:
                options["chunks"] = tuple(int(rng.integers(1, size + 1)) for size in shape)
                options["shuffle"], options["fletcher32"] = bool(rng.random() < 0.5), bool(rng.random() < 0.5)
                options["compression"] = "gzip" if rng.random() < 0.5 else None
            file.create_dataset(name, data=data, **options)
            file[name].parent.attrs[f"note_{number}"] = str(rng.choice(["é", "long " * 200, ""]))
    return blob.getvalue()


def arrays_of(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]} if isinstance(item, h5py.Dataset) else {}))
    return found


def test_300_files_read_as_h5py_reads_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(17)
    path = tmp_path / "file.h5"
    arrays = 0
    for _ in range(300):
        path.write_bytes(random_file(rng))
        file = source(path)
        tree = read_tree(file, Budget(1 << 30, "arrays"), lambda name: bool(name))
        expected = arrays_of(path)
        assert tree.datasets.keys() == expected.keys()
        with file.view() as view:
            for name, dataset in tree.datasets.items():
                found, right = read(view, dataset, name), np.asarray(expected[name])
                right = right.astype(right.dtype.newbyteorder("="))
                assert found.shape == right.shape and found.dtype == right.dtype and found.tobytes() == right.tobytes()
                arrays += 1
    assert arrays > 1000
