"""`port --to onnx` as a user runs it: what is written, what it needs, and that a wrong answer is seen."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.cli import main

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
FILE = Path(__file__).parents[1] / "golden" / "k2.2.4_tensorflow_lstm_hs.h5"
WRITTEN = {"model.onnx", "spec.json", "proof.json", "results.json", "report.html"}


def run(output: Path, *options: str, file: Path = FILE) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["port", str(file), "--to", "onnx", "-o", str(output), *options])
    return int(ended.value.code or 0)


def test_a_port_is_written_with_its_proof(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path) == 0
    said = capsys.readouterr().out
    assert "lstm_10: LSTM(5) tanh, hard_sigmoid(slope=1/5) -> LSTM" in said and "outputs float32: holds" in said
    assert {path.name for path in tmp_path.iterdir()} == WRITTEN
    proof = json.loads((tmp_path / "proof.json").read_text())
    (check,) = proof["checks"]
    assert proof["verdict"] == "holds" and check["backend"] == "ONNX Runtime" and check["check"] == "outputs float32"
    ran = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    with np.load(FILE.with_suffix(".npz")) as recorded:
        (y,) = ran.run(None, {ran.get_inputs()[0].name: recorded["x"].astype(np.float32)})
        assert np.abs(y - recorded["y0"]).max() < 1e-5


def test_a_masked_model_is_proven_in_float64_too(tmp_path: Path) -> None:
    """It is a loop, which the runtime has in both; its LSTM it has in float32 alone."""
    assert run(tmp_path, file=FILE.with_name("k2.2.4_tensorflow_mask.h5")) == 0
    checks = json.loads((tmp_path / "proof.json").read_text())["checks"]
    assert [check["check"] for check in checks] == ["outputs float64", "outputs float32"]


def _fresh(lines: str) -> subprocess.CompletedProcess[str]:
    script = f"import sys\n{lines}\nprint('LOADED', *{{name.split('.')[0] for name in sys.modules}})"
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)


def _port(output: Path, *options: str) -> str:
    arguments = ["port", str(FILE), "--to", "onnx", "-o", str(output), *options]
    return (
        f"from harness.cli import main\ntry:\n    main({arguments})\nexcept SystemExit as ended:\n    code = ended.code"
    )


def test_pytorch_is_not_needed(tmp_path: Path) -> None:
    ran = _fresh(f"sys.modules['torch'] = None\n{_port(tmp_path)}\nassert not code\ndel sys.modules['torch']")
    assert ran.returncode == 0, ran.stderr
    assert not {"torch", "tensorflow", "keras"} & set(ran.stdout.rsplit("LOADED", 1)[1].split())
    assert {path.name for path in tmp_path.iterdir()} == WRITTEN


@pytest.mark.parametrize(
    ("missing", "options", "said"),
    [
        (
            "onnxruntime",
            (),
            "the proof needs onnxruntime. Install it: pip install 'lstm-parity[onnx]', or pass --no-proof",
        ),
        ("onnx", (), "--to onnx needs onnx"),
        ("onnx", ("--no-proof",), "--to onnx needs onnx. Install it: pip install 'lstm-parity[onnx]'"),
    ],
)
def test_a_missing_package_is_named_with_the_command_that_adds_it(
    missing: str, options: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    ran = _fresh(f"sys.modules[{missing!r}] = None\n{_port(tmp_path / 'out', *options)}\nassert code == 2, code")
    assert ran.returncode == 0, ran.stderr
    assert said in ran.stderr and "Traceback" not in ran.stderr
    assert not (tmp_path / "out").exists()


def test_without_a_proof_no_runtime_is_needed(tmp_path: Path) -> None:
    ran = _fresh(f"sys.modules['onnxruntime'] = None\n{_port(tmp_path, '--no-proof')}\nassert not code")
    assert ran.returncode == 0, ran.stderr
    onnx.checker.check_model(str(tmp_path / "model.onnx"), full_check=True)
    assert json.loads((tmp_path / "proof.json").read_text())["verdict"] == "not measured"


def test_a_wrong_answer_is_exit_code_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.backends import ported_onnx

    right = ported_onnx.outputs

    def wrong(*given: Any) -> list[Any]:
        return [y + 1e-3 for y in right(*given)]

    monkeypatch.setattr(ported_onnx, "outputs", wrong)
    assert run(tmp_path) == 1
    assert json.loads((tmp_path / "proof.json").read_text())["verdict"] == "fails"


def test_what_goes_with_pytorch_alone_is_a_usage_error(tmp_path: Path) -> None:
    assert run(tmp_path / "out", "--standalone") == run(tmp_path / "out", "--keras", "3") == 4
    assert not (tmp_path / "out").exists()
