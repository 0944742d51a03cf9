"""Hostile files, a row each: what makes one of a sound one. Used by the tests of the commands; made anew each time."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

GOLDEN = Path(__file__).parents[1] / "golden"
H5 = GOLDEN / "k2.2.4_tensorflow_lstm_hs.h5"
KERAS = GOLDEN / "k3151_lstm2.keras"
CHECKPOINT = GOLDEN / "tf26_lstm2_ckpt"
Make = Callable[[Path], Path]
"""Write the attack into an empty folder, and say what the user is led to open."""


def h5(change: Callable[[Any], object]) -> Make:
    """A sound Keras 2 model in HDF5, changed with h5py."""

    def make(folder: Path) -> Path:
        path = folder / "model.h5"
        shutil.copyfile(H5, path)
        with h5py.File(path, "r+") as file:
            change(file)
        return path

    return make


def configured(change: Callable[[dict[str, Any]], object]) -> Make:
    """The same with another configuration; its layers are [LSTM]."""

    def attack(file: Any) -> None:
        config = json.loads(file.attrs["model_config"])
        change(config)
        file.attrs["model_config"] = json.dumps(config)

    return h5(attack)


def layers_of(config: dict[str, Any]) -> list[dict[str, Any]]:
    inner = config["config"]
    return list(inner["layers"] if isinstance(inner, dict) else inner)


def option(**values: Any) -> Make:
    """Options of the LSTM."""
    return configured(lambda config: layers_of(config)[0]["config"].update(values))


def with_layer(class_name: str, first: bool = False, **options: Any) -> Make:
    """One more layer, without weights, behind the LSTM or before it."""

    def change(config: dict[str, Any]) -> None:
        layer = {"class_name": class_name, "config": {"name": "added", "trainable": True, **options}}
        inner = config["config"]
        found = inner["layers"] if isinstance(inner, dict) else inner
        if first:
            layer["config"]["batch_input_shape"] = found[0]["config"].pop("batch_input_shape")
        found.insert(0 if first else len(found), layer)

    def attack(file: Any) -> None:
        config = json.loads(file.attrs["model_config"])
        change(config)
        file.attrs["model_config"] = json.dumps(config)
        group = file["model_weights"]
        names = [n if isinstance(n, bytes) else n.encode() for n in group.attrs["layer_names"]]
        group.attrs["layer_names"] = [b"added", *names] if first else [*names, b"added"]
        group.create_group("added").attrs["weight_names"] = np.array([], dtype="S1")

    return h5(attack)


def named(name: str) -> Make:
    """The LSTM under another name, in the configuration and in the file."""

    def attack(file: Any) -> None:
        config = json.loads(file.attrs["model_config"])
        old = layers_of(config)[0]["config"]["name"]
        layers_of(config)[0]["config"]["name"] = name
        file.attrs["model_config"] = json.dumps(config)
        group = file["model_weights"]
        stored = name.encode() if "\0" not in name else b"nul"
        group.move(old, stored.decode())
        group.attrs["layer_names"] = np.array([stored], dtype="S")

    return h5(attack)


def text(attribute: str, value: Any) -> Make:
    return h5(lambda file: file.attrs.__setitem__(attribute, value))


def array(name: str | None = None, **options: Any) -> Make:
    """The kernel's data set made anew with these options, or one beside it."""

    def attack(file: Any) -> None:
        path = _kernel(file)
        if name is None:
            del file[path]
        file.create_dataset(path if name is None else f"{path}_{name}", **{"shape": (3, 20), "dtype": "f4", **options})

    return h5(attack)


def _kernel(file: Any) -> str:
    found: list[str] = []
    file["model_weights"].visititems(
        lambda path, item: found.append(f"model_weights/{path}") if isinstance(item, h5py.Dataset) else None
    )
    return next(path for path in found if "recurrent" not in path and "kernel" in path)


def linked(link: Callable[[Any], Any]) -> Make:
    def attack(file: Any) -> None:
        path = _kernel(file)
        target = link(file)
        if not isinstance(target, h5py.Group):
            del file[path]
            file[path] = target
        else:
            file[f"{path}_again"] = target

    return h5(attack)


def gzip_bomb(file: Any) -> None:
    size = 1 << 30
    data = file.create_dataset(f"{_kernel(file)}_b", (size // 4,), "f4", chunks=(size // 4,), compression="gzip")
    packer = zlib.compressobj(9)
    block = bytes(1 << 20)
    data.id.write_direct_chunk((0,), b"".join(packer.compress(block) for _ in range(size >> 20)) + packer.flush())


def virtual(file: Any) -> None:
    path = _kernel(file)
    del file[path]
    layout = h5py.VirtualLayout((3, 20), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "/x", shape=(3, 20))
    file.create_virtual_dataset(path, layout)


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


def written(name: str, data: bytes) -> Make:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return make


def tensors(header: Any, data: bytes = b"", length: int | None = None) -> Make:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return written("m.safetensors", struct.pack("<Q", len(raw) if length is None else length) + raw + data)


def spec(change: Callable[[dict[str, Any]], object]) -> Make:
    """The safetensors file of a port, its spec changed."""

    def make(folder: Path) -> Path:
        import weight_mapping as wm

        path = folder / "model.safetensors"
        wm.save(wm.load(H5), path)
        raw = path.read_bytes()
        (size,) = struct.unpack("<Q", raw[:8])
        header = json.loads(raw[8 : 8 + size])
        document = json.loads(header["__metadata__"]["spec"])
        change(document)
        header["__metadata__"]["spec"] = json.dumps(document)
        new = json.dumps(header).encode()
        path.write_bytes(struct.pack("<Q", len(new)) + new + raw[8 + size :])
        return path

    return make


def _spec_layer(document: dict[str, Any]) -> dict[str, Any]:
    layers = document["spec"]["layers"]["items"]
    found: dict[str, Any] = layers[0][1]
    return found


class Runs:
    """Unpickled, it makes the folder `canary`."""

    def __init__(self, canary: str) -> None:
        self.canary = canary

    def __reduce__(self) -> Any:
        return os.mkdir, (self.canary,)


def torch_file(thing: Callable[[Path], Any], **options: Any) -> Make:
    def make(folder: Path) -> Path:
        import torch

        torch.save(thing(folder), folder / "model.pt", **options)
        return folder / "model.pt"

    return make


def _stride_bomb(_: Path) -> Any:
    import torch

    return {"w": torch.zeros(1).expand(1 << 20, 1 << 20)}


def _drawn(*shape: int) -> Any:
    import torch

    return torch.randn(*shape)


def _deflated_pt(folder: Path) -> Path:
    import torch

    torch.save({"weight": torch.zeros(1 << 20)}, folder / "plain.pt")
    with (
        zipfile.ZipFile(folder / "plain.pt") as source,
        zipfile.ZipFile(folder / "model.pt", "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in source.namelist():
            target.writestr(name, source.read(name))
    (folder / "plain.pt").unlink()
    return folder / "model.pt"


def _tar_pt(folder: Path) -> Path:
    path = folder / "model.pt"
    with tarfile.open(path, "w") as archive:
        for name in ("sys_info", "pickle", "storages"):
            data = pickle.dumps(Runs(str(folder / "canary")))
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def tfjs(change: Callable[[dict[str, Any], Path], object]) -> Make:
    def make(folder: Path) -> Path:
        config = json.loads(h5py.File(H5).attrs["model_config"])
        weights = [
            {"name": "lstm_10/kernel", "shape": [3, 20], "dtype": "float32"},
            {"name": "lstm_10/recurrent_kernel", "shape": [5, 20], "dtype": "float32"},
            {"name": "lstm_10/bias", "shape": [20], "dtype": "float32"},
        ]
        rng = np.random.default_rng(4)
        (folder / "a.bin").write_bytes(rng.normal(size=180).astype("<f4").tobytes())
        model = {
            "format": "layers-model",
            "modelTopology": {"keras_version": "2.2.4", "backend": "tensorflow", "model_config": config},
            "weightsManifest": [{"paths": ["a.bin"], "weights": weights}],
        }
        change(model, folder)
        (folder / "model.json").write_text(json.dumps(model))
        return folder

    return make


def _shards(model: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = model["weightsManifest"][0]
    return found


def _shard_is(make_file: Callable[[Path], object]) -> Make:
    def change(_: dict[str, Any], folder: Path) -> None:
        (folder / "a.bin").unlink()
        make_file(folder / "a.bin")

    return tfjs(change)


def checkpoint(change: Callable[[Path], object]) -> Make:
    """A sound TensorFlow checkpoint's folder, changed."""

    def make(folder: Path) -> Path:
        shutil.copytree(CHECKPOINT, folder / "ckpt", copy_function=shutil.copyfile)
        (folder / "ckpt").chmod(0o755)
        change(folder / "ckpt")
        return folder / "ckpt"

    return make


def _index(folder: Path) -> Path:
    return next(folder.glob("*.index"))


def _fifo(folder: Path) -> Path:
    os.mkfifo(folder / "model.h5")
    return folder / "model.h5"


def _loop(folder: Path) -> Path:
    (folder / "model.h5").symlink_to(folder / "model.h5")
    return folder / "model.h5"


def _sparse(head: bytes, size: int) -> Make:
    def make(folder: Path) -> Path:
        path = folder / "model.h5"
        path.write_bytes(head)
        with path.open("r+b") as file:
            file.truncate(size)
        return path

    return make


def nested(class_name: str, depth: int) -> Make:
    def change(config: dict[str, Any]) -> None:
        layer = layers_of(config)[0]
        inner: dict[str, Any] = dict(layer)
        for n in range(depth):
            inner = {"class_name": class_name, "config": {"name": f"n{n}", "layer": inner}}
        layer["class_name"], layer["config"] = inner["class_name"], {**inner["config"], "name": layer["config"]["name"]}

    return configured(change)


LAMBDA = {"function": ["4wEAAAAAAAAAAAAAAAA=\n", None, None], "function_type": "lambda"}
NAMES = {
    "tag": "<img src=x onerror=alert(1)>", "script": "</script><script>alert(1)", "escape": "a\x1b[2J\x1b]0;owned\x07b",
    "bidi": "a\u202eb\u2066c", "long": "x" * 20_000, "dots": "..", "CON": "CON", "emoji": "\U0001f9ec\u200d\u2728",
    "lines": "a\nb\r\nlstm-parity: all is well", "markup": "[bold red]a[/]",
    "format": "{0.__class__}%s{{7*7}}", "C1": "a\x9b2Jb",
}  # fmt: skip

ATTACKS: Mapping[str, Make] = {
    # HDF5: out of the file
    "h5 external link": linked(lambda file: h5py.ExternalLink("/etc/passwd", "/x")),
    "h5 soft link": linked(lambda file: h5py.SoftLink("/nowhere")),
    "h5 cycle": linked(lambda file: file["model_weights"]),
    "h5 external storage": array(external=[("/etc/passwd", 0, 240)]),
    "h5 virtual": h5(virtual),
    # HDF5: more than it holds
    "h5 4 TiB": array("b", shape=(1 << 40,)),
    "h5 3.9 GiB in chunks": array("b", shape=(39 << 25,), chunks=(1 << 20,)),
    "h5 gzip bomb": h5(gzip_bomb),
    "h5 kernel of 4 GiB": array(shape=(1 << 15, 1 << 15)),
    "h5 unknown filter": array(chunks=(3, 20), scaleoffset=3),
    "h5 deep": h5(lambda file: file.create_group("/".join("d" * 500))),
    "h5 names twice": h5(lambda file: file["model_weights"].attrs.__setitem__("layer_names", [b"lstm_10"] * 2)),
    "h5 a million names": h5(
        lambda file: file["model_weights"].attrs.__setitem__("layer_names", np.array([b"a"] * 60_000))
    ),
    "h5 names lead out": h5(
        lambda file: file["model_weights/lstm_10"].attrs.__setitem__("weight_names", [b"../../../etc/passwd"] * 3)
    ),
    "h5 names are numbers": h5(lambda file: file["model_weights"].attrs.__setitem__("layer_names", [1, 2])),
    "h5 compound": array(dtype=np.dtype([("a", "f4"), ("b", "i4")])),
    "h5 text": array(dtype=h5py.string_dtype()),
    "h5 reference": array(dtype=h5py.ref_dtype),
    "h5 complex": array(dtype="c8"),
    # configurations
    "config no JSON": text("model_config", "{"),
    "config deep": text("model_config", '{"a":' + "[" * 30_000 + "]" * 30_000 + "}"),
    "config twice": text("model_config", '{"class_name":"Sequential","config":[],"config":[]}'),
    "config NaN": text("model_config", '{"class_name":"Sequential","config":NaN}'),
    "config is a list": text("model_config", "[]"),
    "config is bytes": text("model_config", np.void(b"\xff\xfe\x00")),
    "config many digits": text("model_config", '{"class_name":' + "9" * 5000 + "}"),
    "config surrogate": text("model_config", '{"class_name":"\\ud800","config":[]}'),
    "units negative": option(units=-5),
    "units zero": option(units=0),
    "units huge": option(units=10**12),
    "units text": option(units="5; import os"),
    "units float": option(units=5.5),
    "units true": option(units=True),
    "units list": option(units=[5, 6]),
    "units dict": option(units={"class_name": "Lambda", "config": LAMBDA}),
    "activation of os": option(activation={"module": "os", "class_name": "function", "config": "system"}),
    "activation code": option(activation="__import__('os').system('touch canary')"),
    "activation lambda": option(activation={"class_name": "__lambda__", "config": {"value": LAMBDA}}),
    "input of a billion steps": option(batch_input_shape=[None, 10**9, 3]),
    "input of a billion samples": option(batch_input_shape=[10**9, 6, 3]),
    "input negative": option(batch_input_shape=[None, -6, 3]),
    "input text": option(batch_input_shape="None"),
    "input deep": option(batch_input_shape=[[[None]]]),
    "Lambda": with_layer("Lambda", **LAMBDA),
    "Lambda inside": configured(
        lambda config: layers_of(config)[0].update(
            class_name="TimeDistributed",
            config={"name": "lstm_10", "layer": {"class_name": "Lambda", "config": LAMBDA}},
        )
    ),
    "custom": with_layer("os.system"),
    "TFSMLayer": with_layer("TFSMLayer", filepath="/etc"),
    "StringLookup": with_layer("StringLookup", vocabulary="/etc/passwd"),
    "repeat a billion": with_layer("RepeatVector", n=10**9),
    "repeat a million": with_layer("RepeatVector", n=10**6),
    "repeat minus": with_layer("RepeatVector", n=-3),
    "pad a billion": with_layer("ZeroPadding1D", first=True, padding=[10**9, 10**9]),
    "upsample a billion": with_layer("UpSampling1D", first=True, size=10**9),
    "reshape": with_layer("Reshape", target_shape=[10**9, 10**9]),
    "permute": with_layer("Permute", dims=[5, 9]),
    "TimeDistributed 90 deep": nested("TimeDistributed", 90),
    "Bidirectional 90 deep": nested("Bidirectional", 90),
    "10000 layers": configured(
        lambda config: layers_of(config)
        and config.__setitem__(
            "config",
            layers_of(config)
            + [{"class_name": "Dropout", "config": {"name": f"d{n}", "rate": 0.1}} for n in range(10_000)],
        )
    ),
    # .keras
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
        lambda m: m.update({"model.weights.json": b'{"weight_map": {"/layers": ["../../../etc/passwd"]}}'})
        or m.pop("model.weights.h5")
    ),
    "zip shards of themselves": zipped(
        lambda m: m.update({"model.weights.json": b'{"weight_map": {"/layers": ["model.weights.json"]}}'})
        or m.pop("model.weights.h5")
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
    # safetensors
    "safetensors overlap": tensors(
        {n: {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} for n in ("a", "b")}, bytes(8)
    ),
    "safetensors too long": tensors(b"{}", length=1 << 40),
    "safetensors huge": tensors({"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}),
    "safetensors no model": tensors({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, bytes(8)),
    "spec of os": spec(lambda d: _spec_layer(d).update(type="os.system")),
    "spec of a class": spec(lambda d: _spec_layer(d).update(type="__class__")),
    "spec deep": spec(lambda d: d.update(spec=json.loads("[" * 900 + "]" * 900))),
    "spec cells are text": spec(lambda d: _spec_layer(d).update(cells="cells")),
    "spec units are text": spec(lambda d: _spec_layer(d)["cells"][0].update(units="5")),
    "spec units huge": spec(lambda d: _spec_layer(d)["cells"][0].update(units=1 << 40)),
    "spec without nodes": spec(lambda d: d["spec"].update(nodes=[])),
    "spec node of nothing": spec(lambda d: d["spec"]["nodes"][0].update(layer="other")),
    "spec node of itself": spec(
        lambda d: d["spec"]["nodes"][0]["inputs"][0].update(node=d["spec"]["nodes"][0]["name"])
    ),
    "spec repeats a billion": spec(
        lambda d: d["spec"]["layers"]["items"].append(
            ["r", {"type": "Plain", "kind": "repeat_vector", "options": {"type": "map", "items": [["n", 10**9]]}}]
        )
        or d["spec"]["nodes"].append(
            {"type": "Node", "name": "r", "layer": "r", "inputs": [{"type": "Ref", "node": "lstm_10", "output": 0}],
             "mask": None, "initial_state": [], "masked": True}
        )
        or d["spec"].update(outputs=[{"type": "Ref", "node": "r", "output": 0}])
    ),
    "spec option of a list": spec(
        lambda d: d["spec"]["layers"]["items"].append(
            ["r", {"type": "Plain", "kind": "dense", "options": {"type": "map", "items": [["units", [1]]]}}]
        )
    ),
    "spec input of a billion": spec(lambda d: d["spec"]["inputs"][0].update(shape=[None, 10**9, 3])),
    # .pt
    "pt calls": torch_file(lambda folder: {"w": Runs(str(folder / "canary"))}),
    "pt calls, old": torch_file(
        lambda folder: {"w": Runs(str(folder / "canary"))}, _use_new_zipfile_serialization=False
    ),
    "pt strides": torch_file(_stride_bomb),
    "pt deflated": _deflated_pt,
    "pt tar": _tar_pt,
    "pickle": lambda folder: written("model.pt", pickle.dumps(Runs(str(folder / "canary"))))(folder),
    # tfjs
    "tfjs shard leads out": tfjs(lambda m, _: _shards(m).update(paths=["../../../../etc/passwd"])),
    "tfjs shard absolute": tfjs(lambda m, _: _shards(m).update(paths=["/etc/passwd"])),
    "tfjs shard is a link": _shard_is(lambda path: path.symlink_to("/etc/passwd")),
    "tfjs shard is a pipe": _shard_is(os.mkfifo),
    "tfjs shard is missing": _shard_is(lambda path: None),
    "tfjs huge": tfjs(lambda m, _: _shards(m)["weights"][0].update(shape=[1 << 31, 1 << 31])),
    "tfjs shape of text": tfjs(lambda m, _: _shards(m)["weights"][0].update(shape="ab")),
    "tfjs negative": tfjs(lambda m, _: _shards(m)["weights"][0].update(shape=[-3, -20])),
    "tfjs manifest is a number": tfjs(lambda m, _: m.update(weightsManifest=3)),
    # checkpoints
    "checkpoint cut": checkpoint(lambda f: os.truncate(_index(f), 40)),
    "checkpoint of noise": checkpoint(
        lambda f: _index(f).write_bytes(bytes(range(256)) * 4 + _index(f).read_bytes()[-8:])
    ),
    "checkpoint shard is a pipe": checkpoint(
        lambda f: [path.unlink() or os.mkfifo(path) for path in f.glob("*.data-*")] and None
    ),
    "checkpoint shard is a link": checkpoint(
        lambda f: [path.unlink() or path.symlink_to("/etc/passwd") for path in f.glob("*.data-*")] and None
    ),
    # no model at all
    "pipe": _fifo,
    "device": lambda folder: Path("/dev/zero"),
    "loop": _loop,
    "sparse terabyte": _sparse(b"\x89HDF\r\n\x1a\n", 1 << 40),
    "sparse JSON": _sparse(b'{"class_name": ', 3 << 30),
    "sparse safetensors": _sparse(struct.pack("<Q", 1 << 30) + b"{", 3 << 30),
    "nothing": written("model.h5", b""),
    "page": written("model.h5", b"<!DOCTYPE html><title>404</title>"),
    "empty folder": lambda folder: folder,
    "empty zip": written("model.keras", b"PK\x05\x06" + bytes(18)),
}  # fmt: skip

STRANGE: Mapping[str, Make] = {
    **{f"name {key}": named(name) for key, name in NAMES.items()},
    "version is a program": text("keras_version", "__import__('os').system('touch canary')\x1b[2J"),
    "version of digits": text("keras_version", "9" * 6000),
    "many groups": h5(lambda file: [h5py.h5g.create(file.id, f"{n}".encode()) for n in range(2000)] and None),
}
"""Files that are sound, however strange: they may be ported, and what they say is shown harmlessly."""

SOUND: Mapping[str, Make] = {
    "h5": h5(lambda file: None), "keras": zipped(lambda members: None), "spec": spec(lambda document: None),
    "tfjs": tfjs(lambda model, folder: None), "checkpoint": checkpoint(lambda folder: None),
    "layer": with_layer("Activation", activation="relu"), "option": option(units=5),
    "inner": inner_h5(lambda file: None),
    "array": array(data=np.random.default_rng(1).normal(size=(3, 20)).astype("f4")),
    "deflated": zipped(lambda members: None, zipfile.ZIP_DEFLATED),
    "pt": torch_file(lambda folder: {"weight": _drawn(20, 3)}),
    "safetensors": tensors({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, bytes(8)),
}  # fmt: skip
"""The benign neighbour of each kind of attack: made in the same way, with nothing changed."""
