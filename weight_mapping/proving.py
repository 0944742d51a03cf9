"""The proof that a port's safetensors file carries: what every array was, bit for bit, and what the oracle answered."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from weight_mapping import oracle
from weight_mapping.errors import DamagedFile, PortingError, shown
from weight_mapping.files.archive import Archive
from weight_mapping.probe import probe
from weight_mapping.spec import Custom, leaves
from weight_mapping.weights import Array, Portable

SCHEMA = 1
_KEPT = 64
"""How many numbers of each output are kept, evenly spaced over it."""
_TOLERANCE = 1e-6
"""Of an output's scale: far above what float64 rounds on any machine, far below what another meaning changes."""


def stored_proof(portable: Portable, spec: str, *, seed: int = 0, outputs: bool = True) -> str:
    """The metadata `proof` of a safetensors file whose metadata `spec` is this text: SHA-256 of the text and of every
    array, and, with `outputs`, the oracle's answer to `probe(spec, seed)`. A model with a layer of its author's own has
    no answer."""
    known = not any(isinstance(leaf, Custom) for _, leaf in leaves(portable.spec))
    kept = (
        [{"shape": list(y.shape), "values": _kept(y)} for y in _answer(portable, seed)] if outputs and known else None
    )
    document = {
        "schema": SCHEMA, "spec": _digest(spec), "arrays": portable.fingerprints(), "seed": seed, "outputs": kept,
    }  # fmt: skip
    return json.dumps(document)


def check_unchanged(archive: Archive, portable: Portable) -> None:
    """Hold the arrays and the spec of a loaded port to the digests in its file. DamagedFile names the array that is
    another, or says that the spec is."""
    where = str(archive.path)
    told = _read(archive.metadata["proof"], where)
    found = portable.fingerprints()
    changed = sorted(
        name for name in found.keys() | told["arrays"].keys() if found.get(name) != told["arrays"].get(name)
    )
    if changed:
        was, is_now = (prints.get(changed[0], "no such array") for prints in (told["arrays"], found))
        raise DamagedFile(
            "an array is not the one that was written", where=f"{where}:{shown(changed[0])}",
            found=f"SHA-256 {is_now}", expected=shown(was),
            way_out="Port the model again, or write the changed one with weight_mapping.save.",
        )  # fmt: skip
    if _digest(archive.metadata["spec"]) != told["spec"]:
        raise DamagedFile("the spec is not the one that was written", where=f"{where}:spec")


def prove_again(archive: Archive, portable: Portable) -> None:
    """Hold a loaded port to the answer that the proof in its file tells: DamagedFile where the oracle's is another now,
    PortingError where the file carries no proof. Its digests were compared when it was loaded."""
    where = str(archive.path)
    if "proof" not in archive.metadata or archive.container != "safetensors":
        raise PortingError(
            "the file carries no proof", where=where, found=archive.container,
            expected="the model.safetensors of a port", way_out="Port it again, or load it without verify=True.",
        )  # fmt: skip
    told = _read(archive.metadata["proof"], where)
    if told["outputs"] is not None:
        _compare(told["outputs"], _answer(portable, told["seed"]), where)


def _read(text: str, where: str) -> dict[str, Any]:
    try:
        told = json.loads(text)
        fits = told["schema"] == SCHEMA and isinstance(told["arrays"], Mapping) and isinstance(told["seed"], int)
        listed = told["outputs"] is None or all({"shape", "values"} <= one.keys() for one in told["outputs"])
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError) as problem:
        raise DamagedFile("a proof that can't be read", where=f"{where}:proof", found=shown(problem)) from problem
    if not (fits and listed):
        raise DamagedFile("another schema of proof", where=f"{where}:proof", found=shown(told.get("schema")))
    return dict(told)


def _answer(portable: Portable, seed: int) -> list[Array]:
    return oracle.outputs(portable, *probe(portable.spec, seed))


def _kept(y: Array) -> list[float]:
    flat = np.asarray(y, np.float64).ravel()
    return [float(v) for v in flat[np.linspace(0, flat.size - 1, min(flat.size, _KEPT)).astype(int)]]


def _compare(told: list[Mapping[str, Any]], found: list[Array], where: str) -> None:
    if [one["shape"] for one in told] != [list(y.shape) for y in found]:
        raise DamagedFile("the outputs have other shapes than in the proof", where=where)
    for n, (one, y) in enumerate(zip(told, found, strict=True)):
        expected, scale = np.asarray(one["values"], np.float64), float(np.abs(y).max(initial=0.0))
        if not np.allclose(_kept(y), expected, rtol=0.0, atol=_TOLERANCE * (scale or 1.0), equal_nan=True):
            apart = float(np.abs(np.asarray(_kept(y)) - expected).max())
            raise DamagedFile("the oracle's answer is not the proof's", where=f"{where}:output {n}", found=apart)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
