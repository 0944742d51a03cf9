"""Compiled templates are kept where the user alone can write, and a page never depends on them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reports import kept, render

pytestmark = pytest.mark.skipif(os.name == "nt", reason="nothing is kept on Windows")


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    render.environment.cache_clear()
    yield
    render.environment.cache_clear()


def test_what_is_kept_is_the_user_s_alone_and_gives_the_same_page(make: Any, tmp_path: Path) -> None:
    first = render.page(make.results())
    folder = tmp_path / "lstm-parity"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700 and any(folder.iterdir())
    render.environment.cache_clear()
    assert render.page(make.results()) == first


def test_other_options_find_nothing_of_before(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("1", encoding="utf-8")
    (tmp_path / "two.py").write_text("2", encoding="utf-8")
    one, two = (kept.kept(tmp_path / f"{name}.py") for name in ("one", "two"))
    assert one and two and vars(one)["pattern"] != vars(two)["pattern"]


def test_damaged_bytecode_is_compiled_again(make: Any, tmp_path: Path) -> None:
    first = render.page(make.results())
    folder = tmp_path / "lstm-parity"
    for file in folder.iterdir():
        file.write_bytes(b"\x00" * 9)
    render.environment.cache_clear()
    assert render.page(make.results()) == first


def test_a_folder_that_others_could_write_or_none_at_all_is_not_used(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "lstm-parity").symlink_to(elsewhere)
    assert render.page(make.results()) and not any(elsewhere.iterdir())
    render.environment.cache_clear()
    (tmp_path / "lstm-parity").unlink()
    (tmp_path / "lstm-parity").mkdir()
    (tmp_path / "lstm-parity").chmod(0o777)
    assert render.page(make.results()) and not any((tmp_path / "lstm-parity").iterdir())
    render.environment.cache_clear()
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert render.page(make.results())


def test_a_full_disk_costs_no_page(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kept.FileSystemBytecodeCache, "dump_bytecode", full)
    assert render.page(make.results())
