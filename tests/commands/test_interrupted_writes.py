"""What the commands leave behind when they can't finish writing: on a disk without room, in a folder that takes
nothing, killed before each call that touches the folder. Every file that is there is whole, and it is said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

import weight_mapping as wm
from harness.cli import main
from harness.results import Results, to_json
from weight_mapping.errors import PortingError
from weight_mapping.files import open_archive
from weight_mapping.files.strict_json import parse_object

GOLDEN = Path(__file__).parents[1] / "golden"
MODEL = GOLDEN / "k2.2.4_tensorflow_lstm_hs.h5"
Disk = Callable[..., Path]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """`disk("64k", "ro")` is a file system of its own in memory: of that size, and mounted with these options."""
    mounted: list[Path] = []

    def mount(size: str, *options: str) -> Path:
        place = tmp_path / f"disk{len(mounted)}"
        place.mkdir()
        told = ",".join((f"size={size}", *options))
        command = ["mount", "-t", "tmpfs", "-o", told, "lstm-parity", str(place)]
        try:
            ran = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            pytest.skip("this system has no command mount")
        if ran.returncode:
            pytest.skip(f"a file system can't be mounted here: {ran.stderr.strip()}")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", "-l", str(place)], check=True)


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(a) for a in arguments])
    return int(ended.value.code or 0)


def report(folder: Path) -> list[object]:
    (folder.parent / "results.json").write_text(to_json(Results(kind="verify", command="c", environment={})))
    return ["report", folder.parent / "results.json", "-o", folder / "report.html"]


COMMANDS: dict[str, Callable[[Path], list[object]]] = {
    "torch": lambda folder: ["port", MODEL, "-o", folder / "out", "--no-proof"],
    "keras": lambda folder: ["port", MODEL, "-o", folder / "out", "--no-proof", "--to", "keras", "--keras", "3"],
    "h5": lambda folder: ["port", MODEL, "-o", folder / "m.h5", "--no-proof", "--to", "keras", "--keras", "2"],
    "onnx": lambda folder: ["port", MODEL, "-o", folder / "out", "--no-proof", "--to", "onnx"],
    "standalone": lambda folder: ["port", MODEL, "-o", folder / "out", "--no-proof", "--standalone"],
    "report": report,
}
NEEDED = {"onnx": "onnx", "standalone": "torch", "keras": "h5py", "h5": "h5py"}


@pytest.fixture(params=COMMANDS)
def command(request: pytest.FixtureRequest) -> Callable[[Path], list[object]]:
    if request.param in NEEDED:
        pytest.importorskip(NEEDED[request.param])
    return COMMANDS[request.param]


def whole(folder: Path) -> list[str]:
    """The names of the files there, each of which is read to its end."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for file in files:
        if file.suffix == ".json":
            parse_object(file.read_bytes(), file.name)
        elif file.suffix in (".safetensors", ".keras", ".h5"):
            archive = open_archive(file)
            assert all(archive.read(stored).shape == stored.shape for stored in archive.stored())
        elif file.suffix == ".html":
            assert file.read_text().rstrip().endswith("</html>")
        elif file.suffix == ".onnx":
            __import__("onnx").checker.check_model(str(file))
        elif file.suffix == ".xml":
            ElementTree.parse(file)
        elif file.suffix == ".md":
            assert file.read_text().endswith("\n")
        elif file.suffix == ".py":
            compile(file.read_text(), file.name, "exec")
        else:
            raise AssertionError(f"{file} was left behind")
    return [file.name for file in files]


@pytest.mark.parametrize("size", ["4k", "8k", "16k"])
def test_a_disk_without_room(
    command: Callable[[Path], list[object]], size: str, disk: Disk, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = disk(size)
    assert run(*command(folder)) == 4
    said = capsys.readouterr().err
    assert "can't be written; found No space left on device" in said and "Traceback" not in said
    whole(folder)


def test_a_disk_with_room(command: Callable[[Path], list[object]], disk: Disk) -> None:
    """Else the test above would say nothing."""
    folder = disk("4m")
    assert run(*command(folder)) == 0
    assert whole(folder)


def test_a_disk_that_is_only_read(
    command: Callable[[Path], list[object]], disk: Disk, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = disk("4m", "ro")
    assert run(*command(folder)) == 4
    said = capsys.readouterr().err
    assert "Read-only file system" in said and said.count("\n") == 1


def test_a_whole_folder_s_log_on_a_disk_without_room(disk: Disk, capsys: pytest.CaptureFixture[str]) -> None:
    folder = disk("4k")
    models = folder.parent / "models"
    models.mkdir()
    for n in range(2):
        (models / f"m{n}.h5").write_bytes(MODEL.read_bytes())
    assert run("port", models, "-o", folder / "out", "--no-proof") == 4
    assert "No space left on device" in (said := capsys.readouterr().err) and "Traceback" not in said
    log = folder / "out" / "log.jsonl"
    assert all(json.loads(line) for line in log.read_bytes().splitlines()) if log.exists() else True


KILLED = """
import json, os, signal, sys
from pathlib import Path
from harness.cli import main
from harness.porting import port, seal
import harness.commands.report, weight_mapping.saving, weight_mapping.files.writing, reports.render

folder, imported, every, arguments = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4:]
if imported:
    __import__(imported)

def counted(module, name):
    real = getattr(module, name)
    def call(*given, **options):
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        return real(*given, **options)
    setattr(module, name, call)

for module, name in ((os, "fsync"), (os, "replace"), (os, "unlink"), (Path, "replace"), (Path, "chmod")):
    counted(module, name)
stages = []
for stage in range(200):
    left = [stage * every]
    (folder / "out").mkdir()
    child = os.fork()
    if child == 0:
        sys.stdout = sys.stderr = open(os.devnull, "w")
        try:
            main(arguments)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    os.rename(folder / "out", folder / f"stage{stage}")
    stages.append(os.WIFSIGNALED(status))
    if not stages[-1]:
        break
print(json.dumps(stages))
"""
"""Forks for each stage; what takes long to import is named, and imported once."""


def killed(folder: Path, imported: str, every: int, arguments: list[object]) -> list[list[str]]:
    """The names of the files that each stage leaves, read to their ends but for those that are on their way. `every`:
    so many calls from one stage to the next."""
    command = [sys.executable, "-c", KILLED, str(folder), imported, str(every), *map(str, arguments)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    stages = json.loads(ran.stdout)
    assert stages == [True] * (len(stages) - 1) + [False]
    for part in folder.glob("stage*/.*.part"):
        part.unlink()
    return [whole(folder / f"stage{stage}") for stage in range(len(stages))]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize(
    ("options", "imported", "every"),
    [
        ([], "", 1),
        (["--to", "keras", "--keras", "3"], "h5py", 4),
        (["--to", "onnx"], "weight_mapping.onnx", 4),
        (["--standalone"], "weight_mapping.torch.standalone", 5),
    ],
    ids=["torch", "keras", "onnx", "standalone"],
)
def test_a_port_killed_at_every_stage(options: list[str], imported: str, every: int, tmp_path: Path) -> None:
    """What is there is whole, and only the last stages have a seal: it comes when everything else is there."""
    if imported:
        pytest.importorskip(
            {"weight_mapping.onnx": "onnx", "weight_mapping.torch.standalone": "torch"}.get(imported, imported)
        )
    left = killed(
        tmp_path, imported, every, ["port", MODEL, "-o", tmp_path / "out", "--no-proof", "--trusted", *options]
    )
    assert len(left) * every > 15
    expected = wm.load(MODEL).fingerprints()
    for stage in range(len(left)):
        if (file := tmp_path / f"stage{stage}" / "model.safetensors").exists():
            assert wm.load(file, verify=True).fingerprints() == expected
    sealed = ["proof.json" in names for names in left]
    assert sealed == sorted(sealed) and sealed[-1] and not sealed[0]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_pages_killed_at_every_stage(tmp_path: Path) -> None:
    report(tmp_path / "out")
    given = tmp_path / "results.json"
    out = tmp_path / "out"
    left = killed(
        tmp_path,
        "",
        1,
        ["report", given, "-o", out / "report.html", "--junit", out / "junit.xml", "--markdown", out / "m.md"],
    )
    assert left[0] == [] and left[-1] == ["junit.xml", "m.md", "report.html"]


def test_the_kills_would_find_a_file_written_in_place(tmp_path: Path) -> None:
    """The guard of the guard."""
    (tmp_path / "spec.json").write_text('{"half": ')
    with pytest.raises(PortingError):
        whole(tmp_path)
