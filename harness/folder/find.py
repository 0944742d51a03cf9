"""What is to be ported: every model under the paths that were named."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import groupby
from pathlib import Path

from harness.reading import confined
from weight_mapping.errors import PortingError, shown
from weight_mapping.files import finding, opening
from weight_mapping.files.finding import Folder, Found

_MAGIC = "*?["
Look = Callable[[Path], Folder]
_look: Look = partial(finding.look, tell=confined.tell)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model, and the file beside it that must hold its configuration, should it be weights alone."""

    found: Found
    config: Path | None = None


def is_one_model(path: Path) -> bool:
    """Whether this path is one model by itself: a file, a checkpoint's prefix, or a folder that stands for one model
    and holds no other. What is not there counts as a file: its error is that of a file."""
    if not path.is_dir():
        return not _is_pattern(path)
    try:
        whole, seen = opening.whole(path), _look(path)
    except OSError:
        return False
    others = (one for one in seen.models if one.path != whole and one.kind != opening.CHECKPOINT)
    deeper = (one for folder in seen.folders for one in _under(folder, path, _look, lambda _: None))
    return whole is not None and whole not in seen.configurations and not any(others) and not any(deeper)


def find(paths: Sequence[Path], output: Path, say: Callable[[str], None]) -> Iterator[Model]:
    """Every model under these files, folders and glob patterns, once, in a fixed order. A file that is named is
    taken whatever it is; in a folder and of a pattern, what is a model by its content or claims it by its name. The
    output folder is left out. `say` is told of each folder that can't be listed; PortingError for a path that is
    not there."""
    look = lru_cache(maxsize=4)(_look)
    for path in paths:
        if not path.exists() and not _is_pattern(path) and not _index(path).is_file():
            raise PortingError("no such file or folder", where=str(path))
    seen: set[str] = set()
    for path in paths:
        for model in _models(path, output.resolve(), look, say):
            place = str(model.found.path.absolute())
            if place not in seen:
                seen.add(place)
                yield model


def _models(path: Path, output: Path, look: Look, say: Callable[[str], None]) -> Iterator[Model]:
    if path.is_dir():
        yield from _under(path, output, look, say)
    elif _is_pattern(path):
        matches = sorted(map(Path, glob.glob(str(path), recursive=True)))  # noqa: PTH207
        for folder in (match for match in matches if match.is_dir()):
            yield from _under(folder, output, look, say)
        files = (match for match in matches if not match.is_dir() and output not in match.resolve().parents)
        for parent, named in groupby(files, key=lambda match: match.parent):
            inside, chosen = look(parent), set(named)
            yield from (_paired(one, inside) for one in inside.models if one.path in chosen)
    else:
        file = path if path.exists() else _index(path)
        inside = look(path.parent)
        one = next((one for one in inside.models if one.path == file), Found(path=file))
        yield _paired(one, inside)


def _under(folder: Path, output: Path, look: Look, say: Callable[[str], None]) -> Iterator[Model]:
    waiting = [folder]
    while waiting:
        at = waiting.pop()
        try:
            if at.resolve() == output:
                continue
            inside = look(at)
        except OSError as error:
            say(f"{shown(at)}: can't be listed: {error.strerror}")
            continue
        yield from (_paired(one, inside) for one in inside.models)
        waiting += reversed(inside.folders)


def _paired(one: Found, inside: Folder) -> Model:
    return Model(found=one, config=finding.configuration_for(one, inside))


def _is_pattern(path: Path) -> bool:
    return bool(set(_MAGIC) & set(str(path))) and not path.exists()


def _index(path: Path) -> Path:
    return path.with_name(f"{path.name}.index")
