"""How much memory a large file takes: a process of its own, settled as the command's is, its greatest memory less
that of one that does the same with a small file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import weight_mapping as wm
from weight_mapping.activations import hard_sigmoid
from weight_mapping.spec import Cell, Input, Recurrent, chain
from weight_mapping.weights import CellWeights, Portable

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="a process's greatest memory is read from Linux's /proc"
)
LARGEST, PROVED = 2.2, 2.5
"""Of the weights. A proof has them in float64 once, which alone is twice their bytes."""
LARGE, SMALL = 1200, 12
LOAD = "portable = wm.load(file)"
PORT = "from harness.porting import port, request; port.port_file(file, None, folder, request.Request(), command='')"
_MEASURED = """
import re, sys
from pathlib import Path
import weight_mapping as wm
from harness.memory import settle
settle()  # unsettled, C's library keeps a matrix of the proof's in one of five runs
file, folder = map(Path, sys.argv[1:])
{task}
# ru_maxrss would count the process that started this one.
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


def model(units: int, folder: Path) -> Path:
    rng = np.random.default_rng(0)
    arrays = {name: rng.normal(size=(4, units, units)).astype(np.float32) for name in ("kernel", "recurrent")}
    cell = CellWeights(kind="lstm", bias=np.zeros((1, 4, units), np.float32), **arrays)
    runs_in_cpp = Cell(kind="lstm", units=units, recurrent_activation=hard_sigmoid(1 / 5))
    spec = chain("m", Input(name="x", shape=(None, 7, units)), {"lstm": Recurrent(cells=(runs_in_cpp,))})
    wm.save(Portable(spec=spec, weights={("lstm", "0"): cell}), folder / f"{units}.h5")
    return folder / f"{units}.h5"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    pytest.importorskip("h5py")
    folder = tmp_path_factory.mktemp("large")
    return model(LARGE, folder), model(SMALL, folder)


def taken(task: str, files: tuple[Path, Path], folder: Path) -> float:
    """By the large file, beyond the small one, in its own size."""
    found = []
    for file in files:
        argv = [sys.executable, "-c", _MEASURED.format(task=task), str(file), str(folder)]
        found.append(int(subprocess.run(argv, capture_output=True, text=True, check=True).stdout) * 1024)
    return (found[0] - found[1]) / files[0].stat().st_size


@pytest.mark.parametrize("task", [LOAD, f"{LOAD}; wm.save(portable, folder / 'm.safetensors', proof=False)"])
def test_a_large_file_takes_little_more_than_its_weights(task: str, files: tuple[Path, Path], tmp_path: Path) -> None:
    assert taken(task, files, tmp_path) <= LARGEST


def test_a_port_proves_a_large_file_in_little_more_than_its_float64(files: tuple[Path, Path], tmp_path: Path) -> None:
    kernel = pytest.importorskip("weight_mapping.torch.kernel", reason="PyTorch is not installed")
    if not (found := kernel.standing()).runs:
        pytest.skip(f"step by step a cell has its weights in two orders: {found.why}")
    assert taken(PORT, files, tmp_path) <= PROVED


def test_three_copies_would_be_seen(files: tuple[Path, Path], tmp_path: Path) -> None:
    task = f"{LOAD}; kept = [a.copy() for _ in range(2) for a in portable.arrays().values()]"
    assert taken(task, files, tmp_path) > PROVED
