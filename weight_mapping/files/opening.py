"""Which container a path is, told by its content, never by its suffix."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from weight_mapping.errors import DamagedFile, PortingError, UnsafeFile, Unsupported, shown
from weight_mapping.files import checkpoint, hdf5, keras_zip, savedmodel, tfjs, zipped
from weight_mapping.files.archive import Archive
from weight_mapping.files.guard import Source, digest, reading, source
from weight_mapping.files.keras_h5 import open_h5
from weight_mapping.files.safetensors import is_safetensors, open_safetensors
from weight_mapping.files.strict_json import parse_object, text_of
from weight_mapping.files.torch_file import is_torch, open_torch

_KNOWN = "an HDF5 file, a .keras archive, a SavedModel, a TensorFlow checkpoint, a tfjs model, safetensors or .pt"
_OLD_TORCH = b"\x80\x02\x8a\x0a"  # the magic number of torch.save before 1.6, pickled
_YAML = re.compile(rb"^class_name: \w", re.MULTILINE)


def open_archive(
    path: str | Path, config: str | Path | None = None, *, max_bytes: int = 4 << 30, keep_optimizer: bool = False
) -> Archive:
    """What the file or folder holds, without its arrays; a checkpoint also goes by its prefix.

    `config`: a .json, .h5 or .keras file of which only the configuration and the version are taken; they go before the
    path's own. Errors: PortingError for a path that is not there, DamagedFile or UnsafeFile for one that can't be
    trusted, Unsupported for one that is fine and not read here."""
    archive = _open(Path(path), max_bytes, keep_optimizer)
    if config is None:
        return archive
    found, version, backend = _configuration(Path(config), max_bytes)
    return replace(
        archive, config=found, keras_version=version or archive.keras_version, backend=archive.backend or backend
    )


def _open(path: Path, max_bytes: int, keep_optimizer: bool) -> Archive:
    if path.is_dir():
        return _open_folder(path, max_bytes, keep_optimizer)
    prefix = path.with_name(path.name + ".index")
    if not path.exists() and prefix.is_file():
        return _open_checkpoint(prefix, max_bytes, keep_optimizer)
    file = source(path)
    kind, inside = recognise(file)
    return _OPENERS[kind](file, inside, max_bytes, keep_optimizer)


def recognise(file: Source) -> tuple[str, Any]:
    """Which kind of container the bytes are, a key of `_OPENERS`, and what was read to tell it: an archive's members, a
    JSON file's object, or None. Raises DamagedFile or Unsupported for what is none of them."""
    head = file.read(0, min(16, file.length))
    if head.startswith(hdf5.SIGNATURE):
        return HDF5, None
    if head.startswith(zipped.SIGNATURE):
        found = zipped.members(file)
        return (TORCH if is_torch(found) else KERAS_ZIP if keras_zip.CONFIG in found else OTHER_ZIP), found
    if is_safetensors(head, file.length):
        return SAFETENSORS, None
    if head.lstrip()[:1] == b"{":
        model = parse_object(text_of(file), file.name)
        return next((kind for key, kind in _JSON_KINDS.items() if key in model), OTHER_JSON), model
    if file.length >= len(checkpoint.MAGIC) and file.read(file.length - len(checkpoint.MAGIC)) == checkpoint.MAGIC:
        return CHECKPOINT, None
    raise _unknown(file, head)


def _unknown(file: Source, head: bytes) -> PortingError:
    if head.startswith(_OLD_TORCH):
        return Unsupported(
            "a file of torch.save before PyTorch 1.6, which is a bare pickle",
            where=file.name,
            way_out="Load it in a PyTorch that you trust it with, and torch.save its state_dict() again.",
        )
    if _YAML.search(file.read(0, min(4096, file.length))):
        return Unsupported(
            "a configuration in YAML, which Keras itself stopped reading", where=file.name,
            way_out="Turn it into JSON, with PyYAML: sed 's/!!python[^ ]*//' model.yaml | "
            "python -c 'import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)' > model.json",
        )  # fmt: skip
    return DamagedFile(
        "the file is empty" if not file.length else "none of the files that are read here, or a truncated one",
        where=file.name,
        found=repr(head) if head else None,
        expected=_KNOWN,
        way_out="Give the folder that it is in: it is one model." if _IN_A_FOLDER.fullmatch(file.name) else None,
    )


_IN_A_FOLDER = re.compile(
    r"saved_model\.pb|keras_metadata\.pb|fingerprint\.pb|group\d+-shard\d+of\d+(\.bin)?|.*\.data-\d+-of-\d+"
)


def whole(folder: Path) -> Path | None:
    """What stands for a whole folder: the folder itself (a SavedModel), its model.json or list of shards, or the index
    of its one checkpoint (of the newest, where a file `checkpoint` tells); None where nothing does."""
    if (folder / savedmodel.GRAPH).is_file():
        return folder
    for name in ("model.json", keras_zip.SHARDS):
        if (folder / name).is_file():
            return folder / name
    indices = _indices(folder)
    return indices[0] if len(indices) == 1 else None


def _indices(folder: Path) -> list[Path]:
    indices = sorted(folder.glob("*.index"))
    if len(indices) > 1 and (folder / "checkpoint").is_file():
        latest = _latest(source(folder / "checkpoint"))
        indices = [index for index in indices if index.name == f"{latest}.index"] or indices
    return indices


def _open_folder(folder: Path, max_bytes: int, keep_optimizer: bool) -> Archive:
    found = whole(folder)
    if found == folder:
        has_metadata = (folder / savedmodel.METADATA).is_file()
        return savedmodel.open_savedmodel(_finder(folder), has_metadata, max_bytes, keep_optimizer)
    if found is not None:
        opened = _open_checkpoint if found.suffix == ".index" else _open
        return opened(found, max_bytes, keep_optimizer)
    indices = _indices(folder)
    raise PortingError(
        "the folder holds no model that is read here" if not indices else "the folder holds several checkpoints",
        where=str(folder),
        found=", ".join(shown(item.name) for item in sorted(folder.iterdir())[:6]) or "nothing",
        expected="saved_model.pb, model.json or one .index",
        way_out="Name one checkpoint by its prefix." if indices else None,
    )


def _latest(file: Source) -> str:
    """The name of the newest checkpoint in the text file `checkpoint`; the folder that it may also name is dropped."""
    with reading(file.name):
        found = re.match(r'model_checkpoint_path: "([^"\n]*)"', file.read(0, min(file.length, 4096)).decode())
    return re.split(r"[/\\]", found[1])[-1] if found else ""


def _open_checkpoint(index: Path, max_bytes: int, keep_optimizer: bool) -> Archive:
    if index.suffix != ".index":
        raise PortingError("a checkpoint's index under another name", where=str(index), expected="PREFIX.index")
    found = checkpoint.read_checkpoint(source(index), _finder(index.parent), max_bytes)
    return Archive(
        container="TF checkpoint",
        path=index.with_suffix(""),
        sha256=digest(found.files),
        backend="tensorflow",
        named=found.named,
        optimizer=found.extra if keep_optimizer else {},
        reader=found.reader,
    )


def _no_weights(file: Source) -> Archive:
    raise PortingError(
        "a configuration without weights",
        where=file.name,
        way_out=f"Give the file of the weights, and this one as its configuration: config={shown(file.name)!r}.",
    )


def _no_model(file: Source, model: dict[str, Any]) -> Archive:
    raise DamagedFile(
        "JSON, and no model", where=file.name, found=", ".join(shown(key) for key in list(model)[:6]) or "{}"
    )


def _configuration(path: Path, max_bytes: int) -> tuple[Mapping[str, Any], str | None, str | None]:
    """The configuration, version and backend that a file tells, its weights aside."""
    if path.is_dir():
        archive = _open_folder(path, max_bytes, False)
        found = archive.config, archive.keras_version, archive.backend
    else:
        file = source(path)
        head = file.read(0, min(16, file.length))
        if head.startswith(zipped.SIGNATURE):
            found = *keras_zip.configuration(zipped.members(file), max_bytes), None
        elif head.lstrip()[:1] == b"{":
            found = _json_configuration(parse_object(text_of(file), file.name), file.name)
        else:
            archive = _open(path, max_bytes, False)
            found = archive.config, archive.keras_version, archive.backend
    config, version, backend = found
    if config is None:
        raise PortingError("the file holds no configuration", where=str(path), expected="a model, or JSON of to_json()")
    return config, version, backend


def _json_configuration(model: dict[str, Any], where: str) -> tuple[dict[str, Any] | None, str | None, str | None]:
    if "modelTopology" in model:
        return tfjs.configuration(model, where)
    config = model if "class_name" in model else model.get("model_config")
    return config if isinstance(config, dict) else None, model.get("keras_version"), model.get("backend")


def _finder(folder: Path) -> Callable[[str], Source]:
    """The file of a name within this folder, and not one that a symbolic link leads to elsewhere."""

    def find(name: str) -> Source:
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise UnsafeFile(
                "a symbolic link leads out of the folder", where=shown(name), way_out="Copy what it leads to instead."
            )
        return source(path)

    return find


HDF5, KERAS_ZIP, TFJS, SHARDS, CHECKPOINT = "HDF5", "Keras' ZIP", "tfjs", "shards", "checkpoint"
CONFIGURATION, TORCH, SAFETENSORS, OTHER_ZIP, OTHER_JSON = "configuration", "torch", "safetensors", "ZIP", "JSON"

_JSON_KINDS = {"weightsManifest": TFJS, "weight_map": SHARDS, "class_name": CONFIGURATION}
"""Which kind a JSON file is, by the first of these keys that it holds."""

_OPENERS: Mapping[str, Callable[[Source, Any, int, bool], Archive]] = {
    HDF5: lambda file, _, most, optimizer: open_h5(file, most, optimizer),
    KERAS_ZIP: lambda file, members, most, optimizer: keras_zip.open_keras(members, most, optimizer),
    OTHER_ZIP: lambda file, members, most, optimizer: keras_zip.open_keras(members, most, optimizer),
    TORCH: lambda file, members, most, optimizer: open_torch(members, most),
    SAFETENSORS: lambda file, _, most, optimizer: open_safetensors(file, most),
    TFJS: lambda file, model, most, optimizer: tfjs.open_tfjs(file, model, _finder(file.path.parent), most),
    SHARDS: lambda file, _, most, optimizer: keras_zip.open_shards(file, _finder(file.path.parent), most, optimizer),
    CHECKPOINT: lambda file, _, most, optimizer: _open_checkpoint(file.path, most, optimizer),
    CONFIGURATION: lambda file, model, most, optimizer: _no_weights(file),
    OTHER_JSON: lambda file, model, most, optimizer: _no_model(file, model),
}
