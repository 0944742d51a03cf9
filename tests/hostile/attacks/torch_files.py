"""`.pt` files, and one of NumPy's, that call something, or declare more than they hold."""

from __future__ import annotations

import io
import os
import pickle
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from attacks.changed_h5 import Make
from attacks.no_models import written


class Runs:
    """Unpickled, it makes the folder `canary`."""

    def __init__(self, canary: str) -> None:
        self.canary = canary

    def __reduce__(self) -> Any:
        return os.mkdir, (self.canary,)


def torch_file(thing: Callable[[Path], Any], **options: Any) -> Make:
    def make(folder: Path) -> Path:
        import torch

        torch.save(thing(folder), folder / "model.pt", **options)
        return folder / "model.pt"

    return make


def _stride_bomb(_: Path) -> Any:
    import torch

    return {"w": torch.zeros(1).expand(1 << 20, 1 << 20)}


def drawn(*shape: int) -> Any:
    import torch

    return torch.randn(*shape)


def _deflated_pt(folder: Path) -> Path:
    import torch

    torch.save({"weight": torch.zeros(1 << 20)}, folder / "plain.pt")
    with (
        zipfile.ZipFile(folder / "plain.pt") as source,
        zipfile.ZipFile(folder / "model.pt", "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in source.namelist():
            target.writestr(name, source.read(name))
    (folder / "plain.pt").unlink()
    return folder / "model.pt"


def _tar_pt(folder: Path) -> Path:
    path = folder / "model.pt"
    with tarfile.open(path, "w") as archive:
        for name in ("sys_info", "pickle", "storages"):
            data = pickle.dumps(Runs(str(folder / "canary")))
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def _objects(folder: Path) -> Path:
    """NumPy's archive with an array of Python objects, which make the folder `canary` when they are unpickled."""
    objects = np.array([Runs(str(folder / "canary"))], object)
    np.savez(folder / "model.npz", a=objects)
    return folder / "model.npz"


def _nested_pairs(depth: int) -> Any:
    """A tuple of 2 ** depth numbers in so many pairs: whoever hashes or prints it does not end."""
    pair: Any = (1, 2)
    for _ in range(depth):
        pair = _Pair((pair, pair))
    return pair


class _Pair(tuple):  # type: ignore[type-arg]
    """Stored as the tuple that it is, without being hashed here."""

    def __hash__(self) -> int:
        return 1

    def __reduce__(self) -> Any:
        return tuple, (list(self),)


def _nested_lists(depth: int) -> Any:
    inner: Any = [1]
    for _ in range(depth):
        inner = [inner, inner]
    return inner


def _repacked(folder: Path, change: Callable[[dict[str, bytes]], object]) -> Path:
    """A sound state_dict's archive, its members changed."""
    import torch

    torch.save({"w": torch.ones(1000)}, folder / "plain.pt")
    with zipfile.ZipFile(folder / "plain.pt") as source:
        members = {name: source.read(name) for name in source.namelist()}
    change(members)
    with zipfile.ZipFile(folder / "model.pt", "w") as target:
        for name, data in members.items():
            target.writestr(name, data)
    (folder / "plain.pt").unlink()
    return folder / "model.pt"


def _half_storage(folder: Path) -> Path:
    return _repacked(folder, lambda m: m.update({name: data[:2000] for name, data in m.items() if "data/" in name}))


def _two_pickles(folder: Path) -> Path:
    return _repacked(folder, lambda m: m.update({"other/data.pkl": pickle.dumps(Runs(str(folder / "canary")))}))


ATTACKS: dict[str, Make] = {
    "pt calls": torch_file(lambda folder: {"w": Runs(str(folder / "canary"))}),
    "pt calls, old": torch_file(
        lambda folder: {"w": Runs(str(folder / "canary"))}, _use_new_zipfile_serialization=False
    ),
    "pt strides": torch_file(_stride_bomb),
    "pt deflated": _deflated_pt,
    "pt tar": _tar_pt,
    "npz of objects": _objects,
    "pickle": lambda folder: written("model.pt", pickle.dumps(Runs(str(folder / "canary"))))(folder),
}
ATTACKS |= {
    "pt keys upon keys": torch_file(lambda folder: {_nested_pairs(60): drawn(2)}),
    "pt lists upon lists": torch_file(lambda folder: {"w": _nested_lists(60)}),
    "pt keys of numbers": torch_file(lambda folder: {7: drawn(2)}),
    "pt key that escapes": torch_file(lambda folder: {"a\x1b[2J\u202e": 3}),
    "pt of half a storage": _half_storage,
    "pt of an object": torch_file(lambda folder: {"w": Runs}),
    "pt of two pickles": _two_pickles,
    "pt named keras": lambda folder: torch_file(lambda f: {"w": Runs(str(f / "canary"))})(folder).rename(
        folder / "model.keras"
    ),
    "pt sparse": torch_file(lambda folder: {"w": drawn(3, 3).to_sparse()}),
    "pt bfloat16": torch_file(lambda folder: {"w": drawn(3, 3).bfloat16()}),
    "pt complex": torch_file(lambda folder: {"w": drawn(3, 3).cfloat()}),
}  # fmt: skip
SOUND: Mapping[str, Make] = {"pt": torch_file(lambda folder: {"weight": drawn(20, 3)})}
