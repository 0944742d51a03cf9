"""What can be read of a stranger's file, a row each, as the plain answer that crosses from the process that read it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness.reading.answers import Answer, Arrays
from weight_mapping.errors import DamagedFile, shown
from weight_mapping.exchange import source_data, to_data
from weight_mapping.files import open_archive
from weight_mapping.loading import load
from weight_mapping.spec import leaves
from weight_mapping.weights import CellWeights


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


def _inspect(file: Path, config: Path | None, *, max_bytes: int) -> Answer:
    from harness.reading.inspection import inspect

    return {"findings": json.dumps(inspect(file, config, max_bytes=max_bytes))}, {}


def _draft(file: Path, _config: Path | None, *, max_bytes: int) -> Answer:
    """The outline of a configuration for a file of weights."""
    from weight_mapping.drafting.outline import outline

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


READINGS: Mapping[str, Callable[..., Answer]] = {
    "load": _load,
    "inspect": _inspect,
    "draft": _draft,
    "tell": _told,
    "recording": lambda file, _: ({}, recorded(file)),
}
