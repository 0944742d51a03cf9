"""C++ into libraries: made once, kept privately, refused where that isn't so."""

from __future__ import annotations

import ctypes
import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from weight_mapping import compiler
from weight_mapping.compiler import CannotCompile

needs_compiler = pytest.mark.skipif(compiler.compiler() is None, reason="there is no C++ compiler")
SOURCE = '#include "answer.h"\nextern "C" int answer() { return ANSWER; }'


@pytest.fixture(autouse=True)
def _fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "answer.h").write_text("#define ANSWER 42\n")


def made(folder: Path, source: str = SOURCE, key: str = "") -> Path:
    return compiler.library("answer", source, folder, ("-O1",), key)


@needs_compiler
def test_a_library_is_made_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = made(tmp_path)
    assert ctypes.CDLL(str(path)).answer() == 42
    assert "compiling answer" in capfd.readouterr().err
    when = path.stat().st_mtime_ns
    assert made(tmp_path) == path and path.stat().st_mtime_ns == when
    assert capfd.readouterr().err == ""
    assert [found.name for found in path.parent.iterdir()] == [path.name]


@needs_compiler
def test_whatever_changes_the_result_makes_another(tmp_path: Path) -> None:
    first = made(tmp_path)
    assert len({first, made(tmp_path, key="another torch"), made(tmp_path, SOURCE + "\n")}) == 3
    (tmp_path / "answer.h").write_text("#define ANSWER 43\n")
    again = made(tmp_path)
    assert again != first and ctypes.CDLL(str(again)).answer() == 43


@needs_compiler
def test_a_refusal_names_the_error_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(CannotCompile, match=r"refuses answer.*error"):
        made(tmp_path, "int answer( {")
    assert list((tmp_path / "cache" / "lstm-parity").iterdir()) == []


def test_no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "NAMES", ())
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(CannotCompile, match=r"no C\+\+ compiler"):
        made(tmp_path)


def test_the_variable_names_the_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "mine"
    own.write_text("#!/bin/sh\necho mine 1.0\nexit 0\n")
    own.chmod(0o700)
    monkeypatch.setenv("CXX", str(own))
    found = compiler.compiler()
    assert found and found[0] == str(own) and compiler.version(str(own)) == "mine 1.0"
    (tmp_path / "link").symlink_to(own)
    monkeypatch.setenv("CXX", str(tmp_path / "link"))
    assert compiler.compiler() == (str(tmp_path / "link"), found[1])
    own.write_text("#!/bin/sh\nexit 100\n")
    assert compiler.compiler() != (str(tmp_path / "link"), found[1])


@pytest.mark.parametrize("refused", [True, False])
def test_the_compiler_is_asked_once_for_its_flags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: bool
) -> None:
    """Its answer is kept for it alone: another compiler, or other flags, are asked anew."""
    calls, own = tmp_path / "calls", tmp_path / "mine"
    own.write_text(f'#!/bin/sh\necho "$1" >> "{calls}"\nexit {int(refused)}\n')
    own.chmod(0o700)
    monkeypatch.setenv("CXX", str(own))
    assert [compiler.takes(("-mnew",)) for _ in range(3)] == [not refused] * 3
    assert calls.read_text().split() == ["-mnew"]
    assert compiler.takes(("-mother",)) != refused
    own.write_text(f'#!/bin/sh\necho changed >> "{calls}"\nexit {int(not refused)}\n')
    assert compiler.takes(("-mnew",)) == refused
    assert calls.read_text().split() == ["-mnew", "-mother", "changed"]


def test_without_a_folder_the_compiler_is_asked_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").write_text("")
    own = tmp_path / "mine"
    own.write_text("#!/bin/sh\nexit 1\n")
    own.chmod(0o700)
    monkeypatch.setenv("CXX", str(own))
    assert not compiler.takes(("-mnew",))


@needs_compiler
@pytest.mark.parametrize("wrong", ["writable by others", "a link", "a file", "no room"])
def test_a_folder_that_others_can_write_to_is_refused(tmp_path: Path, wrong: str) -> None:
    place = tmp_path / "cache" / "lstm-parity"
    place.parent.mkdir()
    match wrong:
        case "writable by others":
            place.mkdir()
            place.chmod(0o777)
        case "a link":
            (tmp_path / "elsewhere").mkdir(mode=0o700)
            place.symlink_to(tmp_path / "elsewhere")
        case "a file":
            place.write_text("")
        case _:
            place.parent.rmdir()
            place.parent.write_text("")
    with pytest.raises(CannotCompile, match=r"others may write|nowhere to keep"):
        made(tmp_path)


@needs_compiler
def test_a_folder_that_can_only_be_read_serves_what_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a container's: nothing new is made there, which is said with the way out."""
    there = made(tmp_path)

    def read_only(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(tempfile, "mkstemp", read_only)
    assert made(tmp_path) == there
    with pytest.raises(CannotCompile, match=r"nowhere to keep.*Read-only.*XDG_CACHE_HOME"):
        made(tmp_path, key="another torch")


@needs_compiler
def test_a_folder_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: mine + 1)
    with pytest.raises(CannotCompile, match="others may write"):
        made(tmp_path)


@needs_compiler
def test_processes_at_once_leave_one_whole_library(tmp_path: Path) -> None:
    script = (
        "import pathlib; from weight_mapping import compiler;"
        f"print(compiler.library('answer', {SOURCE!r}, pathlib.Path({str(tmp_path)!r}), ('-O1',), ''))"
    )
    running = [subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    paths = {process.communicate()[0].strip() for process in running}
    assert [process.returncode for process in running] == [0, 0, 0] and paths == {str(made(tmp_path))}
    assert ctypes.CDLL(paths.pop()).answer() == 42
    assert [found.suffix for found in (tmp_path / "cache" / "lstm-parity").iterdir()] == [".so"]
    assert (tmp_path / "cache" / "lstm-parity").stat().st_mode & 0o777 == 0o700
