"""Where a run took place: what must agree before two runs may be compared.

Versions come from the installed distributions, so nothing is imported for them; what only a framework can tell is told
if it is loaded already.
"""

from __future__ import annotations

import os
import platform
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from harness.threads import usable

DISTRIBUTIONS = (
    "lstm-parity", "torch", "tensorflow", "keras", "tf-keras", "jax", "onnxruntime", "openvino", "numpy", "h5py",
    "pyfive", "safetensors",
)  # fmt: skip
VARIABLES = (
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "TF_ENABLE_ONEDNN_OPTS",
    "CUDA_VISIBLE_DEVICES", "KERAS_BACKEND", "XLA_FLAGS",
)  # fmt: skip
"""Variables of the environment that change results or times."""


def describe() -> dict[str, Any]:
    """Versions, processor, threads, CUDA and the switches that matter, as plain JSON values."""
    return {
        "python": platform.python_version(),
        "versions": versions(),
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "processor": {"model": processor(), "cores": os.cpu_count() or 0, "usable": usable()},
        "threads": threads(),
        "cuda": cuda(),
        "variables": {name: os.environ.get(name, "not set") for name in VARIABLES},
    }


def versions() -> dict[str, str]:
    """Of every distribution that a result depends on."""
    return {name: _version(name) for name in DISTRIBUTIONS}


@cache
def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def processor() -> str:
    """The processor's name as the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8", errors="replace").splitlines() if info.exists() else []
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or "unknown"


def threads() -> dict[str, Any]:
    """What the loaded frameworks run on."""
    torch, tensorflow = sys.modules.get("torch"), sys.modules.get("tensorflow")
    found: dict[str, Any] = {}
    if torch is not None:
        found["torch"] = torch.get_num_threads()
    if tensorflow is not None:
        found["tensorflow"] = tensorflow.config.threading.get_intra_op_parallelism_threads() or "all cores"
    return found


def cuda() -> dict[str, Any]:
    """Whether there is a CUDA device, as a loaded PyTorch knows it, and whether TF32 may be used."""
    torch = sys.modules.get("torch")
    if torch is None:
        return {"device": "present" if Path("/dev/nvidia0").exists() else "none"}
    if not torch.cuda.is_available():
        return {"device": "none", "reason": f"PyTorch {torch.__version__} sees no CUDA device"}
    return {
        "device": torch.cuda.get_device_name(0),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "tf32": bool(torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32),
    }
