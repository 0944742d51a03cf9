"""`verify DIR`: a finished port is as it was written, or the file that is not is named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from harness.cli import main
from harness.porting import seal
from weight_mapping.errors import DamagedFile, PortingError
from weight_mapping.files import guard

GOLDEN = Path(__file__).parents[1] / "golden"
FILE = GOLDEN / "k2.2.4_tensorflow_bi.h5"


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(a) for a in arguments])
    return int(ended.value.code or 0)


@pytest.fixture
def port(tmp_path: Path) -> Path:
    assert run("port", FILE, "-o", tmp_path / "port") == 0
    return tmp_path / "port"


@pytest.mark.parametrize("options", [[], ["--no-proof"], ["--standalone"], ["--to", "keras"]], ids=str)
def test_a_port_as_it_was_written(options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("port", FILE, "-o", tmp_path / "port", *options) == 0
    capsys.readouterr()
    assert run("verify", tmp_path / "port", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["files"] == len(list((tmp_path / "port").iterdir())) - 1 and found["arrays"] >= 6
    assert found["oracle"] == ("--to" not in options)


def test_a_flipped_bit_is_found_wherever_it_lies(port: Path) -> None:
    """Every file of the folder, thirty bits each, drawn with a seed."""
    rng = np.random.default_rng(8)
    for path in sorted(port.iterdir()):
        raw = path.read_bytes()
        for _ in range(30):
            changed = bytearray(raw)
            changed[rng.integers(len(raw))] ^= 1 << int(rng.integers(8))
            path.write_bytes(changed)
            with pytest.raises(DamagedFile):
                seal.recheck(port, trusted=True)
        path.write_bytes(raw)
    assert seal.recheck(port, trusted=True)["verdict"] == "holds"


def test_the_command_names_the_file_and_exits_with_3(port: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = bytearray((port / "model.safetensors").read_bytes())
    raw[-1] ^= 1
    (port / "model.safetensors").write_bytes(raw)
    assert run("verify", port) == 3
    error = capsys.readouterr().err
    assert "model.safetensors: is not the file that was written" in error and error.count("\n") == 1


def test_without_the_digests_of_files_the_arrays_tell(port: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second check, and the third: an array's own digest, then the oracle's answer."""
    from weight_mapping import proving, weights

    path = port / "model.safetensors"
    raw = bytearray(path.read_bytes())
    raw[-2] ^= 0x40
    path.write_bytes(raw)
    proof = json.loads((port / "proof.json").read_text())
    monkeypatch.setattr(guard.Source, "sha256", lambda source: proof["files"].get(source.path.name, ""))
    with pytest.raises(DamagedFile, match="an array is not the one"):
        seal.recheck(port, trusted=True)
    monkeypatch.setattr(weights.Portable, "fingerprints", lambda _: proof["arrays"])
    with pytest.raises(DamagedFile, match="answer is not the proof's"):
        seal.recheck(port, trusted=True)
    monkeypatch.setattr(proving, "_compare", lambda *_: None)
    assert seal.recheck(port, trusted=True)  # every check taken away, the wrong port passes


def test_a_file_that_is_gone_or_named_elsewhere(port: Path) -> None:
    proof = json.loads((port / "proof.json").read_text())
    (port / "spec.json").rename(port / "aside.json")
    with pytest.raises(PortingError, match=r"spec\.json"):
        seal.recheck(port, trusted=True)
    (port / "aside.json").rename(port / "spec.json")
    del proof["files"], proof["seal"]
    body = json.dumps({**proof, "files": {"../../etc/passwd": "0"}}, indent=1)
    line = f"{seal._LINE}{seal._digest(body)}{seal._END}"
    (port / "proof.json").write_text(body.removesuffix(seal._CLOSE) + line)
    with pytest.raises(DamagedFile, match="leads elsewhere"):
        seal.recheck(port, trusted=True)


def test_what_is_no_port(tmp_path: Path) -> None:
    assert run("verify", tmp_path) == 2
    assert run("verify", tmp_path / "nowhere") == 4
    (tmp_path / "proof.json").write_text("{}")
    assert run("verify", tmp_path) == 2
    assert run("verify", tmp_path, "--no-bench") == 4
