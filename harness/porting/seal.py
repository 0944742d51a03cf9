"""The seal of a port: proof.json names every other file of the folder by its SHA-256, and closes with that of its own
text. It tells damage and careless edits; whoever means to deceive can seal anew."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from harness.reading import confined
from weight_mapping.errors import DamagedFile, PortingError, shown
from weight_mapping.files.guard import reading, source
from weight_mapping.files.keras_zip import plain_name
from weight_mapping.files.strict_json import text_of

PROOF, MODEL = "proof.json", "model.safetensors"
_CLOSE, _LINE, _END = "\n}", ',\n "seal": "', '"\n}'


def sealed(proof: Mapping[str, Any], folder: Path, names: Iterable[str]) -> str:
    """The text of proof.json, with the digests of these files of the folder."""
    files = {name: source(folder / name).sha256() for name in names}
    body = json.dumps({**proof, "files": files}, indent=1)
    return body.removesuffix(_CLOSE) + _LINE + _digest(body) + _END


def recheck(folder: Path, *, trusted: bool = False) -> dict[str, Any]:
    """Hold a port to its proof.json: every file bit for bit, every array by its SHA-256, and the oracle's answer to the
    one that the model carries. Returns what was checked; DamagedFile names what is not as it was written."""
    proof = _opened(folder / PROOF)
    for name, digest in proof["files"].items():
        file = source(folder / plain_name(name, PROOF))
        if file.sha256() != digest:
            raise DamagedFile(
                "is not the file that was written", where=shown(file.path), found=f"SHA-256 {file.sha256()}",
                expected=shown(digest), way_out="Port the original again.",
            )  # fmt: skip
    answers = MODEL in proof["files"]
    if answers:
        portable = confined.load(folder / MODEL, verify=True, trusted=trusted)
        if portable.fingerprints() != proof["arrays"]:
            raise DamagedFile("the arrays are not those of the proof", where=shown(folder / MODEL))
    return {
        "folder": str(folder), "files": len(proof["files"]), "arrays": len(proof["arrays"]),
        "ported from": proof["file"]["sha256"], "verdict": proof["verdict"], "oracle": answers,
    }  # fmt: skip


def _opened(path: Path) -> dict[str, Any]:
    """A proof.json whose seal holds."""
    with reading(shown(path)):
        text = text_of(source(path)).decode()
        head, line, tail = text.rpartition(_LINE)
        if not line:
            raise PortingError("a proof without a seal", where=shown(path), way_out="Port the original again.")
        if tail != _digest(head + _CLOSE) + _END:
            raise DamagedFile("the proof is not the one that was written", where=shown(path))
        proof = dict(json.loads(text))
        if not all(isinstance(proof.get(part), dict) for part in ("files", "arrays", "file")):
            raise DamagedFile("another schema of proof", where=shown(path), found=shown(proof.get("schema")))
        return proof


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
