"""The plain answer that crosses from the process that read a stranger's file: texts and arrays. What comes back is held
to its declared types and shapes again."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from weight_mapping.declared import check_fields
from weight_mapping.errors import DamagedFile
from weight_mapping.exchange import bound, expected, from_data
from weight_mapping.files.guard import reading, source
from weight_mapping.files.safetensors import read_tensors
from weight_mapping.spec import ModelSpec, leaves
from weight_mapping.weights import Portable, Source

Arrays = dict[str, NDArray[Any]]
Answer = tuple[dict[str, str], Arrays]


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


def arrays_of(file: Path, start: int) -> Arrays:
    """The arrays of an answer, as they lie in the file from `start` on, and left there: whoever wrote it has ended. The
    file may be removed, but on Windows, where they are read."""
    whole = source(file)
    _, named, read = read_tensors(whole.part("answer", start, whole.length - start), mapped=os.name == "posix")
    return {name: read(stored) for name, stored in named.items()}
