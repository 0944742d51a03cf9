"""Every hostile file as a user meets it: `inspect` and `port`, an exit code, one line on the terminal, nothing else."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from attacks import ATTACKS, NAMES, SOUND, STRANGE, Make, torch_files

from harness.cli import main
from harness.commands import inspect
from harness.reading import confined, inspection
from weight_mapping.errors import PortingError

RAW = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What must not reach a terminal as it is."""
OUTSIDE = ("pipe", "device", "sparse", "folder", "zip configuration of 30 million lists")
"""Attacks that are the command's to meet, which looks at paths before it reads, and gives a reader little memory."""


@pytest.fixture(autouse=True, scope="module")
def _forking() -> Iterator[None]:
    """Every file is read in a process of its own as by the commands, which here does not pay for its imports."""
    with confined.forking():
        yield


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A temporary folder and a working folder of the test's own, so that whatever is left behind is seen."""
    for name in ("file", "temporary", "working"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.chdir(tmp_path / "working")


def made(make: Make, folder: Path) -> Path:
    if make in torch_files.ATTACKS.values() or make in torch_files.SOUND.values():
        pytest.importorskip("torch")
    return make(folder / "file")


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """The exit code, and everything that was said."""
    with pytest.raises(SystemExit) as ended:
        main([str(a) for a in arguments])
    said = "".join(capsys.readouterr())
    assert "Traceback" not in said
    assert not RAW.search(said)
    return int(ended.value.code or 0), said


def found(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("name", ATTACKS)
def test_a_hostile_file_is_refused_and_nothing_is_left(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = made(ATTACKS[name], tmp_path)
    before = found(tmp_path)
    code, said = run(capsys, "port", file, "-o", tmp_path / "out")
    assert code in (2, 3), said
    if (tmp_path / "out" / "index.html").exists():  # a whole folder: the page and the log of what was refused in it
        left = [path for path in map(Path, found(tmp_path / "out")) if path.is_file()]
        assert {path.suffix for path in left} == {".html", ".jsonl"}
        shutil.rmtree(tmp_path / "out")
    else:
        assert said.startswith("lstm-parity: ") and said.count("\n") == 1 and len(said) < 3000
    assert found(tmp_path) == before  # nothing written, here or in the places for temporary files; no canary


@pytest.mark.parametrize("name", [name for name in ATTACKS if not name.startswith(OUTSIDE)])
def test_inspect_refuses_it_too_or_explains_what_a_port_would_refuse(name: str, tmp_path: Path) -> None:
    """In this process; that `inspect` reads in another is `test_confined`'s."""
    file = made(ATTACKS[name], tmp_path)
    before = found(tmp_path)
    try:
        findings = inspection.inspect(file)
        assert findings["port"]
    except PortingError as refused:
        assert refused.exit_code in (2, 3) and not RAW.search(str(refused)) and len(str(refused)) < 3000
    assert found(tmp_path) == before


@pytest.mark.parametrize(
    "name", ["pipe", "device", "sparse terabyte", "sparse JSON", "h5 4 TiB", "pt calls", OUTSIDE[-1]]
)
def test_inspect_refuses_it_as_a_command(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "inspect", made(ATTACKS[name], tmp_path))[0] in (2, 3)


@pytest.mark.parametrize("name", SOUND)
def test_its_benign_neighbour_is_ported(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = made(SOUND[name], tmp_path)
    if name.startswith("folder"):  # which is no model by itself
        code, said = run(capsys, "port", file, "-o", tmp_path / "out")
        assert code == 0 and (tmp_path / "out" / "index.html").exists() and "1 ported" in said
        return
    assert run(capsys, "inspect", file)[0] == 0
    if name not in ("safetensors", "pt"):  # which hold no Keras model
        told = ["--layers-only"] if name == "checkpoint" else []  # it has no configuration
        code, said = run(capsys, "port", file, "-o", tmp_path / "out", *told)
        assert code == 0 and "holds:" in said


@pytest.mark.parametrize("name", STRANGE)
def test_a_strange_name_is_shown_and_never_obeyed(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the terminal, in the page, in the names of files (`run` looks at the terminal)."""
    file = made(STRANGE[name], tmp_path)
    assert run(capsys, "inspect", file)[0] in (0, 3)
    code, said = run(capsys, "port", file, "-o", tmp_path / "out", "--no-proof")
    assert code in (0, 2, 3) and "lstm-parity: all is well" not in said.splitlines()
    assert found(tmp_path / "working") == found(tmp_path / "temporary") == []
    if code == 0:
        written = {path.name for path in (tmp_path / "out").iterdir()}
        assert written == {"model.safetensors", "spec.json", "proof.json", "results.json", "report.html"}
        page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
        assert not RAW.search(page) and "<img" not in page and "<script" not in page and "5_000" not in page


def test_without_escaping_a_name_would_reach_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard of the guard."""
    file = made(STRANGE["name escape"], tmp_path)
    run(capsys, "inspect", file)
    for name in ("printable", "shown"):
        monkeypatch.setattr(inspect, name, str)
    with pytest.raises(AssertionError, match="Match object"):
        run(capsys, "inspect", file)


def test_most_strange_names_are_ported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Else the test above would say little."""
    ported = 0
    for name in NAMES:
        shutil.rmtree(tmp_path / "file")
        (tmp_path / "file").mkdir()
        file = made(STRANGE[f"name {name}"], tmp_path)
        ported += run(capsys, "port", file, "-o", tmp_path / "out", "--no-proof", "--trusted")[0] == 0
    assert ported >= len(NAMES) - 3
