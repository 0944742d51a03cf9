"""HDF5 files that reach outside themselves, never end, or claim more than they hold."""

from __future__ import annotations

import os
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from weight_mapping.errors import DamagedFile, UnsafeFile, Unsupported
from weight_mapping.files import hdf5, hdf5_data, open_archive

h5py = pytest.importorskip("h5py")
Victim = Callable[..., Path]
KERNEL = "lstm/lstm/kernel:0"
LIBVER = [{}, {"libver": "latest"}]


def replaced(name: str, thing: Any) -> Callable[[Any], None]:
    def attack(file: Any) -> None:
        if name in file:
            del file[name]
        file[name] = thing(file) if callable(thing) else thing

    return attack


@pytest.mark.parametrize("options", LIBVER, ids=str)
@pytest.mark.parametrize("name", [KERNEL, "lstm", "model_weights", "lstm/lstm/aside", "harmless"])
def test_an_external_link_is_named_and_its_target_not_opened(
    victim: Victim, tmp_path: Path, name: str, options: dict[str, str]
) -> None:
    """The target is a pipe: a reader that opens it never comes back."""
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no named pipes")
    os.mkfifo(tmp_path / "target.h5")
    path = victim(replaced(name, h5py.ExternalLink(str(tmp_path / "target.h5"), "/x")), **options)
    with pytest.raises(UnsafeFile, match=f"{name}.*external link"):
        open_archive(path)


@pytest.mark.parametrize("options", LIBVER, ids=str)
@pytest.mark.parametrize("target", ["/lstm/lstm/kernel:0", "/nowhere", "/lstm/aside"])
def test_a_soft_link_is_refused(victim: Victim, options: dict[str, str], target: str) -> None:
    with pytest.raises(UnsafeFile, match=r"lstm/aside.*soft link"):
        open_archive(victim(replaced("lstm/aside", h5py.SoftLink(target)), **options))


def test_a_link_among_many_is_found(victim: Victim) -> None:
    """Above eight links HDF5 keeps them elsewhere, in a heap."""

    def attack(file: Any) -> None:
        for n in range(40):
            file.create_group(f"lstm/group_{n}")
        file["lstm/trap"] = h5py.ExternalLink("other.h5", "/x")

    for options in LIBVER:
        with pytest.raises(UnsafeFile, match=r"lstm/trap.*external link"):
            open_archive(victim(attack, **options))


def test_a_soft_link_that_the_first_check_misses_meets_a_second(
    victim: Victim, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = victim(replaced("lstm/aside", h5py.SoftLink("/nowhere")), libver="latest")
    monkeypatch.setattr(hdf5, "_refuse_other_links", lambda *_: None)
    monkeypatch.setattr(hdf5, "_refused", lambda *_: UnsafeFile("the second check"))
    with pytest.raises(UnsafeFile, match="the second check"):
        open_archive(path)


@pytest.mark.parametrize("name", ["lstm/self", "lstm/lstm/root"])
def test_a_cycle_of_hard_links_ends(victim: Victim, name: str) -> None:
    with pytest.raises(UnsafeFile, match="two links"):
        open_archive(victim(replaced(name, lambda file: file["lstm"])))


def test_two_names_of_one_array_are_refused(victim: Victim) -> None:
    with pytest.raises(UnsafeFile, match="two links"):
        open_archive(victim(replaced("lstm/twin", lambda file: file[KERNEL])))


def test_depth_and_number_of_groups_are_bounded(victim: Victim, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = victim(lambda file: file.create_group("/".join("x" * 40)))
    with pytest.raises(UnsafeFile, match="nested too deeply"):
        open_archive(deep)
    monkeypatch.setattr(hdf5, "MAX_DEPTH", 100)
    assert open_archive(deep).layers  # the guard taken away, the file opens
    monkeypatch.setattr(hdf5, "MAX_NODES", 50)
    with pytest.raises(UnsafeFile, match="too many groups"):
        open_archive(victim(lambda file: [file.create_group(f"lstm/{n}") for n in range(60)]))


def test_a_hundred_thousand_groups_are_counted_not_visited(victim: Victim, monkeypatch: pytest.MonkeyPatch) -> None:
    visited = []
    decoded = hdf5._links
    monkeypatch.setattr(hdf5, "_links", lambda objects, where: visited.append(where) or decoded(objects, where))

    def attack(file: Any) -> None:
        for n in range(hdf5.MAX_NODES):
            h5py.h5g.create(file.id, f"{n}".encode())

    with pytest.raises(UnsafeFile, match="too many groups"):
        open_archive(victim(attack))
    assert len(visited) == 1


@pytest.mark.parametrize("options", LIBVER, ids=str)
def test_data_in_another_file_are_refused(victim: Victim, tmp_path: Path, options: dict[str, str]) -> None:
    """pyfive, like h5py from memory, returns zeros for them without a word."""
    (tmp_path / "secret.bin").write_bytes(b"\x42" * 48)

    def attack(file: Any) -> None:
        del file[KERNEL]
        file.create_dataset(KERNEL, (3, 4), "f4", external=[(str(tmp_path / "secret.bin"), 0, 48)])

    path = victim(attack, **options)
    with pytest.raises(UnsafeFile, match=f"{KERNEL}.*another file"):
        open_archive(path)


@pytest.mark.parametrize("source", ["other.h5", "."])
def test_virtual_arrays_are_refused(victim: Victim, source: str) -> None:
    def attack(file: Any) -> None:
        del file[KERNEL]
        layout = h5py.VirtualLayout((3, 4), "f4")
        layout[:] = h5py.VirtualSource(source, KERNEL, shape=(3, 4))
        file.create_virtual_dataset(KERNEL, layout)

    with pytest.raises(UnsafeFile, match=f"{KERNEL}.*virtual"):
        open_archive(victim(attack, libver="latest"))


BOMBS: dict[str, Callable[[Any], None]] = {
    "4 TiB": lambda file: file.create_dataset("lstm/b", (1 << 40,), "f4"),
    "3.9 GiB": lambda file: file.create_dataset("lstm/b", (39 << 25,), "f4"),
    "3.9 GiB in chunks": lambda file: file.create_dataset("lstm/b", (39 << 25,), "f4", chunks=(1 << 20,)),
    "1000 arrays": lambda file: [file.create_dataset(f"lstm/b{n}", (25 << 20,), "f4") for n in range(1000)],
    "32 axes": lambda file: file.create_dataset("lstm/b", (2,) * 31 + (3,), "f4"),
    "more than 64 bits": lambda file: file.create_dataset("lstm/b", (1 << 31, 1 << 32), "i8", chunks=(1, 64)),
    "one small array": lambda file: file.create_dataset("lstm/b", (5000,), "f4"),
    "small, in chunks": lambda file: file.create_dataset("lstm/b", (5000,), "f4", chunks=(50,)),
}


@pytest.mark.parametrize("name", BOMBS)
def test_an_array_that_declares_what_it_does_not_store(victim: Victim, name: str) -> None:
    with pytest.raises(DamagedFile, match="lstm/b"):
        open_archive(victim(BOMBS[name]))


def test_the_bombs_cost_no_memory(victim: Victim) -> None:
    """All in one process of its own, whose greatest memory is then below 300 MB."""
    if sys.platform != "linux":
        pytest.skip("a process's greatest memory is read from Linux's /proc")
    paths = []
    for number, attack in enumerate([*BOMBS.values(), gzip_bomb(1 << 30)]):
        path = victim(attack)
        paths.append(str(path.rename(path.with_name(f"{number}.h5"))))
    code = """
import pathlib, re, sys
from weight_mapping.errors import PortingError
from weight_mapping.files import open_archive
for path in sys.argv[1:]:
    try:
        archive = open_archive(path)
        raise SystemExit(f"{path} opened")
    except PortingError:
        pass
# ru_maxrss would count the process that started this one.
print(re.search(r"VmHWM:\\s+(\\d+) kB", pathlib.Path("/proc/self/status").read_text())[1])
"""
    run = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) < 300_000


def gzip_bomb(size: int) -> Callable[[Any], None]:
    """`size` zero bytes in one chunk, packed a thousandfold."""

    def attack(file: Any) -> None:
        data = file.create_dataset("lstm/b", (size // 4,), "f4", chunks=(size // 4,), compression="gzip")
        packer = zlib.compressobj(9)
        block = bytes(1 << 20)
        packed = b"".join(packer.compress(block) for _ in range(size >> 20)) + packer.flush()
        data.id.write_direct_chunk((0,), packed)

    return attack


def test_a_gzip_bomb_is_refused_before_it_is_inflated(victim: Victim, monkeypatch: pytest.MonkeyPatch) -> None:
    path = victim(gzip_bomb(32 << 20))
    with pytest.raises(UnsafeFile, match=r"lstm/b.*unpacks to far more"):
        open_archive(path)
    monkeypatch.setattr(hdf5_data, "MAX_RATIO", 10_000)
    assert open_archive(path).layers  # the guard taken away, it opens


def test_a_chunk_that_inflates_beyond_its_size_is_stopped(victim: Victim) -> None:
    def attack(file: Any) -> None:
        del file[KERNEL]
        data = file.create_dataset(KERNEL, (3, 4), "f4", chunks=(3, 4), compression="gzip")
        data.id.write_direct_chunk((0, 0), zlib.compress(bytes(1 << 20)))

    archive = open_archive(victim(attack))
    with pytest.raises(UnsafeFile, match="inflates to more"):
        archive.read(archive.stored()[0])


def test_an_unknown_filter_is_refused_and_no_plugin_looked_for(
    victim: Victim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file written with a filter whose plugin lies in HDF5_PLUGIN_PATH: here the filter's number is forged."""
    (tmp_path / "plugins").mkdir()
    monkeypatch.setenv("HDF5_PLUGIN_PATH", str(tmp_path / "plugins"))

    def attack(file: Any) -> None:
        del file[KERNEL]
        file.create_dataset(KERNEL, data=np.zeros((3, 4), np.float32), chunks=(3, 4), scaleoffset=3)

    with pytest.raises(Unsupported, match=f"{KERNEL}.*filter 6"):
        open_archive(victim(attack))


def test_a_checksum_that_is_wrong_is_seen(victim: Victim) -> None:
    def attack(file: Any) -> None:
        del file[KERNEL]
        file.create_dataset(KERNEL, data=np.full((3, 4), 77.5, np.float32), chunks=(3, 4), fletcher32=True)

    path = victim(attack)
    raw = path.read_bytes()
    at = raw.index(np.full(12, 77.5, np.float32).tobytes())
    path.write_bytes(raw[:at] + b"\x01" + raw[at + 1 :])
    archive = open_archive(path)
    with pytest.raises(DamagedFile, match="fletcher32"):
        archive.read(archive.stored()[0])
