"""port and inspect as a user runs them: what is written, the exit code, and that nothing is written on refusal."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

import weight_mapping as wm
from harness.cli import main

GOLDEN = Path(__file__).parents[1] / "golden"


def run(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(a) for a in arguments])
    return int(ended.value.code or 0)


@pytest.mark.parametrize("name", ["k1.2.2_theano_lstm_cpu.h5", "k2.2.4_tensorflow_lstm_hs.h5", "k3151_bimask.keras"])
def test_a_port_is_written_with_its_proof(name: str, tmp_path: Path) -> None:
    assert run("port", GOLDEN / name, "-o", tmp_path / "out") == 0
    proof = json.loads((tmp_path / "out" / "proof.json").read_text())
    portable = wm.load(tmp_path / "out" / "model.safetensors")
    assert proof["verdict"] == "holds" and len(proof["checks"]) == 2
    assert proof["arrays"] == portable.fingerprints()
    assert (tmp_path / "out" / "report.html").stat().st_size > 1000
    assert portable.spec == wm.load(GOLDEN / name).spec


def test_a_standalone_port_is_proven_too(tmp_path: Path) -> None:
    assert run("port", GOLDEN / "k2.2.4_tensorflow_td.h5", "-o", tmp_path / "out", "--standalone") == 0
    checks = json.loads((tmp_path / "out" / "proof.json").read_text())["checks"]
    assert any("model.py" in check["check"] for check in checks)


def test_an_old_file_into_today_s_keras(tmp_path: Path) -> None:
    file = GOLDEN / "k2.2.4_tensorflow_lstm_hs.h5"
    assert run("port", file, "-o", tmp_path / "out", "--to", "keras", "--keras", "3") == 0
    with np.load(GOLDEN / "k2.2.4_tensorflow_lstm_hs.npz") as recorded:
        y = wm.oracle.run(wm.load(tmp_path / "out" / "model.keras"), recorded["x"])
        assert np.abs(y - recorded["y0"]).max() < 1e-5


def test_one_file_for_today_s_keras_is_proven_in_that_keras(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorflow", reason="needs TensorFlow")
    file, new = GOLDEN / "k2.2.4_tensorflow_lstm_hs.h5", tmp_path / "new.keras"
    assert run("port", file, "-o", new, "--to", "keras", "--keras", "3") == 0
    assert "outputs in keras 3." in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["new.keras"]
    # A mutant: with the other generation's slope that Keras computes something else, and the port is a mismatch.
    before = new.read_bytes()
    monkeypatch.setattr("weight_mapping.saving.with_slope", lambda portable, _: portable)
    monkeypatch.setattr("weight_mapping.keras_config.words.slope_of", lambda _: 1 / 5)
    assert run("port", file, "-o", tmp_path / "wrong", "--to", "keras", "--keras", "3", "--json") == 1
    checks = json.loads(capsys.readouterr().out)["checks"]
    assert {c["verdict"] for c in checks if "in keras" in c["check"]} == {"fails"}
    assert new.read_bytes() == before


def test_a_keras_that_is_not_here_is_not_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    file = GOLDEN / "k2.2.4_tensorflow_lstm_hs.h5"
    assert run("port", file, "-o", tmp_path / "out", "--to", "keras", "--trusted") == 0
    assert "not measured, tf_keras is not installed: pip install" in capsys.readouterr().out


def damaged(path: Path, change: str) -> Path:
    """A golden LSTM whose weights contradict its configuration."""
    path.write_bytes((GOLDEN / "k2.2.4_tensorflow_lstm_nobias.h5").read_bytes())
    with h5py.File(path, "r+") as file:
        group = next(g for g in file["model_weights"].values() if len(g.attrs["weight_names"]))
        names = list(group.attrs["weight_names"])
        first = group[names[0].decode() if isinstance(names[0], bytes) else names[0]]
        if change == "fewer":
            group.attrs["weight_names"] = names[:1]
        elif change == "transposed":
            values, where = first[...].T, first.name
            del file[where]
            file.create_dataset(where, data=values)
        elif change == "units":
            config = json.loads(file.attrs["model_config"])
            layers = config["config"]["layers"] if isinstance(config["config"], dict) else config["config"]
            next(one for one in layers if one["class_name"] == "LSTM")["config"]["units"] += 1
            file.attrs["model_config"] = json.dumps(config)
        elif change == "activation":
            file.attrs["model_config"] = file.attrs["model_config"].replace("tanh", "evil")
        elif change == "class":
            file.attrs["model_config"] = file.attrs["model_config"].replace('"LSTM"', '"TheirLSTM"')
    return path


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ("fewer", 3, "another number of arrays"),
        ("transposed", 3, "wrong shape"),
        ("units", 3, "wrong shape"),
        ("activation", 2, "evil"),
        ("class", 2, "TheirLSTM"),
    ],
)
def test_a_contradiction_is_named_and_nothing_is_written(
    change: str, code: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = damaged(tmp_path / "model.h5", change)
    assert run("port", file, "-o", tmp_path / "out") == code
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("content", "code"), [(b"", 3), (b"no model at all\n", 3), (b"\x89HDF\r\n\x1a\n123", 3)])
def test_another_kind_of_file(content: bytes, code: int, tmp_path: Path) -> None:
    (tmp_path / "model.h5").write_bytes(content)
    assert run("port", tmp_path / "model.h5", "-o", tmp_path / "out") == code
    assert run("inspect", tmp_path / "model.h5") == code
    assert not (tmp_path / "out").exists()


def test_usage_is_exit_code_four(tmp_path: Path) -> None:
    assert run("port", GOLDEN / "k3151_lstm2.h5", "-o", tmp_path / "out", "--keras", "3") == 4
    assert run("nothing") == 4


def test_inspect_explains_without_judging(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("inspect", GOLDEN / "k2.2.4_tensorflow_lstm_hs.h5", "--json") == 0
    findings = json.loads(capsys.readouterr().out)
    assert findings["keras_version"] == "2.2.4" and findings["port"] == "every layer can be ported"
    assert any("slope 1/5" in line for line in findings["resolved"])
