"""Which models lie in a folder: by content, each once, and the configuration beside weights where that is certain."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from weight_mapping.files import open_archive
from weight_mapping.files.finding import configuration_for, look

GOLDEN = Path(__file__).parents[1] / "golden"
CONFIG = json.dumps({"class_name": "Sequential", "config": []})


def copy(name: str, to: Path) -> Path:
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(GOLDEN / name, to)
    return to


def names(folder: Path) -> list[str]:
    return [one.path.name for one in look(folder).models]


def test_content_decides_and_a_name_that_claims_a_model_is_offered(tmp_path: Path) -> None:
    copy("k2.2.4_tensorflow_rnn.h5", tmp_path / "model.txt")
    copy("k3151_rnn.keras", tmp_path / "archive.bin")
    (tmp_path / "broken.h5").write_bytes(b"no model")
    (tmp_path / "empty.KERAS").write_bytes(b"")
    (tmp_path / "notes.md").write_text("{ not JSON")
    (tmp_path / "some.json").write_text('{"a": 1}')
    np.savez(tmp_path / "arrays.npz", a=np.ones(2))
    with zipfile.ZipFile(tmp_path / "book.docx", "w") as other:
        other.writestr("word/document.xml", "")
    assert names(tmp_path) == ["archive.bin", "broken.h5", "empty.KERAS", "model.txt"]


def test_several_files_are_one_model(tmp_path: Path) -> None:
    for name in ("ck.index", "ck.data-00000-of-00001", "checkpoint"):
        copy(f"tf26_lstm2_ckpt/{name}", tmp_path / "checkpoint" / name)
        copy(f"tf26_lstm2_ckpt/{name}", tmp_path / "saved" / "variables" / name.replace("ck.", "variables."))
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"")
    copy("k2.2.4_tensorflow_rnn.h5", tmp_path / "saved" / "assets" / "model.h5")
    shards = {"weight_map": {"layers/a": "model_00000.weights.h5", "layers/b": ["model_00001.weights.h5"]}}
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "model.weights.json").write_text(json.dumps(shards))
    for n in range(2):
        copy("k3151_lstm2.weights.h5", tmp_path / "shards" / f"model_0000{n}.weights.h5")
    copy("k3151_lstm2.weights.h5", tmp_path / "shards" / "another.weights.h5")
    assert names(tmp_path / "checkpoint") == ["ck.index"]
    assert names(tmp_path / "shards") == ["another.weights.h5", "model.weights.json"]
    (saved,) = look(tmp_path / "saved").models
    assert saved.path == tmp_path / "saved" and not look(tmp_path / "saved").folders
    assert names(tmp_path / "saved" / "variables") == [], "a part of the SavedModel"
    (prefix,) = look(tmp_path / "checkpoint").models
    before = prefix.sha256()
    (tmp_path / "checkpoint" / "ck.data-00000-of-00001").write_bytes(b"other")
    assert prefix.sha256() != before, "every part counts"


def test_of_one_file_the_fingerprint_is_that_of_its_bytes(tmp_path: Path) -> None:
    copy("k2.2.4_tensorflow_rnn.h5", tmp_path / "model.h5")
    (one,) = look(tmp_path).models
    assert one.sha256() == open_archive(one.path).sha256


@pytest.mark.parametrize(
    ("weights", "beside", "expected"),
    [
        ("model.h5", ["model.json"], "model.json"),
        ("model_weights.h5", ["model.json", "other.json"], "model.json"),
        ("model.weights.h5", ["model_config.json", "other.json"], "model_config.json"),
        ("weights.h5", ["architecture.json"], "architecture.json"),
        ("weights.h5", ["a.json", "b.json"], None),
        ("weights.h5", [], None),
        ("a_weights.h5", ["a.h5"], "a.h5"),
        ("a_w.h5", ["a.h5", "a.keras"], None),
        ("a.h5", ["a.keras"], None),
        ("b.h5", ["a.h5"], None),
    ],
)
def test_the_configuration_beside_weights(
    weights: str, beside: list[str], expected: str | None, tmp_path: Path
) -> None:  # fmt: skip
    copy("k2.2.4_tensorflow_lstm2_w.h5", tmp_path / weights)
    for name in beside:
        if name.endswith(".json"):
            (tmp_path / name).write_text(CONFIG)
        else:
            copy("k3151_rnn.keras" if name.endswith(".keras") else "k2.2.4_tensorflow_lstm2.h5", tmp_path / name)
    folder = look(tmp_path)
    (model,) = (one for one in folder.models if one.path.name == weights)
    found = configuration_for(model, folder)
    assert (found and found.name) == expected


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    copy("k2.2.4_tensorflow_rnn.h5", tmp_path / "in" / "model.h5")
    (tmp_path / "in" / "self").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "linked.h5").symlink_to(tmp_path / "in" / "model.h5")
    assert look(tmp_path / "in").folders == () and names(tmp_path / "in") == ["linked.h5", "model.h5"]
