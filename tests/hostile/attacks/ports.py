"""Safetensors, and the spec that a port carries in it."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from attacks.changed_h5 import H5, Make
from attacks.no_models import written


def tensors(header: Any, data: bytes = b"", length: int | None = None) -> Make:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return written("m.safetensors", struct.pack("<Q", len(raw) if length is None else length) + raw + data)


def spec(change: Callable[[dict[str, Any]], object], sealed: bool = True) -> Make:
    """The safetensors file of a port, its spec changed, and `sealed` again: what its proof says of the spec too."""

    def make(folder: Path) -> Path:
        import weight_mapping as wm

        path = folder / "model.safetensors"
        wm.save(wm.load(H5), path)
        raw = path.read_bytes()
        (size,) = struct.unpack("<Q", raw[:8])
        header = json.loads(raw[8 : 8 + size])
        document = json.loads(header["__metadata__"]["spec"])
        change(document)
        told = header["__metadata__"]
        told["spec"] = json.dumps(document)
        if sealed:
            told["proof"] = json.dumps({**json.loads(told["proof"]), "spec": sha256(told["spec"].encode()).hexdigest()})
        new = json.dumps(header).encode()
        path.write_bytes(struct.pack("<Q", len(new)) + new + raw[8 + size :])
        return path

    return make


def flipped(folder: Path) -> Path:
    """The safetensors file of a port, one bit of one weight changed."""
    path = spec(lambda document: None)(folder)
    raw = bytearray(path.read_bytes())
    raw[-9] ^= 1
    path.write_bytes(raw)
    return path


def spec_layer(document: dict[str, Any]) -> dict[str, Any]:
    layers = document["spec"]["layers"]["items"]
    found: dict[str, Any] = layers[0][1]
    return found


ATTACKS: dict[str, Make] = {
    "safetensors overlap": tensors(
        {n: {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} for n in ("a", "b")}, bytes(8)
    ),
    "safetensors too long": tensors(b"{}", length=1 << 40),
    "safetensors huge": tensors({"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}),
    "safetensors no model": tensors({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, bytes(8)),
    "port of another weight": flipped,
    "spec of another layer": spec(lambda d: spec_layer(d)["cells"][0].update(dropout=0.5), sealed=False),
    "spec of os": spec(lambda d: spec_layer(d).update(type="os.system")),
    "spec of a class": spec(lambda d: spec_layer(d).update(type="__class__")),
    "spec deep": spec(lambda d: d.update(spec=json.loads("[" * 900 + "]" * 900))),
    "spec cells are text": spec(lambda d: spec_layer(d).update(cells="cells")),
    "spec units are text": spec(lambda d: spec_layer(d)["cells"][0].update(units="5")),
    "spec units huge": spec(lambda d: spec_layer(d)["cells"][0].update(units=1 << 40)),
    "spec without nodes": spec(lambda d: d["spec"].update(nodes=[])),
    "spec node of nothing": spec(lambda d: d["spec"]["nodes"][0].update(layer="other")),
    "spec node of itself": spec(
        lambda d: d["spec"]["nodes"][0]["inputs"][0].update(node=d["spec"]["nodes"][0]["name"])
    ),
    "spec repeats a billion": spec(
        lambda d: (
            d["spec"]["layers"]["items"].append(
                ["r", {"type": "Plain", "kind": "repeat_vector", "options": {"type": "map", "items": [["n", 10**9]]}}]
            )
            or d["spec"]["nodes"].append(
                {
                    "type": "Node",
                    "name": "r",
                    "layer": "r",
                    "inputs": [{"type": "Ref", "node": "lstm_10", "output": 0}],
                    "mask": None,
                    "initial_state": [],
                    "masked": True,
                }
            )
            or d["spec"].update(outputs=[{"type": "Ref", "node": "r", "output": 0}])
        )
    ),
    "spec option of a list": spec(
        lambda d: d["spec"]["layers"]["items"].append(
            ["r", {"type": "Plain", "kind": "dense", "options": {"type": "map", "items": [["units", [1]]]}}]
        )
    ),
    "spec input of a billion": spec(lambda d: d["spec"]["inputs"][0].update(shape=[None, 10**9, 3])),
}
ATTACKS |= {
    "safetensors of 50000 arrays": tensors(
        {f"a{n}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for n in range(50_000)}
    ),
    "safetensors true sizes": tensors({"a": {"dtype": "F32", "shape": [True, 2], "data_offsets": [0, 8]}}, bytes(8)),
    "safetensors true offsets": tensors({"a": {"dtype": "U8", "shape": [1], "data_offsets": [False, True]}}, bytes(1)),
    "safetensors offsets of floats": tensors(
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0.0, 8.0]}}, bytes(8)
    ),
    "safetensors type of a list": tensors({"a": {"dtype": ["F32"], "shape": [2], "data_offsets": [0, 8]}}, bytes(8)),
    "safetensors shape of text": tensors({"a": {"dtype": "F32", "shape": "22", "data_offsets": [0, 16]}}, bytes(16)),
    "safetensors shape of 40": tensors({"a": {"dtype": "F32", "shape": [1] * 40, "data_offsets": [0, 4]}}, bytes(4)),
    "safetensors offsets of three": tensors({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8, 9]}}, bytes(8)),
    "safetensors metadata deep": tensors(b'{"__metadata__": ' + b"[" * 100_000 + b"}"),
    "safetensors metadata of spec": tensors({"__metadata__": {"spec": "[" * 100_000}}),
    "safetensors metadata of NaN": tensors({"__metadata__": {"spec": '{"schema": NaN}'}}),
    "safetensors metadata twice": tensors(b'{"__metadata__": {"spec": "a", "spec": "b"}}'),
    "safetensors spec of another schema": spec(lambda d: d.update(schema=10**9)),
    "spec batch true": spec(lambda d: d["spec"]["inputs"][0].update(shape=[True, 6, 3])),
    "spec units true": spec(lambda d: spec_layer(d)["cells"][0].update(units=True)),
    "spec name of a list": spec(lambda d: d["spec"].update(name=["m"])),
    "spec activation of os": spec(lambda d: spec_layer(d)["cells"][0]["activation"].update(name="os.system")),
    "spec activation parameter": spec(
        lambda d: spec_layer(d)["cells"][0]["activation"].update(parameters=["__import__"])
    ),
    "spec 20000 nodes": spec(lambda d: d["spec"].update(nodes=d["spec"]["nodes"] * 20_000)),
    "spec 20000 outputs": spec(lambda d: d["spec"].update(outputs=d["spec"]["outputs"] * 20_000)),
    "spec output before the first": spec(lambda d: d["spec"]["outputs"][0].update(output=-1)),
    "spec steps of a billion": spec(lambda d: d["spec"]["inputs"][0].update(shape=[None, 10**9, 3])),
    "spec floats in a whole number": spec(lambda d: spec_layer(d)["cells"][0].update(units=5.0)),
}  # fmt: skip
SOUND: Mapping[str, Make] = {
    "spec": spec(lambda document: None),
    "safetensors": tensors({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, bytes(8)),
}
