"""`.pt` files that run something, lie about their sizes, or hide in another container; each guard taken away once."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attacks import ATTACKS
from attacks.torch_files import Runs

from weight_mapping.errors import PortingError, UnsafeFile, Unsupported
from weight_mapping.files import open_archive, torch_file, zipped

torch = pytest.importorskip("torch")


class Named:
    """Unpickled, it is a function by its name, which is then called."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> Any:
        return self.function, self.arguments


def saved(path: Path, thing: Any) -> Path:
    torch.save(thing, path)
    return path


@pytest.mark.parametrize("function", [os.mkdir, os.system, eval, getattr, __import__], ids=lambda f: f.__name__)
def test_a_name_outside_the_list_is_not_called(function: Callable[..., Any], tmp_path: Path) -> None:
    path = saved(tmp_path / "m.pt", {"w": Named(function, str(tmp_path / "canary"))})
    with pytest.raises(UnsafeFile, match="more than tensors"):
        open_archive(path)
    assert not (tmp_path / "canary").exists()


def test_without_weights_only_it_would_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "m.pt", {"w": Runs(str(tmp_path / "canary"))})
    real = torch.load
    monkeypatch.setattr(torch, "load", lambda *given, **options: real(*given, **{**options, "weights_only": False}))
    with pytest.raises(PortingError, match="no tensor"):
        open_archive(path)
    assert (tmp_path / "canary").exists()


def test_an_old_pytorch_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "m.pt", {"w": torch.ones(2)})
    monkeypatch.setattr(torch, "__version__", type(torch.__version__)("2.5.1"))
    with pytest.raises(Unsupported, match="not safe"):
        open_archive(path)
    monkeypatch.undo()
    assert open_archive(path).named


def test_strides_that_declare_more_than_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "m.pt", {"w": torch.zeros(1).expand(100, 100)})
    with pytest.raises(UnsafeFile, match="declares more"):
        open_archive(path)
    real = torch_file._header

    def unchecked(name: str, tensor: Any, where: str) -> Any:
        return real(name, tensor.contiguous(), where)

    monkeypatch.setattr(torch_file, "_header", unchecked)
    archive = open_archive(path)  # the guard taken away, four bytes have become forty thousand
    assert archive.read(archive.stored()[0]).nbytes == 40_000


def test_the_strides_of_a_bomb_cost_nothing(tmp_path: Path) -> None:
    with pytest.raises(UnsafeFile):
        open_archive(ATTACKS["pt strides"](tmp_path))


def test_a_checksum_that_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "m.pt", {"w": torch.full((1000,), 77.5)})
    raw = path.read_bytes()
    at = raw.index(torch.full((1000,), 77.5).numpy().tobytes())
    path.write_bytes(raw[:at] + b"\x01" + raw[at + 1 :])
    with pytest.raises(PortingError, match="checksum"):
        open_archive(path)
    with zipfile.ZipFile(path) as archive:
        crcs = [info.CRC for info in archive.infolist()]
    told = iter(crcs)
    monkeypatch.setattr(zipped, "_checksum", lambda _: next(told))
    assert open_archive(path).named  # the guard taken away, the changed number is read


@pytest.mark.parametrize("name", ["pt tar", "pickle", "pt calls, old", "pt deflated"])
def test_what_is_no_archive_of_stored_members_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(PortingError):
        open_archive(ATTACKS[name](tmp_path))
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".h5", ".keras", ".json", ""])
def test_the_suffix_decides_nothing(suffix: str, tmp_path: Path) -> None:
    path = saved(tmp_path / f"m{suffix}", {"w": torch.ones(2)})
    assert open_archive(path).container == "pt"
    (tmp_path / f"evil{suffix}").write_bytes(saved(tmp_path / "e", {"w": Runs(str(tmp_path / "canary"))}).read_bytes())
    with pytest.raises(UnsafeFile):
        open_archive(tmp_path / f"evil{suffix}")
    assert not (tmp_path / "canary").exists()
