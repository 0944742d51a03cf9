"""`.pt` files that call something, or declare more than they hold."""

from __future__ import annotations

import io
import os
import pickle
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

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


ATTACKS: Mapping[str, Make] = {
    "pt calls": torch_file(lambda folder: {"w": Runs(str(folder / "canary"))}),
    "pt calls, old": torch_file(
        lambda folder: {"w": Runs(str(folder / "canary"))}, _use_new_zipfile_serialization=False
    ),
    "pt strides": torch_file(_stride_bomb),
    "pt deflated": _deflated_pt,
    "pt tar": _tar_pt,
    "pickle": lambda folder: written("model.pt", pickle.dumps(Runs(str(folder / "canary"))))(folder),
}
SOUND: Mapping[str, Make] = {"pt": torch_file(lambda folder: {"weight": drawn(20, 3)})}
