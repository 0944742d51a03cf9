"""The same command and seed give the same results but for times, whatever ran before in the process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.cli import main

pytest.importorskip("torch")
GOLDEN = Path(__file__).parents[1] / "golden"
TIMES = {"seconds", "command", "repeat"}
"""What may differ: times, and the command, which names the folder of the output."""
CASES = ("lstm/default@*", "rnn/default@different", "bidirectional/rnn@square")


def untimed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: untimed(inner) for key, inner in value.items() if key not in TIMES}
    return [untimed(inner) for inner in value] if isinstance(value, list) else value


def run(folder: Path, *arguments: str) -> dict[str, Any]:
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "-o", str(folder)])
    assert not ended.value.code
    return dict(untimed(json.loads((folder / "results.json").read_text())))


def verified(folder: Path, *patterns: str, seed: int = 3) -> dict[str, Any]:
    chosen = [part for pattern in patterns for part in ("--case", pattern)]
    backends = ("--backend", "torch nn", "--backend", "torch module")
    return run(folder, "verify", *chosen, *backends, "--no-bench", "--no-mutants", "--seed", str(seed))


def test_two_runs_in_one_process_in_any_order_give_the_same_figures(tmp_path: Path) -> None:
    first = verified(tmp_path / "a", *CASES)
    np.random.seed(99)
    np.random.random(7)
    again = verified(tmp_path / "b", *CASES)
    assert first == again and len(first["cases"]) > 3
    alone = [verified(tmp_path / f"c{n}", pattern)["cases"] for n, pattern in enumerate(reversed(CASES))]
    found = {case["id"]: case for cases in alone for case in cases}
    assert found == {case["id"]: case for case in first["cases"]}


def test_another_seed_gives_other_figures(tmp_path: Path) -> None:
    """Else the test above would compare nothing that could differ."""
    one, other = (verified(tmp_path / str(seed), CASES[0], seed=seed)["cases"] for seed in (3, 4))
    assert [case["id"] for case in one] == [case["id"] for case in other]
    assert all(a["fingerprint"] != b["fingerprint"] and a != b for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    ("options", "files"),
    [
        ((), ("model.safetensors", "spec.json")),
        (("--standalone",), ("model.py", "model_torch.safetensors")),
        (("--to", "onnx"), ("model.onnx",)),
    ],
    ids=["torch", "standalone", "onnx"],
)
def test_a_port_is_the_same_every_time(options: tuple[str, ...], files: tuple[str, ...], tmp_path: Path) -> None:
    """Bit for bit, what is written of the model; the results but for times."""
    if "onnx" in options:
        pytest.importorskip("onnxruntime")
    file = str(GOLDEN / "k2.2.4_tensorflow_bi.h5")
    first, again = (run(tmp_path / name, "port", file, *options) for name in ("a", "b"))
    assert first == again
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_port_s_seed_is_that_of_its_inputs(tmp_path: Path) -> None:
    """The model is the same; what it was tried on is not."""
    file = str(GOLDEN / "k2.2.4_tensorflow_bi.h5")
    one, other = (run(tmp_path / seed, "port", file, "--seed", seed)["cases"][0] for seed in ("0", "1"))
    assert one["agreements"] != other["agreements"]
    files = [tmp_path / seed / "model.safetensors" for seed in ("0", "1")]
    assert files[0].read_bytes() == files[1].read_bytes()
