"""JSON that no parser should take, in every place of every container that holds JSON: one clean error, and soon."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from models import CONTAINERS, configuration

import weight_mapping as wm
from weight_mapping.errors import DamagedFile, PortingError
from weight_mapping.files import strict_json
from weight_mapping.files.writing import write_safetensors

pytest.importorskip("h5py")


def _beside(more: bytes) -> bytes:
    """The sound configuration with one more member."""
    text = json.dumps(configuration()).encode()
    return text[:-1] + b", " + more + b"}"


HOSTILE: dict[str, Callable[[], bytes]] = {
    "depth 20,000": lambda: _beside(b'"deep": ' + b"[" * 20_000 + b"]" * 20_000),  # an HDF5 attribute holds 64 kB
    "depth 300": lambda: _beside(b'"deep": ' + b"[" * 300 + b"]" * 300),
    "an integer of 5,000 digits": lambda: _beside(b'"number": ' + b"9" * 5000),
    "an integer above 64 bits": lambda: _beside(b'"number": 99999999999999999999999'),
    "NaN": lambda: _beside(b'"number": NaN'),
    "infinity": lambda: _beside(b'"number": -Infinity'),
    "1e400": lambda: _beside(b'"number": 1e400'),
    "a key twice": lambda: _beside(b'"config": {"name": "other", "layers": []}'),
    "a lone surrogate": lambda: _beside(rb'"name": "\ud800"'),
    "half a document": lambda: json.dumps(configuration()).encode()[:-20],
    "no UTF-8": lambda: _beside(b'"name": "\xff\xfe"'),
    "two documents": lambda: b"{} " + json.dumps(configuration()).encode(),
    "nothing": lambda: b"",
}  # fmt: skip


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_configuration_that_no_parser_should_take(name: str, container: str, tmp_path: Path) -> None:
    path, config = CONTAINERS[container](tmp_path, HOSTILE[name]())
    with pytest.raises(PortingError) as refused:
        wm.load(path, config)
    assert len(str(refused.value)) < 1500


def test_a_mark_of_byte_order_is_refused_or_read_as_what_follows(tmp_path: Path) -> None:
    text = json.dumps(configuration()).encode()
    for container, write in CONTAINERS.items():
        folder = tmp_path / container
        folder.mkdir()
        try:
            found = wm.load(*write(folder, b"\xef\xbb\xbf" + text)).spec
        except DamagedFile:
            continue
        assert found == wm.load(*write(folder, text)).spec


@pytest.mark.parametrize("container", ["keras", "json", "tfjs"])
def test_a_depth_of_200_000(container: str, tmp_path: Path) -> None:
    with pytest.raises(DamagedFile):
        wm.load(*CONTAINERS[container](tmp_path, _beside(b'"deep": ' + b"[" * 200_000 + b"]" * 200_000)))


@pytest.mark.parametrize("container", ["keras", "json", "tfjs"])
def test_a_document_of_70_megabytes_is_refused_unread(
    container: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, config = CONTAINERS[container](tmp_path, _beside(b'"long": "' + b"x" * (70 << 20) + b'"'))
    read = []
    monkeypatch.setattr(json, "loads", lambda *a, **k: read.append(a) or {})
    with pytest.raises(PortingError, match=r"too large|more than"):
        wm.load(path, config)
    assert not any(len(a[0]) > (64 << 20) for a in read)


@pytest.mark.parametrize("name", ["depth 20,000", "NaN", "a key twice", "a lone surrogate", "half a document"])
def test_the_other_documents_of_an_archive(name: str, tmp_path: Path) -> None:
    """metadata.json of a .keras, and the spec in a safetensors file's metadata."""
    text = HOSTILE[name]()
    path, _ = CONTAINERS["keras"](tmp_path, configuration())
    with zipfile.ZipFile(path) as read, zipfile.ZipFile(tmp_path / "evil.keras", "w") as write:
        for member in read.namelist():
            write.writestr(member, text if member == "metadata.json" else read.read(member))
    with pytest.raises(PortingError):
        wm.load(tmp_path / "evil.keras")
    write_safetensors(tmp_path / "evil.safetensors", {}, {"spec": text.decode("latin-1")})
    with pytest.raises(PortingError):
        wm.load(tmp_path / "evil.safetensors")


@pytest.mark.parametrize("container", CONTAINERS)
def test_the_neighbour_loads(container: str, tmp_path: Path) -> None:
    for more in (b'"note": [[[1, 2.5, null, true]]]', rb'"note": "\ud83d\ude00 \u00e9"', b'"number": 9007199254740993'):
        assert wm.load(*CONTAINERS[container](tmp_path, _beside(more))).weights


def test_without_the_guard_the_last_of_two_keys_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one tool checks is then not what the other loads."""
    text = json.dumps(configuration()).encode()
    evil = configuration()
    evil["config"]["layers"][2]["config"]["activation"] = "relu"
    twice = text[:-1] + b', "config": ' + json.dumps(evil["config"]).encode() + b"}"
    path, config = CONTAINERS["json"](tmp_path, twice)
    with pytest.raises(DamagedFile, match="stands twice"):
        wm.load(path, config)
    monkeypatch.setattr(strict_json, "_object", dict)
    dense: Any = wm.load(path, config).spec.layers["dense"]
    assert dense.options["activation"].name == "relu"
