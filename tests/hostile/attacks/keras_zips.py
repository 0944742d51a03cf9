"""`.keras` archives that lead out, blow up, or hold what an archive of Keras does not."""

from __future__ import annotations

import io
import json
import stat
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py

from attacks.changed_h5 import GOLDEN, Make
from attacks.configurations import LAMBDA

KERAS = GOLDEN / "k3151_lstm2.keras"


def zipped(
    change: Callable[[dict[str, bytes]], object], compression: int = zipfile.ZIP_STORED, before: bytes = b""
) -> Make:
    """A sound `.keras` archive, its members changed; a member of None is dropped, a link's name ends in '@'."""

    def make(folder: Path) -> Path:
        with zipfile.ZipFile(KERAS) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        change(members)
        path = folder / "model.keras"
        with zipfile.ZipFile(path, "w", compression) as archive:
            for name, data in members.items():
                info = zipfile.ZipInfo(name.removesuffix("@"))
                if name.endswith("@"):
                    info.external_attr = (stat.S_IFLNK | 0o777) << 16
                archive.writestr(info, data, compression)
        path.write_bytes(before + path.read_bytes())
        return path

    return make


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


ATTACKS: Mapping[str, Make] = {
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
SOUND: Mapping[str, Make] = {
    "keras": zipped(lambda members: None),
    "inner": inner_h5(lambda file: None),
    "deflated": zipped(lambda members: None, zipfile.ZIP_DEFLATED),
}
