"""ZIP, safetensors and .pt files that lie, escape or run something."""

from __future__ import annotations

import io
import json
import os
import pickle
import stat
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from weight_mapping.errors import DamagedFile, PortingError, UnsafeFile, Unsupported
from weight_mapping.files import open_archive, safetensors, zipped
from weight_mapping.files.writing import write_keras_zip, write_safetensors

CONFIG = {"class_name": "Sequential", "config": {"name": "m", "layers": []}}
KERNEL = np.arange(12, dtype=np.float32).reshape(3, 4)


@pytest.fixture
def sound(tmp_path: Path) -> dict[str, bytes]:
    """The members of a sound `.keras` archive."""
    pytest.importorskip("h5py")
    path = tmp_path / "sound.keras"
    write_keras_zip(
        path, config=CONFIG, metadata={"keras_version": "3.15.1"}, tree={"layers/lstm/vars/0": KERNEL}, names={}
    )
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(
    path: Path, members: list[tuple[str | zipfile.ZipInfo, bytes]], compression: int = zipfile.ZIP_STORED
) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


def test_a_deflated_archive_opens(tmp_path: Path, sound: dict[str, bytes]) -> None:
    archive = open_archive(packed(tmp_path / "m.keras", [*sound.items()], zipfile.ZIP_DEFLATED))
    assert archive.read(archive.stored()[0]).tobytes() == KERNEL.tobytes()


@pytest.mark.parametrize("name", ["../../evil.txt", "/abs", "a/../../b", "..\\evil", "C:/x", "a\\b", "\\\\host\\x"])
def test_a_name_that_leads_out_is_refused_and_nothing_written(
    tmp_path: Path, sound: dict[str, bytes], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = packed(tmp_path / "m.keras", [*sound.items(), (name, b"evil")])
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UnsafeFile, match="leads out"):
        open_archive(path)
    monkeypatch.setattr(zipped, "_check", lambda *_: None)
    assert open_archive(path).tree  # the guard taken away, it opens; still nothing is extracted
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused(tmp_path: Path, sound: dict[str, bytes]) -> None:
    """Python reads the last, other tools the first: what one checks is not what the other loads."""
    path = packed(tmp_path / "m.keras", [*sound.items(), ("config.json", b'{"class_name": "Evil"}')])
    with pytest.raises(UnsafeFile, match=r"config\.json.*one name"):
        open_archive(path)


@pytest.mark.parametrize("missing", ["config.json", "metadata.json", "model.weights.h5"])
def test_a_member_that_is_missing_is_named(tmp_path: Path, sound: dict[str, bytes], missing: str) -> None:
    del sound[missing]
    with pytest.raises(DamagedFile, match=missing.replace(".", r"\.")):
        open_archive(packed(tmp_path / "m.keras", [*sound.items()]))


def test_a_symbolic_link_is_refused(tmp_path: Path, sound: dict[str, bytes]) -> None:
    link = zipfile.ZipInfo("config.json")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    members: list[tuple[str | zipfile.ZipInfo, bytes]] = [(n, d) for n, d in sound.items() if n != "config.json"]
    with pytest.raises(UnsafeFile, match="symbolic link"):
        open_archive(packed(tmp_path / "m.keras", [*members, (link, b"/etc/passwd")]))


def test_something_before_the_archive_is_refused(tmp_path: Path, sound: dict[str, bytes]) -> None:
    """A polyglot: an archive that begins as another file. Python finds the members all the same."""
    path = packed(tmp_path / "m.keras", [*sound.items()])
    junk = b"PK\x03\x04 another archive "
    path.write_bytes(junk + path.read_bytes())
    assert zipfile.ZipFile(path).namelist()
    with pytest.raises(DamagedFile, match=r"precedes|read"):
        open_archive(path)


def flipped(data: bytes, at: int, value: bytes) -> bytes:
    return data[:at] + value + data[at + len(value) :]


def test_headers_that_disagree_are_refused(tmp_path: Path, sound: dict[str, bytes]) -> None:
    path = packed(tmp_path / "m.keras", [*sound.items()])
    raw = path.read_bytes()
    directory = raw.index(b"PK\x01\x02")
    encrypted = flipped(raw, directory + 8, b"\x01")
    other_name = flipped(raw, raw.index(b"metadata.json"), b"metaDATA.json")
    longer = flipped(raw, directory + 24, struct.pack("<I", 10_000))
    checksum = flipped(raw, raw.index(b"Sequential"), b"sequential")
    for changed, message in (
        (encrypted, "encrypted"),
        (other_name, "disagree"),
        (longer, "disagree"),
        (checksum, "checksum"),
    ):
        path.write_bytes(changed)
        with pytest.raises(DamagedFile, match=message):
            open_archive(path)


def test_a_member_that_unpacks_hundredfold_is_refused(
    tmp_path: Path, sound: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    sound["model.weights.h5"] += bytes(8 << 20)
    path = packed(tmp_path / "m.keras", [*sound.items()], zipfile.ZIP_DEFLATED)
    with pytest.raises(UnsafeFile, match="unpacks to far more"):
        open_archive(path)
    monkeypatch.setattr(zipped, "MAX_RATIO", 10_000)
    assert open_archive(path).tree


def test_an_archive_within_the_archive_is_not_opened(tmp_path: Path, sound: dict[str, bytes]) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(1 << 20))
    sound["model.weights.h5"] = inner.getvalue()
    with pytest.raises(DamagedFile, match=r"model\.weights\.h5"):
        open_archive(packed(tmp_path / "m.keras", [*sound.items()]))


def test_an_npz_is_no_model(tmp_path: Path) -> None:
    np.savez(tmp_path / "m.npz", x=KERNEL)
    with pytest.raises(DamagedFile, match=r"config\.json"):
        open_archive(tmp_path / "m.npz")


# safetensors


def tensors(path: Path, header: Any, data: bytes, length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return path


def entry(start: int, end: int, shape: list[int] | None = None, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape or [(end - start) // 4], "data_offsets": [start, end]}


HOSTILE_TENSORS: dict[str, tuple[Any, bytes]] = {
    "overlap": ({"a": entry(0, 8), "b": entry(4, 12)}, bytes(12)),
    "one place twice": ({"a": entry(0, 8), "b": entry(0, 8)}, bytes(8)),
    "hole": ({"a": entry(0, 4), "b": entry(8, 12)}, bytes(12)),
    "bytes left over": ({"a": entry(0, 4)}, bytes(12)),
    "bytes missing": ({"a": entry(0, 12)}, bytes(8)),
    "shape and length": ({"a": entry(0, 8, [3])}, bytes(8)),
    "negative": ({"a": entry(-4, 4, [2])}, bytes(4)),
    "backwards": ({"a": entry(8, 0, [2])}, bytes(8)),
    "negative axis": ({"a": {"dtype": "F32", "shape": [-2, -1], "data_offsets": [0, 8]}}, bytes(8)),
    "huge": ({"a": entry(0, 4 << 60, [1 << 60])}, bytes(8)),
    "duplicate": (b'{"a": %b, "a": %b}' % ((json.dumps(entry(0, 4)).encode(),) * 2), bytes(4)),
    "metadata": ({"__metadata__": {"x": 3}, "a": entry(0, 4)}, bytes(4)),
    "no offsets": ({"a": {"dtype": "F32", "shape": [1]}}, bytes(4)),
    "not a table": ({"a": 3}, bytes(4)),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE_TENSORS)
def test_a_safetensors_header_that_lies(tmp_path: Path, name: str) -> None:
    with pytest.raises(DamagedFile):
        open_archive(tensors(tmp_path / "m.safetensors", *HOSTILE_TENSORS[name]))


def test_a_safetensors_header_that_is_too_long(tmp_path: Path) -> None:
    path = tensors(tmp_path / "m.safetensors", b"{" + b" " * 50, b"", length=(100 << 20) + 1)
    with path.open("r+b") as file:
        file.truncate((100 << 20) + 9)  # sparse: the file costs nothing
    with pytest.raises(DamagedFile, match="longer than it may be"):
        open_archive(path)


def test_the_types_that_numpy_lacks_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="BF16"):
        open_archive(tensors(tmp_path / "m.safetensors", {"a": entry(0, 4, [2], "BF16")}, bytes(4)))


def test_without_the_check_overlapping_arrays_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safetensors, "_check_places", lambda *_: None)
    assert open_archive(tensors(tmp_path / "m.safetensors", *HOSTILE_TENSORS["overlap"])).named


# .pt


class _Run:
    """Unpickled, it makes a file: the canary."""

    def __init__(self, canary: Path) -> None:
        self.canary = str(canary)

    def __reduce__(self) -> Any:
        return os.mkdir, (self.canary,)


def saved(path: Path, thing: Any, **options: Any) -> Path:
    torch = pytest.importorskip("torch")
    torch.save(thing, path, **options)
    return path


def test_a_pickle_that_calls_something_is_refused(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    for name, options in (("new", {}), ("old", {"_use_new_zipfile_serialization": False})):
        with pytest.raises(PortingError):
            open_archive(saved(tmp_path / name, {"w": _Run(canary)}, **options))
    (tmp_path / "bare").write_bytes(pickle.dumps(_Run(canary)))
    with pytest.raises(PortingError):
        open_archive(tmp_path / "bare")
    assert not canary.exists()
    pickle.loads((tmp_path / "bare").read_bytes())
    assert canary.exists()  # the canary works: whoever unpickles, runs


def test_a_whole_module_is_refused_with_the_way_out(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(UnsafeFile, match="state_dict"):
        open_archive(saved(tmp_path / "m.pt", torch.nn.LSTM(2, 3)))


def test_a_state_dict_opens_nested_or_not_with_odd_strides(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    state = {"w": torch.from_numpy(KERNEL).T, "b": torch.arange(3, dtype=torch.float64)[::2]}
    for thing in (state, {"epoch": 3, "state_dict": state}, {"model_state_dict": state, "optimizer": {}}):
        archive = open_archive(saved(tmp_path / "m.pt", thing))
        assert archive.named is not None and list(archive.named) == ["w", "b"]
        assert archive.read(archive.named["w"]).tobytes() == KERNEL.T.tobytes()
        assert archive.read(archive.named["b"]).tolist() == [0.0, 2.0]


def test_tensors_of_other_kinds_are_refused(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    bomb = torch.zeros(1).expand(1 << 20, 1 << 20)
    kinds = {
        "declares more": bomb,
        "bfloat16": torch.zeros(2, dtype=torch.bfloat16),
        "sparse": torch.eye(3).to_sparse(),
    }
    for message, tensor in kinds.items():
        with pytest.raises(PortingError, match=message):
            open_archive(saved(tmp_path / "m.pt", {"w": tensor}))
    for thing in ([torch.zeros(2)], {"w": 3}, {}):
        with pytest.raises(DamagedFile, match="state_dict"):
            open_archive(saved(tmp_path / "m.pt", thing))


def test_a_packed_or_damaged_pt_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "m.pt", {"w": pytest.importorskip("torch").full((1000,), 77.5)})
    with zipfile.ZipFile(path) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    with pytest.raises(UnsafeFile, match="packed member"):
        open_archive(packed(tmp_path / "packed.pt", [*members], zipfile.ZIP_DEFLATED))
    raw = path.read_bytes()
    path.write_bytes(flipped(raw, raw.index(np.full(1000, 77.5, np.float32).tobytes()), b"\x01"))
    with pytest.raises(DamagedFile, match="checksum"):
        open_archive(path)


def test_a_program_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path / "m.pt", [("m/data.pkl", b""), ("m/constants.pkl", b""), ("m/code/x.py", b"import os")])
    with pytest.raises(Unsupported, match="TorchScript"):
        open_archive(path)


def test_a_written_safetensors_file_opens(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "m", {"w": KERNEL.T, "none": np.empty((0, 2))}, {"spec": "{}"})
    archive = open_archive(tmp_path / "m")
    assert archive.metadata == {"spec": "{}"} and {s.name: s.shape for s in archive.stored()} == {
        "w": (4, 3),
        "none": (0, 2),
    }
