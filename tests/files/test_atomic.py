"""A file is the old one or the new one, whole: killed at any moment, on a full disk, in a folder that takes nothing."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.cli import main
from weight_mapping.errors import PortingError
from weight_mapping.files import open_archive, write_keras_zip, write_legacy_h5, write_safetensors
from weight_mapping.files.atomic import replacing, write_text

GOLDEN = Path(__file__).parents[1] / "golden"
KERNEL = np.arange(60_000, dtype=np.float32).reshape(300, 200)
CONFIG = {"class_name": "Sequential", "config": {"name": "m", "layers": []}}


def h5(path: Path) -> None:
    write_legacy_h5(path, config=CONFIG, layers=[("lstm", [("kernel:0", KERNEL)])], keras_version="2.15.0")


def keras(path: Path) -> None:
    write_keras_zip(path, config=CONFIG, metadata={}, tree={"layers/lstm/vars/0": KERNEL}, names={})


def safetensors(path: Path) -> None:
    write_safetensors(path, {"w": KERNEL}, {})


def text(path: Path) -> None:
    write_text(path, "new" * 10_000)


WRITERS = [h5, keras, safetensors, text]
every_writer = pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)

KILLED = """
import json, os, signal, sys
from pathlib import Path
sys.path[:0] = [sys.argv[1]]
import pytest, test_atomic
from weight_mapping.files import atomic
path, write = Path(sys.argv[2]), getattr(test_atomic, sys.argv[3])

def counted(module, name):
    real = getattr(module, name)
    def call(*arguments, **options):
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        return real(*arguments, **options)
    setattr(module, name, call)

for module, names in ((os, ("open", "fsync", "close", "replace")), (Path, ("chmod", "replace", "unlink")),
                      (atomic.tempfile, ("mkstemp",)), (atomic, ("_flush",))):
    for name in names:
        counted(module, name)
outcomes = []
for stage in range(60):
    left = [stage]
    path.write_text("old")
    child = os.fork()
    if child == 0:
        write(path)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    left = [-1]
    outcomes.append("old" if path.read_bytes() == b"old" else "new" if test_atomic.whole(path) else "half")
    if not os.WIFSIGNALED(status):
        break
print(json.dumps(outcomes))
"""


def whole(path: Path) -> bool:
    """Whether it is what the writer writes, to the last byte."""
    if path.read_bytes()[:6] == b"newnew":
        return path.read_text() == "new" * 10_000
    archive = open_archive(path)
    return archive.read(archive.stored()[0]).tobytes() == KERNEL.tobytes()


@every_writer
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_killed_at_every_stage(write: Callable[[Path], None], tmp_path: Path) -> None:
    """One process for each call that touches the folder: it is killed just before that call."""
    command = [sys.executable, "-c", KILLED, str(Path(__file__).parent), str(tmp_path / "file"), write.__name__]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    outcomes = json.loads(ran.stdout)
    assert "half" not in outcomes and outcomes[0] == "old" and outcomes[-1] == "new" and len(outcomes) > 6
    assert outcomes == sorted(outcomes, reverse=True)  # old up to the renaming, new from then on


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_writer_in_place_would_leave_half(tmp_path: Path) -> None:
    """The guard of the guard: without the temporary file, the same kills find half a file."""
    (tmp_path / "test_atomic.py").write_text(
        Path(__file__).read_text()
        + "\n\ndef in_place(path):\n    with path.open('w') as file:\n        file.write('new' * 5000); file.flush()\n"
        "        os.fsync(file.fileno())\n        file.write('new' * 5000)\n"
    )
    command = [sys.executable, "-c", KILLED, str(tmp_path), str(tmp_path / "file"), "in_place"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0 and "half" in json.loads(ran.stdout), ran.stderr


FULL = """
import resource, sys
from pathlib import Path
sys.path[:0] = [sys.argv[1]]
import test_atomic
from weight_mapping.errors import PortingError
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]), resource.RLIM_INFINITY))
try:
    getattr(test_atomic, sys.argv[3])(Path(sys.argv[2]))
except PortingError as error:
    print(error)
"""


@every_writer
@pytest.mark.parametrize("room", [0, 5000, 20_000])
@pytest.mark.skipif(os.name != "posix", reason="the size of files is limited by POSIX")
def test_a_disk_without_room_leaves_the_old_file_and_says_so(
    write: Callable[[Path], None], room: int, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    command = [sys.executable, "-c", FULL, str(Path(__file__).parent), str(path), write.__name__, str(room)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert f"{path}: can't be written" in ran.stdout
    assert [path.read_text()] == ["old"] and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["fsync", "replace"])
def test_a_disk_that_is_full_at_the_last_moment(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "file").write_text("old")
    monkeypatch.setattr(os if name == "fsync" else Path, name, full)
    with pytest.raises(PortingError, match="file: can't be written; found No space left"):
        text(tmp_path / "file")
    monkeypatch.undo()
    assert (tmp_path / "file").read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_a_folder_that_takes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    closed = Path("/proc/self") if os.name == "posix" and os.geteuid() == 0 else tmp_path / "closed"
    if not closed.exists():
        pytest.skip("the superuser may write everywhere here")
    with pytest.raises(PortingError, match="can't be written"), replacing(closed / "file"):
        pass
    with pytest.raises(SystemExit) as ended:
        main(["port", str(GOLDEN / "k2.2.4_tensorflow_gru.h5"), "-o", str(closed / "out"), "--no-proof"])
    assert ended.value.code == 4 and "Traceback" not in capsys.readouterr().err


@every_writer
def test_a_link_at_the_path_is_replaced_and_not_followed(write: Callable[[Path], None], tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("theirs")
    (tmp_path / "link").symlink_to(tmp_path / "theirs")
    os.link(tmp_path / "theirs", tmp_path / "hard")
    for name in ("link", "hard"):
        write(tmp_path / name)
        assert whole(tmp_path / name) and not (tmp_path / name).is_symlink()
    assert (tmp_path / "theirs").read_text() == "theirs"


def test_a_folder_at_the_path_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(PortingError, match="can't be written"):
        text(tmp_path / "file")
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]
