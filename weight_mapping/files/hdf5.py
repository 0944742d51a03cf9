"""The structure of an HDF5 file, by pyfive's low-level parts: groups, their attributes, and the headers of the arrays.

Only hard links are followed, each object is met once, and depth and number of objects are bounded. pyfive's own `File`
is not used: it follows soft links, and returns zeros for data that lie in another file."""

from __future__ import annotations

import struct
import warnings
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from weight_mapping.errors import DamagedFile, UnsafeFile, shown
from weight_mapping.files.guard import Budget, Source, View, reading
from weight_mapping.files.hdf5_checksum import check_header, check_superblock
from weight_mapping.files.hdf5_data import Dataset, header

SIGNATURE = b"\x89HDF\r\n\x1a\n"
MAX_DEPTH = 32
MAX_NODES = 100_000
# Object header messages, "HDF5 File Format Specification 3.0", IV.A.2
_DATASPACE, _LINK_INFO, _LINK, _GROUP_INFO, _SYMBOL_TABLE = 0x01, 0x02, 0x06, 0x0A, 0x11
_GROUP_MESSAGES = {_LINK_INFO, _LINK, _GROUP_INFO, _SYMBOL_TABLE}
_LINK_KINDS = {1: "a soft link", 64: "an external link"}


@dataclass(frozen=True, slots=True)
class Tree:
    """The objects of a file by path without a leading slash; the root group is ''."""

    groups: Mapping[str, Mapping[str, Any]]
    """Each group's attributes."""
    datasets: Mapping[str, Dataset]


def read_tree(source: Source, budget: Budget, wanted: Callable[[str], bool]) -> Tree:
    """Every group and array header but those under the root's children that are not `wanted`."""
    with reading(source.name), source.view() as view, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pyfive warns of attributes that it can't read; they are not asked for
        return _walk(source, view, budget, wanted)


def _walk(source: Source, view: View, budget: Budget, wanted: Callable[[str], bool]) -> Tree:
    from pyfive.dataobjects import DataObjects

    groups: dict[str, Mapping[str, Any]] = {}
    datasets: dict[str, Dataset] = {}
    heaps: dict[int, Any] = {}
    root = _root_address(source, view)
    queue, known = deque([("", root, 0)]), {root}
    while queue:
        path, address, depth = queue.popleft()
        where = f"{source.name}:{shown(path)}"
        with reading(where):
            check_header(view, address, where)
            objects = DataObjects(view, address, global_heaps=heaps)
            kinds = {message["type"] for message in objects.msgs}
            if _DATASPACE in kinds:
                datasets[path] = header(objects, view, where, budget)
                continue
            if not kinds & _GROUP_MESSAGES:
                raise DamagedFile("neither a group nor an array", where=where)
            groups[path] = objects.get_attributes()
            links = _links(objects, where)
        _check_bounds(where, depth, len(known) + len(links))
        for name, target in links.items():
            if depth == 0 and not wanted(name):
                continue
            _check_new(target, known, f"{where}/{shown(name)}")
            known.add(target)
            queue.append((f"{path}/{name}" if path else name, target, depth + 1))
    return Tree(groups, datasets)


def _root_address(source: Source, view: View) -> int:
    from pyfive.misc_low_level import SuperBlock

    superblock = SuperBlock(view, 0)
    if superblock.version >= 2:
        check_superblock(view, source.name)
    end = superblock._contents["end_of_file_address"]
    if superblock._contents["base_address"] != 0:
        raise DamagedFile("the HDF5 data begin elsewhere in the file", where=source.name)
    if end > source.length:
        raise DamagedFile(
            "the file is truncated",
            where=source.name,
            found=f"{source.length:,} bytes",
            expected=f"{end:,}",
            way_out="Fetch the file again.",
        )
    return int(superblock.offset_to_dataobjects)


def _check_new(target: int, known: set[int], where: str) -> None:
    if target in known:
        raise UnsafeFile("two links lead to one object", where=where, expected="a tree, as Keras writes it")


def _check_bounds(where: str, depth: int, nodes: int) -> None:
    if depth >= MAX_DEPTH:
        raise UnsafeFile("groups are nested too deeply", where=where, expected=f"at most {MAX_DEPTH}")
    if nodes > MAX_NODES:
        raise UnsafeFile("too many groups and arrays", where=where, found=nodes, expected=f"at most {MAX_NODES:,}")


def _links(objects: Any, where: str) -> dict[str, int]:
    """The group's links by name, each of them hard."""
    decode = objects._decode_link_msg

    def hard_only(data: bytes, offset: int) -> Any:
        _refuse_other_links(data, offset, where)
        return decode(data, offset)

    objects._decode_link_msg = hard_only  # all that pyfive reads as a link message goes through here
    links: dict[str, int | str] = objects.get_links()
    for name, target in links.items():
        if isinstance(target, str):  # a soft link of a symbol table
            raise _refused(_LINK_KINDS[1], name, where)
    return {name: int(target) for name, target in links.items()}


def _refuse_other_links(data: bytes, offset: int, where: str) -> None:
    """Read a link message as far as its kind and name (IV.A.2.g); raise unless it is a hard link."""
    _, flags, kind = struct.unpack_from("<BBB", data, offset)
    if not flags & 8 or kind == 0:
        return
    at = offset + 3 + (8 if flags & 4 else 0) + (1 if flags & 16 else 0)
    width = 1 << (flags & 3)
    size = int.from_bytes(data[at : at + width], "little")
    name = data[at + width : at + width + size].decode("utf-8", "replace")
    raise _refused(_LINK_KINDS.get(kind, f"a link of the kind {kind}"), name, where)


def _refused(kind: str, name: str, where: str) -> UnsafeFile:
    return UnsafeFile(
        f"{kind} leads elsewhere",
        where=f"{where.removesuffix('/')}/{shown(name)}",
        expected="hard links only: a model file holds its own data",
        way_out="Save the model anew with Keras.",
    )
