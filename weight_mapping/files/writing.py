"""Files that Keras and PyTorch load, written whole or not at all, and read back before they take their place."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weight_mapping.bits import equal
from weight_mapping.errors import PortingError, Unrepresentable, shown
from weight_mapping.files.archive import Archive
from weight_mapping.files.atomic import replacing
from weight_mapping.files.keras_zip import CONFIG, METADATA, WEIGHTS
from weight_mapping.files.opening import open_archive
from weight_mapping.files.safetensors import stream

Array = NDArray[Any]
_ATTRIBUTE_LIMIT = 64512  # HDF5 keeps an object's header below 64 kB; Keras splits lists of names at this length
_UNLIMITED = 1 << 62


def write_legacy_h5(
    path: str | Path,
    *,
    config: Mapping[str, Any] | None,
    layers: Sequence[tuple[str, Sequence[tuple[str, Array]]]],
    keras_version: str,
    backend: str = "tensorflow",
) -> None:
    """HDF5 in the legacy layout: a full model with `config`, weights alone with None. `layers`: (layer name, [(weight
    name, array), …]) in Keras' order."""
    for layer, _ in layers:
        _storable(layer)
    with replacing(path) as temporary:
        with _in_memory() as (file, blob):
            top = file
            if config is not None:
                file.attrs["keras_version"], file.attrs["backend"] = keras_version, backend
                file.attrs["model_config"] = json.dumps(config).encode()
                top = file.create_group("model_weights")
            _names_attribute(top, "layer_names", [layer for layer, _ in layers])
            top.attrs["backend"], top.attrs["keras_version"] = backend.encode(), keras_version.encode()
            for layer, arrays in layers:
                group = top.create_group(layer)
                _names_attribute(group, "weight_names", [_storable(name) for name, _ in arrays])
                for name, array in arrays:
                    group.create_dataset(name, data=_plain(array))
        temporary.write_bytes(blob.getbuffer())
        _compare(open_archive(temporary, max_bytes=_UNLIMITED), [array for _, arrays in layers for _, array in arrays])


def write_v3_weights(path: str | Path, tree: Mapping[str, Array], names: Mapping[str, str]) -> None:
    """Weights in the layout of Keras 3 (`.weights.h5`): `tree` maps "layers/lstm/cell/vars/0" to its array, `names` a
    group ("layers/lstm") to its Keras name; a group named there gets its `vars`, empty or not."""
    with replacing(path) as temporary:
        with _in_memory() as (file, blob):
            _fill_tree(file, tree, names)
        temporary.write_bytes(blob.getbuffer())
        _compare_tree(open_archive(temporary, max_bytes=_UNLIMITED), tree)


def write_keras_zip(
    path: str | Path,
    *,
    config: Mapping[str, Any],
    metadata: Mapping[str, Any],
    tree: Mapping[str, Array],
    names: Mapping[str, str],
) -> None:
    """A `.keras` archive: `metadata` holds keras_version and date_saved; `tree` and `names` as in write_v3_weights."""
    with _in_memory() as (file, blob):
        _fill_tree(file, tree, names)
    with replacing(path) as temporary:
        with zipfile.ZipFile(temporary, "w") as archive:
            archive.writestr(METADATA, json.dumps(metadata))
            archive.writestr(CONFIG, json.dumps(config))
            archive.writestr(WEIGHTS, blob.getbuffer())
        _compare_tree(open_archive(temporary, max_bytes=_UNLIMITED), tree)


def write_safetensors(path: str | Path, arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> None:
    """Safetensors. The library's writer (0.8.0) needs a contiguous copy of every array, and one more of all of them in
    bytes; this one writes part by part. The widest types come first, so that each array is aligned."""
    ordered = dict(sorted(arrays.items(), key=lambda item: -item[1].dtype.itemsize))
    with replacing(path) as temporary:
        with temporary.open("wb") as file:
            stream(file, ordered, metadata)
        archive = open_archive(temporary, max_bytes=_UNLIMITED)
        _compare(archive, [arrays[stored.name] for stored in archive.stored()])


@contextmanager
def _in_memory() -> Iterator[tuple[Any, io.BytesIO]]:
    """An HDF5 file to fill, and where its bytes are then. It is never on a disk: where that is full, closing the file
    breaks the process (HDF5 1.14.6: a segmentation fault)."""
    blob = io.BytesIO()
    with _h5py().File(blob, "w") as file:
        yield file, blob


def _fill_tree(file: Any, tree: Mapping[str, Array], names: Mapping[str, str]) -> None:
    file.create_group("vars")  # the model's own variables: tf_keras looks for the group even where there are none
    for group, name in names.items():
        file.require_group(f"{group}/vars".removeprefix("/")).attrs["name"] = _storable(name)
    for place, array in tree.items():
        file.create_dataset(_storable(place), data=_plain(array))


def _names_attribute(group: Any, name: str, values: Sequence[str]) -> None:
    """A list of names as bytes of one length, in as many attributes as Keras would take (saving/legacy/hdf5_format)."""
    data = np.array([value.encode() for value in values], dtype="S")
    if data.nbytes <= _ATTRIBUTE_LIMIT:
        group.attrs[name] = data
        return
    if data.itemsize > _ATTRIBUTE_LIMIT:
        raise Unrepresentable("a name is longer than HDF5 allows for an attribute", where=shown(values[0]))
    for count, part in enumerate(np.array_split(data, -(-data.nbytes // _ATTRIBUTE_LIMIT))):
        group.attrs[f"{name}{count}"] = part


def _storable(name: str) -> str:
    """The name, if HDF5 can hold it as it is."""
    if not name or "\0" in name or any(part in ("", ".", "..") for part in name.split("/")):
        raise Unrepresentable("HDF5 can't hold this name", where=shown(name), way_out="Rename the layer.")
    return name


def _plain(array: Array) -> Array:
    """A copy in C order and the machine's byte order."""
    return np.array(array, dtype=array.dtype.newbyteorder("="), order="C")


def _compare_tree(archive: Archive, tree: Mapping[str, Array]) -> None:
    stored = archive.tree or {}
    if stored.keys() != tree.keys():
        raise PortingError("the file read back holds other arrays than were written", where=str(archive.path))
    _compare(archive, [tree[name] for name in stored])


def _compare(archive: Archive, arrays: Iterable[Array]) -> None:
    """Raise unless the file holds these arrays bit for bit."""
    for stored, array in zip(archive.stored(), arrays, strict=True):
        found = archive.read(stored)
        same = found.shape == array.shape and found.dtype == array.dtype.newbyteorder("=")
        if not same or not equal(found, array):
            raise PortingError("an array read back differs from what was written", where=shown(stored.name))


def _h5py() -> Any:
    try:
        import h5py
    except ImportError as error:
        raise PortingError(
            "h5py is needed to write Keras' files", way_out="pip install 'lstm-parity[keras]', or pip install h5py"
        ) from error
    return h5py
