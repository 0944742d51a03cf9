"""Seeded damage to every container: bytes flipped, cut, moved and doubled; values of configurations replaced by nasty
ones. Each run is a process of its own, with limits, and prints what became of its files.

    python tests/hostile/fuzz.py [TARGET ...] [--files N] [--seed N]
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import struct
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import h5py
import numpy as np

import weight_mapping as wm
from harness.results import Case, Results, read, to_json
from weight_mapping.errors import PortingError
from weight_mapping.exchange import from_data, to_data
from weight_mapping.files import checkpoint, crc32c, open_archive
from weight_mapping.files.guard import reading
from weight_mapping.weights import Portable

GOLDEN = Path(__file__).parents[1] / "golden"
SECONDS = 5.0
"""What takes longer of the processor hangs: what else the machine does is no matter."""
MEMORY = 1 << 30
Rng = np.random.Generator
Mutate = Callable[[Rng, bytes], bytes]
NASTY: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 3, 1 << 31, 1 << 62, 0.5, -0.0, 1e308, "", "tanh", "LSTM", "Lambda", "os.system",
    "../..", "a\x1b[2J", "x" * 5000, [], [None], [[]], [1, -1], {}, {"class_name": "LSTM", "config": {}}, {"items": []},
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """`write` makes the sound file in an empty folder and names the file that is damaged, and what is then loaded.
    `exact`: it carries digests, so that what is accepted must be what was written. `compared`: what is accepted is
    also read by h5py, which must find the same numbers or refuse."""

    write: Callable[[Path], tuple[Path, Path]]
    mutate: Mutate
    load: Callable[[Path], Any] = wm.load
    exact: bool = False
    compared: bool = False


class Hang(BaseException):
    """Raised by the alarm; no reader catches it."""


@contextmanager
def _alarm() -> Iterator[None]:
    """Hang after SECONDS inside; the process's own alarm is put back."""

    def ring(*_: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def damaged(rng: Rng, raw: bytes) -> bytes:
    """Bits flipped, bytes replaced, a piece cut, doubled or moved; most of it near the beginning, where headers are."""
    data = bytearray(raw)
    for _ in range(int(rng.integers(1, 5))):
        at = int(rng.integers(min(len(data), 8000) if rng.random() < 0.7 else len(data)))
        size = int(rng.integers(1, 64))
        match int(rng.integers(8)):
            case 0 | 1 | 2:
                data[at] ^= 1 << int(rng.integers(8))
            case 3 | 4:
                data[at] = int(rng.choice([0, 1, 0x7F, 0x80, 0xFE, 0xFF]))
            case 5:
                data[at : at + 8] = struct.pack("<Q", int(rng.choice([0, 1, 8, len(raw), 1 << 31, (1 << 63) - 1])))
            case 6:
                data[at:at] = data[at : at + size]
            case _:
                del data[at : at + size if rng.random() < 0.8 else len(data)]
        if not data:
            return b""
    return bytes(data)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, inner in items for place in _places(inner, (*path, key)))]


def nasty(rng: Rng, document: Any) -> Any:
    """The document with a few of its values replaced, taken away, or exchanged for others of its own."""
    document = json.loads(json.dumps(document))
    for _ in range(int(rng.integers(1, 4))):
        places = _places(document)[1:]
        if not places:
            break
        *path, last = places[int(rng.integers(len(places)))]
        inside = document
        for key in path:
            inside = inside[key]
        if rng.random() < 0.2:
            del inside[last]
        elif rng.random() < 0.3:
            other = document
            for key in places[int(rng.integers(len(places)))]:
                other = other[key]
            inside[last] = json.loads(json.dumps(other))
        else:
            inside[last] = NASTY[int(rng.integers(len(NASTY)))]
    return document


def _copied(name: str, loaded: str = "") -> Callable[[Path], tuple[Path, Path]]:
    """A golden file, or a golden folder with the file of it that is damaged."""

    def write(folder: Path) -> tuple[Path, Path]:
        if (GOLDEN / name).is_dir():
            shutil.copytree(GOLDEN / name, folder / "model", copy_function=shutil.copyfile)
            return next((folder / "model").glob(loaded)), folder / "model"
        shutil.copyfile(GOLDEN / name, folder / "model")
        return folder / "model", folder / "model"

    return write


def _saved(name: str) -> Callable[[Path], tuple[Path, Path]]:
    def write(folder: Path) -> tuple[Path, Path]:
        wm.save(wm.load(GOLDEN / "k3151_lstm2.keras"), folder / name)
        return folder / name, folder / name

    return write


def _torch(folder: Path) -> tuple[Path, Path]:
    import torch

    torch.manual_seed(0)
    torch.save(torch.nn.LSTM(3, 5, num_layers=2).state_dict(), folder / "model.pt")
    return folder / "model.pt", folder / "model.pt"


def _tfjs(folder: Path) -> tuple[Path, Path]:
    config = {
        "class_name": "Sequential",
        "config": {
            "name": "m",
            "layers": [{"class_name": "LSTM", "config": {"name": "l", "units": 5, "batch_input_shape": [None, 7, 3]}}],
        },
    }
    names = {"l/kernel": [3, 20], "l/recurrent_kernel": [5, 20], "l/bias": [20]}
    weights = [{"name": name, "shape": shape, "dtype": "float32"} for name, shape in names.items()]
    model = {
        "modelTopology": {"keras_version": "2.2.4", "backend": "tensorflow", "model_config": config},
        "weightsManifest": [{"paths": ["a.bin"], "weights": weights}],
    }
    (folder / "a.bin").write_bytes(np.random.default_rng(1).normal(size=180).astype("<f4").tobytes())
    (folder / "model.json").write_text(json.dumps(model))
    return folder / "model.json", folder / "model.json"


def _results(folder: Path) -> tuple[Path, Path]:
    case = Case(
        id="c", title="t", group="g", spec={"units": 3}, fingerprint="f", repeat="r", agreements=(), seconds=1.0
    )
    results = Results(kind="verify", command="c", environment={"versions": {}}, cases=(case,), planned=("c",))
    (folder / "results.json").write_text(to_json(results))
    return folder / "results.json", folder / "results.json"


def _page(path: Path) -> str:
    from reports import render

    try:
        results = read(path.read_text(encoding="utf-8", errors="strict"))
    except ValueError as error:
        raise PortingError(str(error)) from error
    with reading(path.name):
        page = render.page(results)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", page)
    return page


def _as_json(rng: Rng, raw: bytes) -> bytes:
    return json.dumps(nasty(rng, json.loads(raw))).encode() if rng.random() < 0.7 else damaged(rng, raw)


def _in_zip(rng: Rng, raw: bytes) -> bytes:
    """Half of the time within a member, so that the archive and its checksums are right."""
    if rng.random() < 0.3:
        return damaged(rng, raw)
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = list(members)[int(rng.integers(len(members)))]
    members[name] = _as_json(rng, members[name]) if name.endswith(".json") else damaged(rng, members[name])
    blob = io.BytesIO()
    with zipfile.ZipFile(blob, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return blob.getvalue()


def _in_table(rng: Rng, raw: bytes) -> bytes:
    """Damage inside the blocks of a checkpoint's index, mostly so that their checksums are right."""
    if rng.random() < 0.3:
        return damaged(rng, raw)
    data = bytearray(raw)
    footer, where = raw[-checkpoint._FOOTER :], "index"
    root, _ = checkpoint._handle(footer, checkpoint._handle(footer, 0, where)[1], where)
    blocks = [checkpoint._handle(value, 0, where)[0] for _, value in checkpoint._block(raw, root, where)]
    for offset, size in (*blocks, root):
        for _ in range(int(rng.integers(1, 4))):
            data[offset + int(rng.integers(size))] ^= 1 << int(rng.integers(8))
        checksum = crc32c.masked([bytes(data[offset : offset + size + 1])])
        data[offset + size + 1 : offset + size + 5] = checksum.to_bytes(4, "little")
        if rng.random() < 0.8:
            break  # the root names where the others lie
    return bytes(data)


def _in_configuration(rng: Rng, raw: bytes) -> bytes:
    blob = io.BytesIO(raw)
    with h5py.File(blob, "r+") as file:
        config = file.attrs["model_config"]
        file.attrs["model_config"] = json.dumps(nasty(rng, json.loads(config)))
    return blob.getvalue()


def _in_spec(rng: Rng, raw: bytes) -> bytes:
    if rng.random() < 0.3:
        return damaged(rng, raw)
    (size,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + size])
    if rng.random() < 0.7:
        told = header["__metadata__"]
        told["spec"] = json.dumps(nasty(rng, json.loads(told["spec"])))
    else:
        header = nasty(rng, header)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + raw[8 + size :]


def _archive(path: Path) -> dict[str, Any]:
    archive = open_archive(path)
    return {stored.name: archive.read(stored) for stored in archive.stored()}


TARGETS: Mapping[str, Target] = {
    "h5 model": Target(write=_copied("k2.2.4_tensorflow_lstm_hs.h5"), mutate=damaged, compared=True),
    "h5 configuration": Target(write=_copied("k2.2.4_tensorflow_bi.h5"), mutate=_in_configuration),
    "h5 weights v3": Target(write=_copied("k3151_lstm2.weights.h5"), mutate=damaged, load=_archive, compared=True),
    "keras zip": Target(write=_copied("k3151_lstm2.keras"), mutate=_in_zip),
    "safetensors": Target(
        write=_saved("m.safetensors"), mutate=damaged, load=lambda path: wm.load(path, verify=True), exact=True
    ),
    "spec": Target(write=_saved("m.safetensors"), mutate=_in_spec),
    "pt": Target(write=_torch, mutate=_in_zip, load=_archive),
    "tfjs": Target(write=_tfjs, mutate=_as_json),
    "checkpoint": Target(write=_copied("tf26_lstm2_ckpt", "*.index"), mutate=_in_table, load=_archive),
    "results": Target(write=_results, mutate=_as_json, load=_page),
}


def _content(found: Any) -> Any:
    return found.fingerprints() | {"spec": repr(found.spec)} if isinstance(found, Portable) else repr(found)


def _check(found: Any) -> None:
    """What holds of whatever is accepted: the spec crosses as JSON, every array is where the spec says."""
    if isinstance(found, Portable):
        assert from_data(json.loads(json.dumps(to_data(found.spec)))) == found.spec
        assert all(array.dtype.kind in "fiub" for array in found.arrays().values())
        assert found.source.sha256


def _as_h5py_reads(path: Path) -> bool:
    """Whether libhdf5, where it reads the file too, reads the same numbers: in a process that may hang or break."""
    child = os.fork()
    if child == 0:
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        code = 0
        try:
            archive = open_archive(path)
            with h5py.File(path) as file:
                for stored in archive.stored():
                    theirs = np.asarray(file[stored.path])
                    ours = archive.read(stored)
                    code |= ours.tobytes() != theirs.astype(theirs.dtype.newbyteorder("=")).tobytes()
        except Exception:
            code = 0
        os._exit(code)
    _, status = os.waitpid(child, 0)
    return not (os.WIFEXITED(status) and os.WEXITSTATUS(status))


def run(name: str, files: int, seed: int) -> dict[str, Any]:
    """What became of so many damaged files of one target."""
    target, rng = TARGETS[name], np.random.default_rng([seed, *name.encode()])
    told: dict[str, Any] = {"tried": files, "accepted": 0, "refused": 0, "opened": 0, "silent": 0, "hangs": 0}
    crashes: list[str] = []

    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        path, loaded = target.write(Path(folder))
        raw, right = path.read_bytes(), _content(target.load(loaded))
        for number in range(files):
            path.write_bytes(target.mutate(rng, raw))
            try:
                with _alarm():
                    found = target.load(loaded)
                    _check(found)
                told["accepted"] += 1
                told["silent"] += target.exact and _content(found) != right
            except PortingError as error:
                assert len(str(error)) < 5000
                told["refused"] += 1
            except Hang:
                told["hangs"] += 1
            except BaseException as error:
                crashes.append(f"{number}: {type(error).__name__}: {error}"[:200])
            try:
                told["opened"] += bool(target.load is _page or open_archive(loaded))
                told["silent"] += target.compared and not _as_h5py_reads(loaded)
            except PortingError:
                pass
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return {
        **told, "crashes": crashes, "megabytes": int(peak[1]) >> 10 if peak else None,
        "seconds": round(time.monotonic() - started, 1),
    }  # fmt: skip


@click.command()
@click.argument("targets", nargs=-1, type=click.Choice(list(TARGETS)))
@click.option("--files", default=2000, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(targets: tuple[str, ...], files: int, seed: int) -> None:
    """Print one line of JSON for each target (all of them by default); exit code 1 where something went wrong."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY * 3, MEMORY * 3))
    wrong = False
    for name in targets or TARGETS:
        told = run(name, files, seed)
        wrong |= bool(told["crashes"] or told["silent"] or told["hangs"])
        click.echo(json.dumps({"target": name, **told}))
    sys.exit(wrong)


if __name__ == "__main__":
    main()
