"""Hostile files, a row each: what makes one of a sound one; a file here for each thing that is attacked. They are made
anew each time; nothing is checked in."""

from __future__ import annotations

from collections.abc import Mapping

from attacks import (
    checkpoints,
    configurations,
    folders,
    graphs,
    hdf5,
    hdf5_bytes,
    keras_zips,
    no_models,
    ports,
    savedmodels,
    shards,
    sizes,
    tfjs,
    torch_files,
)
from attacks.changed_h5 import Make
from attacks.names import NAMES, STRANGE

__all__ = ["ATTACKS", "NAMES", "SOUND", "STRANGE", "Make"]
_SOUND = (
    hdf5, hdf5_bytes, configurations, sizes, graphs, keras_zips, shards, ports, torch_files, tfjs, checkpoints,
    savedmodels, folders,
)  # fmt: skip

ATTACKS: Mapping[str, Make] = {name: make for part in (*_SOUND, no_models) for name, make in part.ATTACKS.items()}
SOUND: Mapping[str, Make] = {name: make for part in _SOUND for name, make in part.SOUND.items()}
"""The benign neighbour of each kind of attack: made in the same way, with nothing changed."""
