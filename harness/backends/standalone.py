"""The file that `port --standalone` writes, run as its user would: by another Python, which knows nothing of ours."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weight_mapping.errors import PortingError
from weight_mapping.weights import Portable

DTYPES = ("float64", "float32")
_SCRIPT = """
import sys
for ours in ("weight_mapping", "harness", "reports"):
    sys.modules[ours] = None
sys.path.insert(0, sys.argv[1])
import numpy, torch, model
inputs = numpy.load(sys.argv[1] + "/inputs.npz")
answers = {}
for dtype in sys.argv[2:]:
    net = model.load(dtype=getattr(torch, dtype))
    with torch.no_grad():
        answer = net(*(torch.from_numpy(inputs[n].astype(dtype)) for n in inputs.files))
    answer = answer if isinstance(answer, tuple) else (answer,)
    answers.update({f"{dtype} {n}": y.numpy() for n, y in enumerate(answer)})
numpy.savez(sys.argv[1] + "/outputs.npz", **answers)
"""


def outputs(write: Callable[[Path], object]) -> Callable[[Portable, Sequence[NDArray[Any]], str], list[NDArray[Any]]]:
    """The answers, in either precision, of the file that `write` writes into a folder; the process is run once."""
    answers: dict[str, list[NDArray[Any]]] = {}

    def answer(_: Portable, inputs: Sequence[NDArray[Any]], dtype: str) -> list[NDArray[Any]]:
        if not answers:
            answers.update(_run(write, inputs))
        return answers[dtype]

    return answer


def _run(write: Callable[[Path], object], inputs: Sequence[NDArray[Any]]) -> dict[str, list[NDArray[Any]]]:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        np.savez(Path(folder) / "inputs.npz", *inputs)
        ran = subprocess.run(
            [sys.executable, "-I", "-c", _SCRIPT, folder, *DTYPES], capture_output=True, text=True, check=False
        )
        if ran.returncode:
            said = ran.stderr.strip().splitlines()[-1:]
            raise PortingError("the standalone file does not run", where="model.py", found=" ".join(said))
        with np.load(Path(folder) / "outputs.npz") as found:
            counted = {dtype: sum(name.startswith(f"{dtype} ") for name in found.files) for dtype in DTYPES}
            return {dtype: [found[f"{dtype} {n}"] for n in range(count)] for dtype, count in counted.items()}
