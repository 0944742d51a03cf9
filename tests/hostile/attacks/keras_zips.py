"""`.keras` archives that lead out, blow up, or hold what an archive of Keras does not."""

from __future__ import annotations

import io
import json
import stat
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py

from attacks.changed_h5 import GOLDEN, Make
from attacks.configurations import LAMBDA

KINDS = {"@": stat.S_IFLNK, "|": stat.S_IFIFO}
KERAS = GOLDEN / "k3151_lstm2.keras"


def zipped(
    change: Callable[[dict[str, bytes]], object], compression: int = zipfile.ZIP_STORED, before: bytes = b""
) -> Make:
    """A sound `.keras` archive, its members changed; a link's name ends in '@', a pipe's in '|'."""

    def make(folder: Path) -> Path:
        with zipfile.ZipFile(KERAS) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        change(members)
        path = folder / "model.keras"
        with zipfile.ZipFile(path, "w", compression) as archive:
            for name, data in members.items():
                info = zipfile.ZipInfo(name.rstrip("@|"))
                if name[-1] in KINDS:
                    info.external_attr = (KINDS[name[-1]] | 0o777) << 16
                archive.writestr(info, data, compression)
        path.write_bytes(before + path.read_bytes())
        return path

    return make


def patched(place: Callable[[bytes], int], new: bytes) -> Make:
    """The sound archive with other bytes at a place."""

    def make(folder: Path) -> Path:
        raw = KERAS.read_bytes()
        at = place(raw)
        (folder / "model.keras").write_bytes(raw[:at] + new + raw[at + len(new) :])
        return folder / "model.keras"

    return make


def _packed(members: Mapping[str, bytes]) -> bytes:
    blob = io.BytesIO()
    with zipfile.ZipFile(blob, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.weights.h5", members["model.weights.h5"])
    return blob.getvalue()


def keras_config(change: Callable[[dict[str, Any]], object]) -> Make:
    def attack(members: dict[str, bytes]) -> None:
        config = json.loads(members["config.json"])
        change(config)
        members["config.json"] = json.dumps(config).encode()

    return zipped(attack)


def inner_h5(change: Callable[[Any], object]) -> Make:
    def attack(members: dict[str, bytes]) -> None:
        blob = io.BytesIO(members["model.weights.h5"])
        with h5py.File(blob, "r+") as file:
            change(file)
        members["model.weights.h5"] = blob.getvalue()

    return zipped(attack)


ATTACKS: dict[str, Make] = {
    "zip slip": zipped(lambda m: m.update({"../../evil.txt": b"evil"})),
    "zip absolute": zipped(lambda m: m.update({"/tmp/evil.txt": b"evil"})),
    "zip link": zipped(lambda m: m.update({"config.json@": b"/etc/passwd"}) or m.pop("config.json")),
    "zip bomb": zipped(lambda m: m.update({"model.weights.h5": bytes(1 << 28)}), zipfile.ZIP_DEFLATED),
    "zip config bomb": zipped(
        lambda m: m.update({"config.json": b'{"a": [' + b"[]," * (6 << 20) + b"[]]}"}), zipfile.ZIP_DEFLATED
    ),
    "zip behind junk": zipped(lambda m: None, before=b"PK\x03\x04junk"),
    "zip without configuration": zipped(lambda m: m.pop("config.json")),
    "zip external link inside": inner_h5(lambda f: f.__setitem__("layers/trap", h5py.ExternalLink("/etc/passwd", "/"))),
    "zip shards lead out": zipped(
        lambda m: (
            m.update({"model.weights.json": b'{"weight_map": {"/layers": ["../../../etc/passwd"]}}'})
            or m.pop("model.weights.h5")
        )
    ),
    "zip shards of themselves": zipped(
        lambda m: (
            m.update({"model.weights.json": b'{"weight_map": {"/layers": ["model.weights.json"]}}'})
            or m.pop("model.weights.h5")
        )
    ),
    "keras module os": keras_config(lambda c: c.update(module="os", class_name="system", registered_name="os>system")),
    "keras registered": keras_config(
        lambda c: c["config"]["layers"][-1].update(module="os", class_name="LSTM", registered_name="evil>LSTM")
    ),
    "keras Lambda": keras_config(
        lambda c: c["config"]["layers"].append(
            {"module": "keras.layers", "class_name": "Lambda", "config": {"name": "l", **LAMBDA}}
        )
    ),
}


def _ends_elsewhere(folder: Path) -> Path:
    """The directory's end is said by a zip64 record at an address of 2^60."""
    raw = KERAS.read_bytes()
    at = raw.rindex(b"PK\x05\x06")
    locator = b"PK\x06\x07" + struct.pack("<IQI", 0, 1 << 60, 1)
    end = raw[at : at + 8] + b"\xff" * 12 + raw[at + 20 :]
    (folder / "model.keras").write_bytes(raw[:at] + locator + end)
    return folder / "model.keras"


def _one_for_many(folder: Path) -> Path:
    """Five thousand names of one packed megabyte. Source: Fifield, A better zip bomb, WOOT 2019."""
    blob = io.BytesIO()
    with zipfile.ZipFile(blob, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", bytes(1 << 20))
    raw = blob.getvalue()
    at, end = raw.index(b"PK\x01\x02"), raw.rindex(b"PK\x05\x06")
    own = raw[at:end]
    others = b"".join(own[:46] + b"config%05d" % n for n in range(5000))  # names as long as its own
    told = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 5001, 5001, len(own) + len(others), at, 0)
    (folder / "model.keras").write_bytes(raw[:at] + own + others + told)
    return folder / "model.keras"


ATTACKS |= {
    "zip ends elsewhere": _ends_elsewhere,
    "zip of one packed member 5000 times": _one_for_many,
    "zip name of escapes": zipped(lambda m: m.update({"../\x1b[2J\u202e\n": b""})),
    "zip weights are a folder": zipped(lambda m: m.pop("model.weights.h5") and m.update({"model.weights.h5/": b""})),
    "zip weights are an archive of arrays": zipped(
        lambda m: m.update({"model.weights.npz": m.pop("model.weights.h5")})
    ),
    "zip of 100000 members": zipped(lambda m: m.update({f"assets/{n}": b"" for n in range(100_000)})),
    "zip of 9000 members": zipped(
        lambda m: m.update({f"assets/{n}": b"x" for n in range(9000)}) or m.pop("config.json")
    ),
    "zip fifo": zipped(lambda m: m.update({"config.json|": m.pop("config.json")})),
    "zip of another case": zipped(lambda m: m.update({"CONFIG.JSON": m.pop("config.json")})),
    "zip of a folder for a configuration": zipped(lambda m: m.pop("config.json") and m.update({"config.json/": b""})),
    "zip in LZMA": zipped(lambda m: None, zipfile.ZIP_LZMA),
    "zip in bzip2": zipped(lambda m: None, zipfile.ZIP_BZIP2),
    "zip within": zipped(lambda m: m.update({"model.weights.h5": _packed(m)})),
    "zip changed": patched(lambda raw: raw.index(b'"Sequential"') + 1, b"s"),
    "zip directory elsewhere": patched(lambda raw: raw.rindex(b"PK\x05\x06") + 16, b"\xff\xff\xff\x7f"),
    "zip directory huge": patched(lambda raw: raw.rindex(b"PK\x05\x06") + 12, b"\xff\xff\xff\x7f"),
    "zip encrypted": patched(lambda raw: raw.index(b"PK\x01\x02") + 8, b"\x01"),
    "zip encrypted below": patched(lambda raw: 6, b"\x01"),
    "zip size of 4 GB": patched(lambda raw: raw.index(b"PK\x01\x02") + 20, b"\xfe\xff\xff\xff\xfe\xff\xff\xff"),
    "zip extra field elsewhere": patched(lambda raw: 28, b"\xff\xff"),
    "zip config no object": zipped(lambda m: m.update({"config.json": b"[]"})),
    "zip config of text": zipped(lambda m: m.update({"config.json": b'"os.system"'})),
    "zip metadata deep": zipped(lambda m: m.update({"metadata.json": b"[" * 200_000})),
    "zip metadata version a list": zipped(lambda m: m.update({"metadata.json": b'{"keras_version": ["3"]}'})),
    "zip configuration of 30 million lists": zipped(
        lambda m: m.update({"config.json": b'{"a": [' + b"[]," * (20 << 20) + b"[]]}"})
    ),
    "zip configuration of 500000 names": zipped(
        lambda m: m.update({"config.json": b'{"a": {' + b",".join(b'"%d": 1' % n for n in range(500_000)) + b"}}"})
    ),
}  # fmt: skip
SOUND: Mapping[str, Make] = {
    "keras": zipped(lambda members: None),
    "inner": inner_h5(lambda file: None),
    "deflated": zipped(lambda members: None, zipfile.ZIP_DEFLATED),
}
