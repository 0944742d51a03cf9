"""A folder of every kind of file, ported: every file's fate, the log, the page, and going on."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from batches import Ran, logged, ported, results
from folder_models import HOSTILE, MAKERS

from harness.folder.task import spelled


def kind(path: str) -> str:
    found = re.search(rf"({'|'.join(map(re.escape, MAKERS))}) \d+", path)
    assert found, path
    return found[1]


def test_every_file_has_the_fate_that_its_kind_must_have(ran: Ran) -> None:
    fates = Counter((kind(line["path"]), line["fate"]) for line in ran.lines)
    assert fates == Counter({(name, fate): 2 for name, (_, fate) in MAKERS.items()})
    assert ran.code == 3
    held = {name for line in ran.lines if line["error"] for name in line["error"]["layers"]}
    assert held == {"TheirLSTM", "Lambda"}
    assert "held up by TheirLSTM: 2 files" in ran.out and "held up by Lambda: 2 files" in ran.out


def test_every_file_has_its_own_folder_page_and_proof(ran: Ran) -> None:
    folders = {line["folder"]: line for line in ran.lines}
    assert len(folders) == len(ran.lines) - 1, "the copy shares the folder of its twin"
    for folder, line in folders.items():
        assert re.fullmatch(r"[0-9a-f]{12}-[A-Za-z0-9._-]+", folder)
        inside = {file.name for file in (ran.output / folder).iterdir()}
        whole = {"model.safetensors", "spec.json", "proof.json", "results.json", "report.html"}
        assert inside == (whole if line["fate"] == "ported" else {"report.html"})
        assert f'href="{folder}/report.html"' in ran.page
    assert {file.name for file in ran.output.iterdir()} == {*folders, "index.html", "log.jsonl"}


def test_a_line_of_the_log_stands_by_itself(ran: Ran) -> None:
    for line in ran.lines:
        assert line["schema"] == 1 and re.fullmatch(r"[0-9a-f]{64}", line["sha256"])
        assert line["environment"]["torch"] and re.fullmatch(r"[0-9a-f]{16}", line["code"])
        assert line["options"]["target"] == "torch" and line["finished"] and line["seconds"] > 0
        if line["fate"] == "ported":
            assert line["verdict"] == "holds" and line["parameters"] and len(line["checks"]) == 2
            assert line["peak_mib"] is None or 10 < line["peak_mib"] < 4000
        elif line["fate"] != "no model":
            assert line["error"]["what"] and line["verdict"] == "not measured"


def test_the_configuration_beside_weights_is_taken_and_said(ran: Ran) -> None:
    for line in ran.lines:
        beside = kind(line["path"]) in ("weights of Keras 1", "weights of tf.keras", "weights of Keras 3", "checkpoint")
        assert (line["config"] is not None) is beside


def test_a_hostile_name_is_spelled_out_everywhere(ran: Ran) -> None:
    raw = (ran.output / "log.jsonl").read_text()
    for text in (raw, ran.page, ran.out, ran.err):
        assert not set(HOSTILE) & {"\x1b", "\u202e"} & set(text)
    assert "<img" not in ran.page and "&lt;img" in ran.page
    assert all("\n" not in line["path"] for line in ran.lines)
    assert any(spelled(HOSTILE) in line["path"] for line in ran.lines)


def test_two_processes_come_to_the_same(folder: Path, ran: Ran, tmp_path: Path) -> None:
    again = ported([folder], tmp_path / "out", "--jobs", "2")
    assert again.code == ran.code
    assert results(again.output) == [
        {**line, "folder": other["folder"]} if kind(str(line["path"])) == "copies" else line
        for line, other in zip(results(ran.output), results(again.output), strict=True)
    ], "which of two copies came first is no matter"


def test_going_on_does_only_what_is_left(folder: Path, tmp_path: Path) -> None:
    files = sorted(folder.rglob("*of Keras 2*.h5"))
    assert len(files) == 4
    first = ported(files[:2], tmp_path / "out", "--no-proof", "--trusted")
    with (first.output / "log.jsonl").open("ab") as log:
        log.write(b'{"path": "torn')
    before = logged_but_torn(first.output)
    second = ported(files, tmp_path / "out", "--no-proof", "--trusted")
    assert second.code == 0 and "(2 from before)" in second.err
    assert logged(second.output)[:2] == before and len(second.lines) == 4
    assert all(str(file) in second.page for file in files)
    other = ported(files[:1], tmp_path / "out", "--jobs", "1", "--no-proof", "--trusted", "--seed", "3")
    assert len(other.lines) == 5, "another question is another answer"


def logged_but_torn(output: Path) -> list[object]:
    return [json.loads(line) for line in (output / "log.jsonl").read_bytes().split(b"\n")[:-1]]


def test_layers_only_is_for_those_that_are_refused(folder: Path, tmp_path: Path) -> None:
    files = [*folder.rglob("author's layer*.h5"), *folder.rglob("h5 of Keras 1 0.h5"), *folder.rglob("lambda*.h5")]
    told = ported(files, tmp_path / "out", "--layers-only", "--json")
    assert told.code == 2
    fates = {(kind(line["path"]), line["fate"]) for line in told.lines}
    assert fates == {("author's layer", "refused"), ("h5 of Keras 1", "ported"), ("lambda", "layers only")}
    assert '"layers only": 2' in told.out and '"Lambda": 2' in told.out


def test_nothing_to_port_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "README.md").write_text("no model")
    told = ported([tmp_path / "in"], tmp_path / "out")
    assert told.code == 2 and "no Keras model was found" in told.err and not (tmp_path / "out").exists()
    missing = ported([tmp_path / "in", tmp_path / "nowhere"], tmp_path / "out")
    assert missing.code == 2 and "no such file or folder" in missing.err


@pytest.mark.parametrize("options", [("--jobs", "2", "--scheduler", "tcp://127.0.0.1:1"), ("--jobs", "0")])
def test_wrong_usage(folder: Path, tmp_path: Path, options: tuple[str, ...]) -> None:
    assert ported([folder], tmp_path / "out", *options).code == 4
