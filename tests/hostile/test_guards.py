"""The guard of each guard: an attack is refused, and with its check taken away it gets through. So the attacks are
real, and each check is what stops them. `CLAUSES` are those of the test list; each has its guard here or elsewhere."""

from __future__ import annotations

import ast
import os
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from attacks import ATTACKS, Make
from attacks.changed_h5 import array, h5, option
from attacks.checkpoints import checkpoint, numbers
from attacks.graphs import entry, graph, layer, lstm, stacked, tensor, wide
from attacks.keras_zips import zipped
from attacks.no_models import written
from attacks.ports import tensors
from attacks.savedmodels import field, savedmodel
from attacks.sizes import sequences
from attacks.tfjs import tfjs

import weight_mapping as wm
from harness.porting import affordable
from weight_mapping import exchange
from weight_mapping.errors import PortingError
from weight_mapping.files import checkpoint as checkpoints
from weight_mapping.files import guard, hdf5, hdf5_data, open_archive, opening, protobuf, safetensors, strict_json
from weight_mapping.files import tfjs as shards
from weight_mapping.files import zipped as zips
from weight_mapping.keras_config import calls, values
from weight_mapping.loading import understand

TESTS = Path(__file__).parents[1]
Patch = tuple[Any, str, Any]
CLAUSES: Mapping[str, str] = {
    "S01": "links to other files", "S02": "soft links", "S03": "cycles, depth, number of groups",
    "S04": "data in other files", "S05": "virtual arrays", "S06": "more declared than stored",
    "S07": "what inflates without end", "S08": "unknown filters", "S09": "archives that lead out or lie",
    "S10": "weights that contradict the configuration", "S11": "numbers that are none", "S12": "types of arrays",
    "S13": "files cut short", "S14": "flipped bytes", "S15": "JSON", "S16": "code in a configuration",
    "S17": "names", "S18": ".pt", "S19": "safetensors", "S20": "results of a stranger's", "S21": "writes",
    "S22": "arrays that lie otherwise in memory", "S24": "the reader against h5py",
    "graphs": "a model's size as a graph", "sizes": "what a run costs: steps, padding, batch", "masks": "masks",
    "tfjs": "shards",
}  # fmt: skip


def nothing(*_: Any, **__: Any) -> None:
    """In place of a check."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """`said` is what the refusal says; `without` takes the check away; `load` then goes through. `under` makes a limit
    small, so that the attack can be: it holds both times."""

    clause: str
    attack: Make
    said: str
    without: tuple[Patch, ...]
    load: Callable[[Path], Any] = open_archive
    under: tuple[Patch, ...] = ()


def hard_links(objects: Any, _where: str) -> dict[str, int]:
    """A reader that passes over the links that it doesn't know."""
    decode = objects._decode_link_msg

    def as_soft(data: bytes, at: int) -> Any:
        kind = bytes([min(data[at + 2], 1)]) if data[at + 1] & 8 else data[at + 2 : at + 3]
        return decode(data[: at + 2] + kind + data[at + 3 :], at)

    objects._decode_link_msg = as_soft
    return {name: target for name, target in objects.get_links().items() if isinstance(target, int)}


def aside(thing: Any) -> Make:
    return h5(lambda file: file.__setitem__("aside", thing))


def window(source: Any, info: Any, _where: str) -> Any:
    """A stored member's bytes, believed."""
    local = source.read(info.header_offset, 30)
    start = info.header_offset + 30 + sum(int.from_bytes(local[at : at + 2], "little") for at in (26, 28))
    return source.part(info.filename, start, info.file_size)


def twice(folder: Path) -> Path:
    """An archive with two configurations."""
    path = zipped(lambda members: None)(folder)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("config.json", b'{"class_name": "Evil"}')
    return path


def bomb(file: Any) -> None:
    file.create_dataset("model_weights/b", data=np.zeros(1 << 18, np.float32), chunks=(1 << 18,), compression="gzip")


def many_nodes(model: Path) -> None:
    path = model / "keras_metadata.pb"
    path.write_bytes(path.read_bytes() + field(1, b"") * 120)


def cut(folder: Path) -> Path:
    path = h5(nothing)(folder)
    path.write_bytes(path.read_bytes()[:-8])
    return path


def root_believed(_source: Any, view: Any) -> int:
    from pyfive.misc_low_level import SuperBlock

    return int(SuperBlock(view, 0).offset_to_dataobjects)


def elsewhere(model: dict[str, Any], folder: Path) -> None:
    (folder / "a.bin").rename(folder.parent / "secret.bin")
    model["weightsManifest"][0]["paths"] = ["../secret.bin"]


def beside(folder: Path) -> Callable[[str], guard.Source]:
    return lambda name: guard.source(folder / name)


def document(text: bytes) -> Make:
    return written("d.json", text)


def parsed(path: Path) -> Any:
    return strict_json.parse_object(path.read_bytes(), path.name)


def proved(path: Path) -> bool:
    affordable.check(wm.load(path))
    return True


def understood(path: Path) -> Any:
    return understand(open_archive(path))


def read_all(path: Path) -> bool:
    archive = open_archive(path)
    return bool([archive.read(stored) for stored in archive.stored()])


def masked_by_a_constant() -> list[Any]:
    call = {"args": [tensor("i")], "kwargs": {"mask": [[True] * 6]}}
    return [entry("i"), {**lstm(tensor("i")), "inbound_nodes": [call]}]


ENTRY = b'{"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}'
_NO_PLACES: tuple[Patch, ...] = (
    (hdf5_data, "_same", nothing), (guard.View, "within", nothing), (guard.Budget, "spend", nothing),
)  # fmt: skip
GUARDS: Mapping[str, Guard] = {
    "external link": Guard(
        clause="S01", attack=aside(h5py.ExternalLink("/etc/passwd", "/x")), said="external link",
        without=((hdf5, "_links", hard_links),),
    ),
    "soft link": Guard(
        clause="S02", attack=aside(h5py.SoftLink("/model_weights")), said="soft link",
        without=((hdf5, "_links", hard_links),),
    ),
    "two names of one group": Guard(
        clause="S03", attack=h5(lambda f: f.__setitem__("aside", f.create_group("model_weights/empty"))),
        said="two links", without=((hdf5, "_check_new", nothing),),
    ),
    "depth": Guard(clause="S03", attack=ATTACKS["h5 deep"], said="too deeply", without=((hdf5, "MAX_DEPTH", 1000),)),
    "groups": Guard(
        clause="S03", attack=h5(lambda f: [f.create_group(f"g{n}") for n in range(60)]), said="too many groups",
        under=((hdf5, "MAX_NODES", 50),), without=((hdf5, "MAX_NODES", 1000),),
    ),
    "data in another file": Guard(
        clause="S04", attack=ATTACKS["h5 external storage"], said="another file",
        without=((hdf5_data, "_EXTERNAL", -1), *_NO_PLACES),
    ),
    "virtual": Guard(
        clause="S05", attack=ATTACKS["h5 virtual"], said="virtual", without=((hdf5_data, "_place", nothing),)
    ),
    "4 TiB": Guard(clause="S06", attack=ATTACKS["h5 4 TiB"], said="bytes", without=_NO_PLACES),
    "gzip": Guard(
        clause="S07", attack=h5(bomb), said="unpacks to far more", under=((hdf5_data, "_SMALL", 1 << 10),),
        without=((hdf5_data, "MAX_RATIO", 10_000),),
    ),
    "zip": Guard(
        clause="S07", attack=zipped(lambda m: m.update({"more": bytes(8 << 20)}), zipfile.ZIP_DEFLATED),
        said="unpacks to far more", without=((zips, "MAX_RATIO", 10_000),),
    ),
    "a hole behind a shard's arrays": Guard(
        clause="S06", attack=checkpoint(lambda folder: os.truncate(numbers(folder), 1 << 20)), said="behind its last",
        without=((checkpoints, "_check_ends", nothing),),
    ),
    "a message of many fields": Guard(
        clause="S13", attack=savedmodel(many_nodes), said="too many fields", under=((protobuf, "MOST", 100),),
        without=((protobuf, "MOST", 1000),),
    ),
    "filter": Guard(
        clause="S08", attack=ATTACKS["h5 unknown filter"], said="filter 6",
        without=((hdf5_data, "FILTERS", {**hdf5_data.FILTERS, 6: "scale-offset"}),),
    ),
    "a name that leads out": Guard(
        clause="S09", attack=ATTACKS["zip slip"], said="leads out", without=((zips, "_check", nothing),)
    ),
    "a packing of its own": Guard(
        clause="S09", attack=ATTACKS["zip in LZMA"], said="packed in a way", without=((zips, "_check", nothing),)
    ),
    "encrypted": Guard(
        clause="S09", attack=ATTACKS["zip encrypted"], said="encrypted", without=((zips, "_check", nothing),)
    ),
    "junk before it": Guard(
        clause="S09", attack=ATTACKS["zip behind junk"], said="precedes", without=((zips, "_check_places", nothing),)
    ),
    "one name twice": Guard(
        clause="S09", attack=twice, said="one name", without=((zips, "Counter", lambda names: {}),),
        load=lambda path: zips.members(guard.source(path)),
    ),
    "members": Guard(
        clause="S09", attack=zipped(lambda m: m.update({f"assets/{n}": b"" for n in range(20)})),
        said="too many members", under=((zips, "MAX_MEMBERS", 10),), without=((zips, "MAX_MEMBERS", 1000),),
    ),
    "headers that disagree": Guard(
        clause="S09", attack=ATTACKS["zip encrypted below"], said="disagree", without=((zips, "_window", window),)
    ),
    "a member's checksum": Guard(
        clause="S09", attack=ATTACKS["zip changed"], said="checksum", without=((zips, "_window", window),)
    ),
    "bfloat16": Guard(
        clause="S12", attack=array(dtype="V2", data=np.zeros((3, 20), "V2")), said="opaque",
        without=((hdf5_data, "_dtype", lambda *_: np.dtype("<f2")), (hdf5_data, "_same", nothing)),
    ),
    "cut": Guard(
        clause="S13", attack=cut, said="truncated",
        without=((hdf5, "_root_address", root_believed), (guard.View, "within", nothing)),
    ),
    "a deep document": Guard(
        clause="S15", attack=document(b'{"a": ' + b"[" * 300 + b"]" * 300 + b"}"), said="too deeply", load=parsed,
        without=((strict_json, "MAX_DEPTH", 1000),),
    ),
    "a long document": Guard(
        clause="S15", attack=document(b'{"a": "' + b"x" * 300 + b'"}'), said="too large", load=parsed,
        under=((strict_json, "MAX_BYTES", 100),), without=((strict_json, "MAX_BYTES", 1000),),
    ),
    "a document of many values": Guard(
        clause="S15", attack=document(b'{"a": [' + b"[]," * 60 + b"[]]}"), said="too many values", load=parsed,
        under=((strict_json, "MAX_VALUES", 100),), without=((strict_json, "MAX_VALUES", 1000),),
    ),
    "a key twice": Guard(
        clause="S15", attack=document(b'{"a": 1, "a": 2}'), said="twice", load=parsed,
        without=((strict_json, "_object", dict),),
    ),
    "NaN": Guard(
        clause="S15", attack=document(b'{"a": NaN}'), said="no such number", load=parsed,
        without=((strict_json, "_constant", float), (strict_json, "_check_leaf", nothing)),
    ),
    **{
        name: Guard(
            clause="S15", attack=document(text), said=said, load=parsed,
            without=((strict_json, "_check_leaf", nothing),),
        )
        for name, text, said in (
            ("1e400", b'{"a": 1e400}', "beyond float64"), ("a long integer", b'{"a": %d}' % (1 << 70), "64 bits"),
            ("half a surrogate", rb'{"a": "\ud800"}', "surrogate"),
        )
    },
    "overlap": Guard(
        clause="S19", attack=ATTACKS["safetensors overlap"], said="overlap",
        without=((safetensors, "_check_places", nothing),),
    ),
    "hole": Guard(
        clause="S19", attack=tensors({"a": {"dtype": "U8", "shape": [1], "data_offsets": [3, 4]}}, bytes(4)),
        said="hole", without=((safetensors, "_check_places", nothing),), load=read_all,
    ),
    "an array that is another": Guard(
        clause="S14", attack=ATTACKS["port of another weight"], said="an array is not the one", load=wm.load,
        without=((exchange, "check_unchanged", nothing),),
    ),
    "a spec that is another": Guard(
        clause="S14", attack=ATTACKS["spec of another layer"], said="the spec is not the one", load=wm.load,
        without=((exchange, "check_unchanged", nothing),),
    ),
    "an array twice": Guard(
        clause="S19", attack=tensors(b'{"a": %b, "a": %b}' % ((ENTRY,) * 2), bytes(1)), said="twice",
        without=((strict_json, "_object", dict),), load=read_all,
    ),
    "layers": Guard(
        clause="graphs", attack=graph(lambda: wide(30)), said="larger than any", load=wm.load,
        under=((values, "MOST", 20),), without=((values, "MOST", 1000),),
    ),
    "tensors of one call": Guard(
        clause="graphs", attack=graph(lambda: [*wide(0)[:2], layer("Add", "a", [[tensor("lstm")] * 30])]),
        said="30 tensors of one call", load=wm.load, under=((values, "MOST", 20),), without=((values, "MOST", 1000),),
    ),
    "cells": Guard(
        clause="graphs", attack=graph(lambda: stacked(30)), said="30 cells", load=understood,
        under=((values, "MOST", 20),), without=((values, "MOST", 1000),),
    ),
    "a float of its own": Guard(
        clause="S12", attack=ATTACKS["h5 float of its own"], said="float, 4 bytes",
        without=((hdf5_data, "_ORDERS", 0), (hdf5_data, "_IMPLIED", 0)),
    ),
    "outputs": Guard(
        clause="graphs", attack=graph(lambda: [entry("i"), lstm(tensor("i"))], ends=[["lstm", 0, 0]] * 30),
        said="larger than any", load=wm.load, under=((values, "MOST", 20),), without=((values, "MOST", 1000),),
    ),
    "padding": Guard(
        clause="sizes", attack=sequences("ZeroPadding1D", padding=[1000, 0]), said="too large to be run", load=proved,
        under=((affordable, "MOST_KEPT", 10_000),), without=((affordable, "MOST_KEPT", 100_000),),
    ),
    "batch": Guard(
        clause="sizes", attack=option(batch_input_shape=[1000, 6, 3]), said="too large to be run", load=proved,
        under=((affordable, "MOST_NUMBERS", 10_000),), without=((affordable, "MOST_NUMBERS", 100_000),),
    ),
    "steps": Guard(
        clause="sizes", attack=option(batch_input_shape=[None, 3000, 3]), said="too large to be run", load=proved,
        under=((affordable, "MOST_SECONDS", 0.01),), without=((affordable, "MOST_SECONDS", 1),),
    ),
    "a mask that is no tensor": Guard(
        clause="masks", attack=graph(masked_by_a_constant), said="mask that is no tensor", load=wm.load,
        without=((calls, "_tensors_alone", bool),),
    ),
    "a shard elsewhere": Guard(
        clause="tfjs", attack=tfjs(elsewhere), said="leads elsewhere", load=read_all,
        without=((shards, "plain_name", lambda name, _: name), (opening, "_finder", beside)),
    ),
}  # fmt: skip
ELSEWHERE: Mapping[str, str] = {
    "S06": "hostile/test_hdf5.py::test_the_bombs_cost_no_memory",
    "S10": "hostile/test_mismatches.py::test_without_its_check_the_attack_succeeds",
    "S11": "commands/test_bad_values.py::test_without_its_check_a_weight_that_is_no_number_is_not_told",
    "S14": "hostile/test_fuzz.py::test_the_fuzz_sees_a_crash_a_hang_and_a_change",
    "S16": "hostile/test_configurations.py::test_without_the_check_an_author_s_layer_is_taken_for_keras_own",
    "S17": "hostile/test_commands.py::test_without_escaping_a_name_would_reach_the_terminal",
    "S18": "hostile/test_torch_files.py::test_without_weights_only_it_would_run",
    "S20": "hostile/test_results_of_a_stranger.py::test_a_field_of_another_type_is_refused",
    "S21": "commands/test_interrupted_writes.py::test_the_kills_would_find_a_file_written_in_place",
    "S22": "files/test_writing.py::test_a_writer_that_ignores_strides_is_caught",
    "S24": "hostile/test_fuzz.py::test_the_comparison_with_h5py_sees_other_numbers",
}
"""Where a clause's guard needs more than a patch."""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", GUARDS)
def test_with_the_check_it_is_refused_and_without_it_gets_through(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = GUARDS[name]
    path = own.attack(tmp_path)
    for patch in own.under:
        monkeypatch.setattr(*patch)
    with pytest.raises(PortingError, match=own.said):
        own.load(path)
    for patch in own.without:
        monkeypatch.setattr(*patch)
    assert own.load(path)


def test_every_clause_has_its_guard() -> None:
    assert set(CLAUSES) == {own.clause for own in GUARDS.values()} | set(ELSEWHERE)
    for place in ELSEWHERE.values():
        file, _, name = place.partition("::")
        tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, place
