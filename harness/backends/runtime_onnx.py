"""ONNX Runtime as it is used here: on the CPU, silent, telling nobody, and never asked what would end the process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weight_mapping.errors import PortingError

# Before it is imported: else it keeps a device's id and a list of its runs in the user's cache, to send to its maker.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NoKernel

__all__ = ["VERSION", "NoKernel", "run", "session"]

VERSION: str = onnxruntime.__version__
_TYPES = {"float": np.float32, "double": np.float64, "int32": np.int32, "int64": np.int64, "bool": np.bool_}


def session(model: bytes | str, threads: int = 0) -> onnxruntime.InferenceSession:
    """The model on the CPU; `threads` 0: as many as the runtime takes by itself."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4  # what fails is raised
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run(ran: onnxruntime.InferenceSession, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
    """Every output, of inputs in whatever types. PortingError for one without samples or time steps: the runtime's LSTM
    and GRU end the process on it (1.32: SIGABRT, float32, an empty batch; GRU: no steps too)."""
    kinds = {one.name: _TYPES[one.type[7:-1]] for one in (*ran.get_inputs(), *ran.get_overridable_initializers())}
    for name, array in inputs.items():
        if 0 in np.shape(array)[:2]:
            shape = f"{name} {np.shape(array)}"
            raise PortingError("an input without samples or without time steps, for ONNX Runtime", found=shape)
    answer: list[NDArray[Any]] = ran.run(None, {name: np.asarray(array, kinds[name]) for name, array in inputs.items()})
    return answer
