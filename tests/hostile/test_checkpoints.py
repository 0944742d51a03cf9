"""TensorFlow's checksums: a changed bit anywhere in a checkpoint is an error that names the array; each check taken
away once."""

from __future__ import annotations

from pathlib import Path

import pytest
from attacks.checkpoints import checkpoint, flipped, index, numbers
from attacks.savedmodels import SHARD, savedmodel

import weight_mapping as wm
from weight_mapping.errors import DamagedFile
from weight_mapping.files import checkpoint as tested
from weight_mapping.files import open_archive

SOUND, MODEL = checkpoint(lambda folder: None), savedmodel(lambda model: None)


def test_a_bit_of_any_array_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = SOUND(tmp_path)
    archive, raw = open_archive(folder), numbers(folder).read_bytes()
    sound = [(stored, archive.read(stored).tobytes()) for stored in archive.stored()]
    for stored, expected in sound:
        at = raw.index(expected)
        for place, bit in ((at, 0), (at + stored.nbytes - 1, 7)):
            flipped(numbers(folder), place, bit)
            with pytest.raises(DamagedFile, match=f"{stored.path}.*checksum"):
                open_archive(folder).read(stored)
            numbers(folder).write_bytes(raw)
    flipped(numbers(folder), at, 0)
    monkeypatch.setattr(tested, "_check", lambda *_: None)
    assert open_archive(folder).read(stored).tobytes() != expected  # the guard taken away, it is read


def test_a_bit_of_the_index_and_of_the_object_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = SOUND(tmp_path)
    raw, graph = index(folder).read_bytes(), numbers(folder).read_bytes()
    name = graph.index(b"layer_with_weights-0")
    for path, at, sound in ((index(folder), 30, raw), (index(folder), -55, raw), (numbers(folder), name, graph)):
        flipped(path, at)
        with pytest.raises(DamagedFile, match="checksum"):
            open_archive(folder)
        path.write_bytes(sound)
    flipped(numbers(folder), name)
    monkeypatch.setattr(tested, "_check", lambda *_: None)
    assert any(not stored.name.startswith("layer_") for stored in open_archive(folder).stored())  # another model


def test_a_bit_of_a_savedmodel_s_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = MODEL(tmp_path)
    expected = wm.load(model).fingerprints()
    raw = (model / SHARD).read_bytes()
    kernel = next(a for n, a in wm.load(model).arrays().items() if n.endswith("kernel") and "dense" in n)
    flipped(model / SHARD, raw.index(kernel.tobytes()))
    with pytest.raises(DamagedFile, match=r"variables\.index.*kernel.*checksum"):
        wm.load(model)
    monkeypatch.setattr(tested, "_check", lambda *_: None)
    found = wm.load(model).fingerprints()
    assert found.keys() == expected.keys() and found != expected
