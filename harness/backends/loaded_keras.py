"""A written file, loaded by the Keras that it is meant for in a process of its own: this one imports no TensorFlow.

The process stays for the next file; it gets a folder and a file's name a line and answers a line."""

from __future__ import annotations

import atexit
import importlib.metadata
import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import weight_mapping as wm
from weight_mapping.errors import PortingError, shown
from weight_mapping.saving.stating import target_of
from weight_mapping.weights import Portable

DTYPES = ("float32",)
_PACKAGES = {2: "tf_keras", 3: "keras"}
_SCRIPT = """
import importlib, json, os, sys
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (resource.getrlimit(resource.RLIMIT_AS)[1],) * 2)
except ImportError:
    pass
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy
K = importlib.import_module(sys.argv[1])
for line in sys.stdin:
    folder, file = json.loads(line)
    try:
        model = K.models.load_model(folder + "/" + file, compile=False)
        with numpy.load(folder + "/inputs.npz") as given:
            inputs = [given[name] for name in given.files]
        outputs = model.predict_on_batch(inputs if len(inputs) > 1 else inputs[0])
        numpy.savez(folder + "/outputs.npz", *(outputs if isinstance(outputs, (list, tuple)) else [outputs]))
        said = ""
    except Exception as problem:
        said = f"{type(problem).__name__}: {problem}"
    K.backend.clear_session()
    print(json.dumps(said), file=answers, flush=True)
"""


def loader(portable: Portable, keras: int | None) -> tuple[str, str]:
    """(name and version of the Keras that the written file is for, why it can't be tried here or "")."""
    target = target_of(portable, keras)
    package = _PACKAGES[target.generation]
    if target.version < (2, 21):
        return str(target), f"the file is in the words of {target}, which is not here"
    if importlib.util.find_spec(package) is None or importlib.util.find_spec("tensorflow") is None:
        extra = "keras" if package == "keras" else "keras,legacy"
        return str(target), f"{package} is not installed: pip install 'lstm-parity[{extra}]'"
    return f"{package} {importlib.metadata.version(package)}", ""


def outputs(keras: int | None, file: str) -> Any:
    """What that Keras computes from the file of this name, in float32."""

    def answer(portable: Portable, inputs: Sequence[NDArray[Any]], dtype: str) -> list[NDArray[Any]]:
        package = _PACKAGES[target_of(portable, keras).generation]
        with tempfile.TemporaryDirectory() as folder:
            wm.save(portable, Path(folder) / file, keras=keras)
            given = [x.astype(dtype) if x.dtype.kind == "f" else x for x in map(np.asarray, inputs)]
            np.savez(Path(folder) / "inputs.npz", *given)
            said = _asked(package, folder, file)
            if said:
                raise PortingError(f"{package} does not take the written file", found=shown(said))
            with np.load(Path(folder) / "outputs.npz") as found:
                return [found[name] for name in found.files]

    return answer


def _asked(package: str, folder: str, file: str) -> str:
    process = _process(package)
    try:
        process.stdin.write(json.dumps([folder, file]) + "\n")  # type: ignore[union-attr]
        process.stdin.flush()  # type: ignore[union-attr]
        line = process.stdout.readline()  # type: ignore[union-attr]
    except BrokenPipeError:
        line = ""
    except BaseException:  # it is still at work for a question that is no longer asked
        _process.cache_clear()
        process.kill()
        raise
    if not line:
        _process.cache_clear()
        return f"its process ended with code {process.wait()}"
    return str(json.loads(line))


@cache
def _process(package: str) -> subprocess.Popen[str]:
    """Ends when this process does: its input closes then."""
    command = [sys.executable, "-c", _SCRIPT, package]
    piped = subprocess.PIPE
    process = subprocess.Popen(command, stdin=piped, stdout=piped, stderr=subprocess.DEVNULL, text=True)
    atexit.register(process.communicate)
    return process
