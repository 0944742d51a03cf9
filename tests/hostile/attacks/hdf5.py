"""HDF5 that leads out of the file, or declares more than it holds."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np

from attacks.changed_h5 import Make, array, h5, kernel, linked


def gzip_bomb(file: Any) -> None:
    size = 1 << 28
    data = file.create_dataset(f"{kernel(file)}_b", (size // 4,), "f4", chunks=(size // 4,), compression="gzip")
    packer = zlib.compressobj(9)
    block = bytes(1 << 20)
    data.id.write_direct_chunk((0,), b"".join(packer.compress(block) for _ in range(size >> 20)) + packer.flush())


def virtual(file: Any) -> None:
    path = kernel(file)
    del file[path]
    layout = h5py.VirtualLayout((3, 20), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "/x", shape=(3, 20))
    file.create_virtual_dataset(path, layout)


def float_of_its_own(file: Any) -> None:
    """The kernel in floats whose mantissas have all their digits, none of them implied: other numbers of other bits."""
    path = kernel(file)
    numbers = file[path][...]
    del file[path]
    kind = h5py.h5t.IEEE_F32LE.copy()
    kind.set_norm(h5py.h5t.NORM_NONE)
    made = h5py.h5d.create(file.id, path.encode(), kind, h5py.h5s.create_simple(numbers.shape))
    made.write(h5py.h5s.ALL, h5py.h5s.ALL, numbers)


ATTACKS: Mapping[str, Make] = {
    # HDF5: out of the file
    "h5 external link": linked(lambda file: h5py.ExternalLink("/etc/passwd", "/x")),
    "h5 soft link": linked(lambda file: h5py.SoftLink("/nowhere")),
    "h5 cycle": linked(lambda file: file["model_weights"]),
    "h5 external storage": array(external=[("/etc/passwd", 0, 240)]),
    "h5 virtual": h5(virtual),
    # HDF5: more than it holds
    "h5 4 TiB": array("b", shape=(1 << 40,)),
    "h5 3.9 GiB in chunks": array("b", shape=(39 << 25,), chunks=(1 << 20,)),
    "h5 gzip bomb": h5(gzip_bomb),
    "h5 kernel of 4 GiB": array(shape=(1 << 15, 1 << 15)),
    "h5 unknown filter": array(data=np.zeros((3, 20)), chunks=(3, 20), scaleoffset=3),
    "h5 deep": h5(lambda file: file.create_group("/".join("d" * 500))),
    "h5 names twice": h5(lambda file: file["model_weights"].attrs.__setitem__("layer_names", [b"lstm_10"] * 2)),
    "h5 a million names": h5(
        lambda file: file["model_weights"].attrs.__setitem__("layer_names", np.array([b"a"] * 60_000))
    ),
    "h5 names lead out": h5(
        lambda file: file["model_weights/lstm_10"].attrs.__setitem__("weight_names", [b"../../../etc/passwd"] * 3)
    ),
    "h5 names are numbers": h5(lambda file: file["model_weights"].attrs.__setitem__("layer_names", [1, 2])),
    "h5 compound": array(dtype=np.dtype([("a", "f4"), ("b", "i4")])),
    "h5 text": array(dtype=h5py.string_dtype()),
    "h5 reference": array(dtype=h5py.ref_dtype),
    "h5 complex": array(dtype="c8"),
    "h5 float of its own": h5(float_of_its_own),
}
SOUND: Mapping[str, Make] = {
    "h5": h5(lambda file: None),
    "array": array(data=np.random.default_rng(1).normal(size=(3, 20)).astype("f4")),
}
