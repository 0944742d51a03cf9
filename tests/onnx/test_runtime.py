"""ONNX Runtime itself: it tells nobody of its runs, and is not asked what ends the process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.backends.runtime_onnx import run, session
from weight_mapping.errors import PortingError
from weight_mapping.onnx import to_onnx
from weight_mapping.spec import Cell, Input, Recurrent, chain
from weight_mapping.weights import CellWeights, Portable

HERE = Path(__file__).parent


def recurrent(kind: str) -> Any:
    """A session of one layer over x (batch, time, 3)."""
    rng = np.random.default_rng(0)
    gates = {"lstm": 4, "gru": 3, "rnn": 1}[kind]
    weights = CellWeights(
        kind=kind, kernel=rng.normal(size=(gates, 5, 3)), recurrent=rng.normal(size=(gates, 5, 5)),
        bias=rng.normal(size=(1, gates, 5)),
    )  # fmt: skip
    cell = Cell(kind=kind, units=5, reset_after=False) if kind == "gru" else Cell(kind=kind, units=5)
    spec = chain("m", Input(name="x", shape=(None, None, 3)), {"layer": Recurrent(cells=(cell,))})
    return session(to_onnx(Portable(spec=spec, weights={("layer", "0"): weights}), dtype="float32").SerializeToString())


@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("shape", [(0, 4, 3), (2, 0, 3), (0, 0, 3)])
def test_an_empty_input_is_refused(kind: str, shape: tuple[int, ...]) -> None:
    ran = recurrent(kind)
    assert run(ran, {"x": np.ones((2, 4, 3))})[0].shape == (2, 5)
    with pytest.raises(PortingError, match="without samples or without time steps"):
        run(ran, {"x": np.ones(shape)})


def fresh(lines: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    own = {**os.environ, "HOME": str(folder), "XDG_CACHE_HOME": str(folder), "TMPDIR": str(folder)}
    own.pop("ORT_DISABLE_TELEMETRY", None)  # this process has set it
    own["PYTHONPATH"] = os.pathsep.join([str(HERE.parents[1]), str(HERE)])
    return subprocess.run([sys.executable, "-B", "-c", lines], env=own, capture_output=True, check=False)


def test_without_its_check_an_empty_batch_ends_the_process(tmp_path: Path) -> None:
    ran = fresh(
        "import numpy as np; from test_runtime import recurrent; "
        "recurrent('lstm').run(None, {'x': np.ones((0, 4, 3), 'f4')})", tmp_path,
    )  # fmt: skip
    assert ran.returncode < 0, ran.stderr


RUNS = "import numpy as np; from test_runtime import recurrent, run; run(recurrent('lstm'), {'x': np.ones((2, 4, 3))})"
SPIED = """
import os, sys
from importlib.abc import MetaPathFinder

class Spy(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "onnxruntime":
            print("told", os.environ.get("ORT_DISABLE_TELEMETRY"))

sys.meta_path.insert(0, Spy())
"""


def test_it_keeps_nothing_of_its_runs(tmp_path: Path) -> None:
    ran = fresh(RUNS, tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("module", "told"), [("harness.backends.runtime_onnx", b"1"), ("onnxruntime", b"None")])
def test_it_is_told_so_before_it_is_imported(module: str, told: bytes, tmp_path: Path) -> None:
    """It reads the word at import, and in what it takes for a CI job it keeps no list anyway: so what it was told is
    looked at, not what it does. Imported by itself it is told nothing."""
    ran = fresh(f"{SPIED}\nimport {module}", tmp_path)
    assert ran.stdout.split() == [b"told", told], ran.stderr
