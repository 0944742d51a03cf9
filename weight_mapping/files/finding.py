"""Which models of Keras lie in a folder, told by content. What several files make up together is one model."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weight_mapping.errors import PortingError
from weight_mapping.files import opening, savedmodel
from weight_mapping.files.guard import digest, source

_KERAS = (opening.HDF5, opening.KERAS_ZIP, opening.TFJS, opening.SHARDS, opening.CHECKPOINT)
_CLAIMS = (".h5", ".hdf5", ".keras")
"""A file under such a name is offered whatever its bytes are: it may be a model that is damaged."""
_ENDINGS = re.compile(r"(\.(h5|hdf5|keras|json|index|weights)|[._-](weights|w|ckpt|config|architecture|arch))$", re.I)


_LIGHT = 1 << 20
Told = tuple[str, frozenset[str]]
"""A file's kind, and the names that it gives for its model's other files."""


def is_light(path: Path) -> bool:
    """Whether `tell` reads little of the file: its first bytes, a ZIP's directory (which is bounded), or short JSON."""
    file = source(path)
    return file.length <= _LIGHT or file.read(0, 16).lstrip()[:1] != b"{"


def tell(path: Path) -> Told:
    """What one file is, by its content. PortingError for what is none of the kinds that are known."""
    kind, inside = opening.recognise(source(path))
    return kind, frozenset(_names(kind, inside))


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One model. `path` is what `open_archive` takes; `parts` are all of its files, where they are other than that."""

    path: Path
    kind: str = "unknown"
    parts: tuple[Path, ...] = ()

    def sha256(self, *beside: Path) -> str:
        """Of the file's bytes; of several files, and those `beside`, over their names and bytes."""
        return digest([source(part) for part in (*(self.parts or (self.path,)), *beside)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """One folder: its models, the files that hold a configuration alone, and the folders in it that may hold more."""

    models: tuple[Found, ...] = ()
    configurations: tuple[Path, ...] = ()
    folders: tuple[Path, ...] = ()


def look(folder: Path, tell: Callable[[Path], Told] = tell) -> Folder:
    """What lies in this folder, in the order of names; links to folders are not followed. `tell` may be one that reads
    a stranger's file elsewhere. OSError where the folder can't be listed."""
    if (folder / savedmodel.GRAPH).is_file():
        return Folder(models=(_savedmodel(folder),))
    if (folder.parent / savedmodel.GRAPH).is_file():
        return Folder()  # a part of that one
    entries = sorted(folder.iterdir())
    files = [entry for entry in entries if entry.is_file()]
    seen = [one for one in (_recognised(file, files, tell) for file in files) if one is not None]
    inner = {part for one in seen for part in one.parts if part != one.path}
    return Folder(
        models=tuple(one for one in seen if one.kind != opening.CONFIGURATION and one.path not in inner),
        configurations=tuple(one.path for one in seen if one.kind == opening.CONFIGURATION),
        folders=tuple(entry for entry in entries if entry.is_dir() and not entry.is_symlink()),
    )


def configuration_for(model: Found, folder: Folder) -> Path | None:
    """The file in the model's folder that must be its configuration, should it be weights alone: the one of its name,
    or the only JSON there is. None where that is not certain."""
    if model.kind not in (opening.HDF5, opening.CHECKPOINT, opening.SHARDS):
        return None
    stem = _stem(model.path)
    weights = stem != model.path.stem
    whole = [one.path for one in folder.models if weights and one.path.stem == stem]
    for candidates in (folder.configurations, whole):
        named = [path for path in candidates if _stem(path) == stem]
        if named:
            return named[0] if len(named) == 1 else None
    return folder.configurations[0] if len(folder.configurations) == 1 else None


def _stem(path: Path) -> str:
    name = path.name
    while (shorter := _ENDINGS.sub("", name)) != name:
        name = shorter
    return name


def _recognised(path: Path, beside: Iterable[Path], tell: Callable[[Path], Told]) -> Found | None:
    try:
        kind, names = tell(path)
    except PortingError:
        kind, names = "", frozenset()
    if kind in _KERAS or kind == opening.CONFIGURATION:
        prefix = f"{path.name.removesuffix('.index')}.data-" if kind == opening.CHECKPOINT else None
        parts = tuple(other for other in beside if other.name in names or (prefix and other.name.startswith(prefix)))
        return Found(path=path, kind=kind, parts=(path, *parts) if parts else ())
    return Found(path=path) if path.suffix.lower() in _CLAIMS else None


def _names(kind: str, inside: Any) -> set[str]:
    """The names of a model's other files, as the first of them gives them."""
    if kind == opening.TFJS:
        groups = [group for group in _listed(inside["weightsManifest"]) if isinstance(group, dict)]
        return {name for group in groups for name in _listed(group.get("paths")) if isinstance(name, str)}
    if kind == opening.SHARDS and isinstance(inside["weight_map"], dict):
        values = inside["weight_map"].values()
        return {name for value in values for name in _listed(value) if isinstance(name, str)}
    return set()


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _savedmodel(folder: Path) -> Found:
    """A SavedModel's parts: what is read of it."""
    variables = sorted((folder / "variables").glob("variables.*"))
    described = [folder / name for name in (savedmodel.GRAPH, savedmodel.METADATA) if (folder / name).is_file()]
    return Found(path=folder, kind="SavedModel", parts=(*described, *(file for file in variables if file.is_file())))
