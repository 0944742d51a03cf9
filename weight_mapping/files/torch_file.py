"""PyTorch's `.pt`: a ZIP archive of a pickle and raw storages. The archive is checked here; the pickle is read by
`torch.load(weights_only=True)` alone, which knows tensors and containers and calls nothing else."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from weight_mapping.errors import DamagedFile, PortingError, UnsafeFile, Unsupported, shown
from weight_mapping.files.archive import Archive, Array, Stored
from weight_mapping.files.guard import Source, array_budget, reading
from weight_mapping.files.zipped import SIGNATURE, Members

_TYPES = ("float16", "float32", "float64", "bool", "int8", "uint8", "int16", "int32", "int64")
_NESTED = ("state_dict", "model_state_dict")


def is_torch(members: Members) -> bool:
    """Whether the archive is one of torch.save."""
    return any(name.endswith("/data.pkl") for name in members.infos)


def begins_as_torch(head: bytes) -> bool:
    """The same by a file's first bytes: torch.save writes the pickle first."""
    return head.startswith(SIGNATURE) and b"/data.pkl" in head


def open_torch(members: Members, max_bytes: int) -> Archive:
    """Every tensor of a state_dict by its name, or of one under the key state_dict or model_state_dict."""
    source = members.source
    if any(name.endswith("/constants.pkl") for name in members.infos):
        raise Unsupported("a TorchScript program", where=source.name, way_out="Save the module's state_dict() instead.")
    for info in members.infos.values():
        if info.compress_type != zipfile.ZIP_STORED:
            raise UnsafeFile(
                "a packed member, which torch.save never writes", where=f"{source.name}:{shown(info.filename)}"
            )
        members.open(info.filename, array_budget(source.length, max_bytes))
    tensors = _tensors(source)
    named = {name: _header(name, tensor, f"{source.name}:{shown(name)}") for name, tensor in tensors.items()}
    array_budget(source.length, max_bytes).spend(sum(s.nbytes for s in named.values()), source.name)

    def read(stored: Stored) -> Array:
        with reading(f"{source.name}:{shown(stored.name)}"):
            return np.array(tensors[stored.name].detach().numpy(), order="C")

    return Archive(container="pt", path=source.path, sha256=source.sha256(), named=named, reader=read)


def _tensors(source: Source) -> dict[str, Any]:
    try:
        import torch
    except ImportError as error:
        raise PortingError(
            "PyTorch is needed to read its files", where=source.name, way_out="pip install 'lstm-parity[torch]'"
        ) from error
    if torch.__version__ < "2.10":  # its weights_only could be led to run code before
        raise Unsupported(
            "PyTorch before 2.10 is not safe to read files with", where=source.name, found=torch.__version__
        )
    import pickle

    with reading(source.name):
        try:
            content = torch.load(source.path, map_location="cpu", weights_only=True, mmap=True)
        except pickle.UnpicklingError as error:
            raise UnsafeFile(
                "the file asks for more than tensors",
                where=source.name,
                found=str(error).partition("\n")[0],
                expected="a state_dict",
                way_out="Save module.state_dict() instead of the module.",
            ) from error
    for key in _NESTED:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
            break
    if not isinstance(content, Mapping) or not content:
        raise DamagedFile("the file holds no state_dict", where=source.name, found=type(content).__name__)
    wrong = next((name for name, value in content.items() if not isinstance(value, torch.Tensor)), None)
    if wrong is not None:
        raise DamagedFile("the state_dict holds a thing that is no tensor", where=f"{source.name}:{shown(wrong)}")
    return {str(name): tensor for name, tensor in content.items()}


def _header(name: str, tensor: Any, where: str) -> Stored:
    dtype = str(tensor.dtype).removeprefix("torch.")
    if tensor.is_sparse or tensor.is_quantized or str(tensor.layout) != "torch.strided" or tensor.is_meta:
        raise Unsupported("a sparse, quantised or empty tensor", where=where, way_out="Make it dense before saving.")
    if dtype not in _TYPES:
        raise Unsupported(
            "a tensor of a type that is not read here", where=where, found=dtype, way_out="Cast it to float32."
        )
    stored = Stored(name=name, path=name, shape=tuple(tensor.shape), dtype=np.dtype(dtype))
    if stored.nbytes > tensor.untyped_storage().nbytes():
        raise UnsafeFile(
            "the tensor declares more than it stores",
            where=where,
            found=f"{tensor.untyped_storage().nbytes():,} bytes",
            expected=f"{stored.nbytes:,}",
        )
    return stored
