"""What can be read of a stranger's file, a row each, and the plain answer that crosses from the process that read it:
texts and arrays. What comes back is held to its declared types and shapes again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weight_mapping.declared import check_fields
from weight_mapping.errors import DamagedFile, shown
from weight_mapping.exchange import bound, expected, from_data, source_data, to_data
from weight_mapping.files import open_archive
from weight_mapping.files.guard import reading, source
from weight_mapping.files.safetensors import read_tensors
from weight_mapping.loading import load
from weight_mapping.outline import outline
from weight_mapping.spec import ModelSpec, leaves
from weight_mapping.weights import CellWeights, Portable, Source

Arrays = dict[str, NDArray[Any]]
Answer = tuple[dict[str, str], Arrays]


def _load(file: Path, config: Path | None, **options: Any) -> Answer:
    portable = load(file, config, **options)
    origins = [[list(where), list(names)] for where, names in portable.source.origins.items()]
    told = {**source_data(portable.source), "config": portable.source.config, "origins": origins}
    arrays: Arrays = {}
    for number, (where, _) in enumerate(leaves(portable.spec)):
        weights = portable.weights.get(where, {})
        named = weights.arrays() if isinstance(weights, CellWeights) else weights.items()
        arrays |= {f"{number}/{name}": array for name, array in named}
    return {"spec": json.dumps(to_data(portable.spec)), "source": json.dumps(told)}, arrays


def portable_of(texts: Mapping[str, str], arrays: Mapping[str, NDArray[Any]]) -> Portable:
    """The model of a `load`: every array checked against the spec by name and shape, as when a port is loaded."""
    with reading("the reader's answer"):
        spec, told = from_data(json.loads(texts["spec"])), json.loads(texts["source"])
        if not isinstance(spec, ModelSpec):
            raise DamagedFile("a spec that is no model", found=type(spec).__name__)
        origins = {tuple(where): tuple(names) for where, names in told.pop("origins")}
        origin = Source(**{**told, "resolved": tuple(told["resolved"]), "origins": origins})
        check_fields(replace(origin, origins={}), "source")
        given: dict[str, Arrays] = {}
        for name, array in arrays.items():
            number, _, own = name.partition("/")
            given.setdefault(number, {})[own] = array
        weights = {
            where: bound(leaf, given.get(str(number), {}), where)
            for number, (where, leaf) in enumerate(leaves(spec))
            if str(number) in given or expected(leaf)
        }
        return Portable(spec=spec, weights=weights, source=origin)


def _inspect(file: Path, config: Path | None, *, max_bytes: int) -> Answer:
    from harness.reading.inspection import inspect

    return {"findings": json.dumps(inspect(file, config, max_bytes=max_bytes))}, {}


def _draft(file: Path, _config: Path | None, *, max_bytes: int) -> Answer:
    """The outline of a configuration for a file of weights."""
    return {"config": json.dumps(outline(open_archive(file, max_bytes=max_bytes)))}, {}


def _told(file: Path, _config: Path | None) -> Answer:
    """What a file of a folder is, and the names that it gives for others."""
    from weight_mapping.files.finding import tell

    kind, names = tell(file)
    return {"told": json.dumps([kind, sorted(names)])}, {}


def recorded(file: Path) -> Arrays:
    """The arrays of an .npz file."""
    try:
        with np.load(file, allow_pickle=False) as members:
            return {name: members[name] for name in members.files}
    except (OSError, ValueError, EOFError, AttributeError) as error:
        raise DamagedFile("not a recording", where=shown(file.name), found=shown(error)) from error


def arrays_of(file: Path, start: int) -> Arrays:
    """The arrays of an answer, as they lie in the file from `start` on."""
    whole = source(file)
    _, named, read = read_tensors(whole.part("answer", start, whole.length - start))
    return {name: read(stored) for name, stored in named.items()}


READINGS: Mapping[str, Callable[..., Answer]] = {
    "load": _load,
    "inspect": _inspect,
    "draft": _draft,
    "tell": _told,
    "recording": lambda file, _: ({}, recorded(file)),
}
