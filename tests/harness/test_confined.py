"""A stranger's file is read by a process that can do nothing else; what it answers is what reading it here gives."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import weight_mapping as wm
from harness.reading import confined
from harness.reading.confined import Limits
from weight_mapping.errors import DamagedFile, PortingError, UnsafeFile, Unsupported
from weight_mapping.files import finding

GOLDEN = Path(__file__).parents[1] / "golden"
FILE = GOLDEN / "k2.2.4_tensorflow_lstm_hs.h5"


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> Callable[..., object]:
    """`hostile(code)`: what `inspect` answers where the reading itself is this code, as if a reader were led to it.
    Statements before `---` run before the process gives anything away."""

    def run(code: str, before: str = "", file: Path = FILE) -> object:
        inside = "\n".join(f"    {line}" for line in code.splitlines())
        script = (
            "import json, sys; sys.path[:] = json.loads(sys.argv[1])['path']\n"
            "import os, time, subprocess, socket, pickle, shutil, signal, numpy as np\n"
            "from harness.reading import reader, readings, confined\n"
            f"{before}\n"
            f"def led(file, config, max_bytes):\n    told = None\n{inside}\n"
            "    return {'findings': json.dumps({'told': told})}, {}\n"
            "readings.READINGS = {'inspect': led}\nreader.main()"
        )
        monkeypatch.setattr(confined, "_CHILD", script)
        return confined.inspect(file)["told"]

    return run


@pytest.mark.parametrize(
    "name",
    ["k1.2.2_theano_lstm_gpu.h5", "k2.2.4_tensorflow_bi.h5", "k2.2.4_tensorflow_cudnngru.h5", "k3151_bimask.keras"],
)
@pytest.mark.parametrize("layers_only", [False, True])
def test_the_answer_is_what_reading_it_here_gives(name: str, layers_only: bool) -> None:
    here = wm.load(GOLDEN / name, layers_only=layers_only)
    there = confined.load(GOLDEN / name, layers_only=layers_only)
    assert there.spec == here.spec and there.source == here.source
    assert there.fingerprints() == here.fingerprints() and len(here.fingerprints()) > 1
    assert confined.inspect(GOLDEN / name) == confined.inspect(GOLDEN / name, trusted=True)


def test_a_layer_of_its_author_s_own_crosses(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "theirs.h5"
    path.write_bytes(FILE.read_bytes())
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = file.attrs["model_config"].replace('"LSTM"', '"TheirLSTM"')
    assert confined.load(path).fingerprints() == wm.load(path).fingerprints()


def test_an_error_crosses_with_all_that_it_says(tmp_path: Path) -> None:
    (tmp_path / "model.h5").write_bytes(b"\x89HDF\r\n\x1a\n damaged")
    for file in (tmp_path / "model.h5", tmp_path / "nowhere.h5"):
        with pytest.raises(PortingError) as there:
            confined.load(file)
        with pytest.raises(PortingError) as here:
            wm.load(file)
        assert str(there.value) == str(here.value) and type(there.value) is type(here.value)
    with pytest.raises(Unsupported) as refused:
        raise Unsupported("a layer", class_name="Theirs")
    assert refused.value.class_name == "Theirs"


LED = {
    "a program": "os.system({canary!r} and 'touch {canary}')",
    "a process": "subprocess.run(['touch', {canary!r}])",
    "a fork": "os.fork() or open({canary!r}, 'w')",
    "a file written": "open({canary!r}, 'w')",
    "a folder made": "os.mkdir({canary!r})",
    "the file removed": "os.rename({canary!r} + '.h5', {canary!r})",
    "a socket": "socket.create_connection(('127.0.0.1', 9)); open({canary!r}, 'w')",
    "a pickle": "pickle.loads(b\"cposix\\nmkdir\\n(S'{canary}'\\ntR.\")",
}


@pytest.mark.parametrize("name", LED)
def test_what_a_reader_is_led_to_is_not_done(hostile: Callable[..., object], tmp_path: Path, name: str) -> None:
    canary = tmp_path / "canary"
    (tmp_path / "canary.h5").write_bytes(FILE.read_bytes())
    with pytest.raises(UnsafeFile, match="leads to"):
        hostile(LED[name].format(canary=str(canary)), file=tmp_path / "canary.h5")
    assert not canary.exists()


@pytest.mark.parametrize("name", [name for name in LED if name != "a socket"])
def test_without_the_watch_it_would_be_done(hostile: Callable[..., object], tmp_path: Path, name: str) -> None:
    """The guard of the guard: the same code in the same process, with nothing given away."""
    canary = tmp_path / "canary"
    (tmp_path / "canary.h5").write_bytes(FILE.read_bytes())
    hostile(LED[name].format(canary=str(canary)), before="reader._confine = print", file=tmp_path / "canary.h5")
    assert canary.exists()


def test_another_file_is_not_opened(hostile: Callable[..., object], tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "model.h5").write_bytes(FILE.read_bytes())
    (tmp_path / "secret").write_text("secret")
    read, model = f"told = open({str(tmp_path / 'secret')!r}).read()", tmp_path / "there" / "model.h5"
    with pytest.raises(UnsafeFile, match="not opened"):
        hostile(read, file=model)
    assert hostile(read, before="reader._confine = print", file=model) == "secret"
    assert hostile("told = len(file.read_bytes())", file=model) == model.stat().st_size


def test_it_is_given_nothing(hostile: Callable[..., object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET", "secret")
    monkeypatch.setenv("PYTHONSTARTUP", "/nowhere")
    told = hostile(
        "told = [sorted(os.environ), os.listdir(), sys.stdin.read(), sys.flags.isolated, sys.argv[2:], os.getcwd()]"
    )
    assert isinstance(told, list)
    environment, files, stdin, isolated, arguments, folder = told
    assert set(environment) <= {*confined._KEPT, *confined._ENVIRONMENT, "LC_CTYPE"}
    assert (files, stdin, isolated, arguments) == ([], "", 1, [])
    assert folder.startswith(str(Path(tempfile.gettempdir()).resolve())) and not Path(folder).exists()


def limited(monkeypatch: pytest.MonkeyPatch, **limits: int) -> None:
    small = Limits(**limits)
    monkeypatch.setattr(confined, "Limits", lambda **_: small)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's memory")
def test_memory_is_limited(hostile: Callable[..., object], monkeypatch: pytest.MonkeyPatch) -> None:
    limited(monkeypatch, memory=200 << 20)
    assert hostile("told = np.ones(10 << 20).nbytes") == 80 << 20
    with pytest.raises(UnsafeFile, match="more memory"):
        hostile("told = np.ones(40 << 20).nbytes")
    assert hostile("told = np.ones(40 << 20).nbytes", before="reader._limit = print") == 320 << 20


@pytest.mark.skipif(os.name != "posix", reason="processor time is limited by POSIX")
def test_time_is_limited(hostile: Callable[..., object], monkeypatch: pytest.MonkeyPatch) -> None:
    limited(monkeypatch, processor_seconds=1)
    with pytest.raises(UnsafeFile, match="takes too long"):
        hostile("while True: pass")
    limited(monkeypatch, wall_seconds=2)
    with pytest.raises(UnsafeFile, match="does not end"):
        hostile("time.sleep(600)")


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX'")
def test_a_reader_that_breaks_is_told(hostile: Callable[..., object]) -> None:
    with pytest.raises(DamagedFile, match="SIGSEGV"):
        hostile("pass", before="signal.raise_signal(signal.SIGSEGV)")
    with pytest.raises(DamagedFile, match="exit code 3"):
        hostile("pass", before="os._exit(3)")
    with pytest.raises(DamagedFile, match="ZeroDivisionError"):
        hostile("1 / 0")


@pytest.mark.parametrize("answer", [b"", b"{", b"[]\n", b'{"findings": "[1]"}\n', b'{"error": {"kind": "exit"}}\n'])
def test_an_answer_that_is_none_is_refused(answer: bytes, hostile: Callable[..., object]) -> None:
    with pytest.raises(DamagedFile, match="no answer"):
        hostile("pass", before=f"os.write(1, {answer!r}); os._exit(0)")


def test_nothing_is_left_behind(
    hostile: Callable[..., object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    confined.load(FILE)
    for code in ("1 / 0", "os.kill(os.getpid(), 9)", "sys.exit(3)"):
        with pytest.raises(PortingError):
            hostile(code)
    assert list(tmp_path.iterdir()) == []


def test_a_recording_crosses(tmp_path: Path) -> None:
    arrays = {"x": np.arange(6.0).reshape(2, 3), "y": np.float32(3) * np.ones((2, 1), np.float32)}
    np.savez(tmp_path / "r.npz", **arrays)
    for trusted in (False, True):
        found = confined.recording(tmp_path / "r.npz", trusted=trusted)
        assert {n: a.tobytes() for n, a in found.items()} == {n: a.tobytes() for n, a in arrays.items()}


def test_long_json_in_a_folder_is_told_in_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What looks through a folder reads little of a stranger's file itself: a bomb is met by the limits."""
    path = tmp_path / "model.json"
    path.write_text('{"class_name": "Sequential", "config": []' + " " * finding._LIGHT + "}")
    monkeypatch.setattr(finding, "tell", lambda path: pytest.fail("read here"))
    assert confined.tell(path) == ("configuration", frozenset())
    path.write_bytes(b'{"a": [' + b"[]," * (20 << 20) + b"[]]}")
    with pytest.raises(PortingError):
        confined.tell(path)
    monkeypatch.setattr(finding, "is_light", lambda path: True)
    with pytest.raises(pytest.fail.Exception, match="read here"):
        confined.tell(path)


def test_a_hole_in_a_file_buys_no_time(tmp_path: Path) -> None:
    with (tmp_path / "model.h5").open("wb") as file:
        file.write(b"\x89HDF\r\n\x1a\n")
        file.truncate(3 << 30)
    if (tmp_path / "model.h5").stat().st_blocks > 1 << 12:
        pytest.skip("this file system stores holes")
    assert confined.stored(tmp_path / "model.h5") < 1 << 20


def test_bytes_beside_are_counted_for_what_names_others_and_for_no_pipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As many as they declare: a file system may pack them, or tell only later where they lie.
    monkeypatch.setattr(confined, "_on_disk", lambda path: path.stat().st_size)
    (tmp_path / "weights.bin").write_bytes(bytes(1 << 16))
    (tmp_path / "model.json").write_text("{}")
    os.mkfifo(tmp_path / "pipe")
    assert confined.stored(tmp_path / "model.json") == confined.stored(tmp_path) == (1 << 16) + 2
    assert confined.stored(tmp_path / "checkpoint") == (1 << 16) + 2, "the start of its files' names"
    assert confined.stored(tmp_path / "pipe") == 0
