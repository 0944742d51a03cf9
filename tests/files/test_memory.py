"""How much memory a large file takes: a process of its own, its greatest memory less that of one that does nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import weight_mapping as wm
from weight_mapping.spec import Cell, Input, Recurrent, chain
from weight_mapping.weights import CellWeights, Portable

LARGEST = 2.2
"""Of the weights, beside what Python and its libraries take."""
UNITS = 1200
TASKS = {
    "load": "portable = wm.load(sys.argv[1])",
    "port": "wm.save(wm.load(sys.argv[1]), sys.argv[2], proof=False)",
}
_MEASURED = """
import pathlib, re, sys
import numpy, pyfive
import weight_mapping as wm, weight_mapping.loading, weight_mapping.saving, weight_mapping.oracle
{task}
# ru_maxrss would count the process that started this one.
print(re.search(r"VmHWM:\\s+(\\d+) kB", pathlib.Path("/proc/self/status").read_text())[1])
"""


def greatest(task: str, *arguments: Path) -> int:
    """Bytes."""
    run = subprocess.run(
        [sys.executable, "-c", _MEASURED.format(task=task), *map(str, arguments)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return int(run.stdout) * 1024


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("h5py")
    rng = np.random.default_rng(0)
    arrays = {name: rng.normal(size=(4, UNITS, UNITS)).astype(np.float32) for name in ("kernel", "recurrent")}
    cell = CellWeights(kind="lstm", bias=np.zeros((1, 4, UNITS), np.float32), **arrays)
    layers = {"lstm": Recurrent(cells=(Cell(kind="lstm", units=UNITS),))}
    spec = chain("m", Input(name="x", shape=(None, 7, UNITS)), layers)
    path = tmp_path_factory.mktemp("large") / "m.h5"
    wm.save(Portable(spec=spec, weights={("lstm", "0"): cell}), path)
    return path


@pytest.mark.skipif(sys.platform != "linux", reason="a process's greatest memory is read from Linux's /proc")
@pytest.mark.parametrize("task", TASKS)
def test_a_large_file_takes_little_more_than_its_weights(large: Path, task: str, tmp_path: Path) -> None:
    weights = large.stat().st_size
    taken = greatest(TASKS[task], large, tmp_path / "m.safetensors") - greatest("", large)
    assert taken <= LARGEST * weights, f"{taken / weights:.2f} times the weights"


@pytest.mark.skipif(sys.platform != "linux", reason="a process's greatest memory is read from Linux's /proc")
def test_three_copies_would_be_seen(large: Path) -> None:
    task = f"{TASKS['load']}; kept = [a.copy() for _ in range(2) for a in portable.arrays().values()]"
    assert greatest(task, large) - greatest("", large) > LARGEST * large.stat().st_size
