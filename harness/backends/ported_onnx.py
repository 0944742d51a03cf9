"""A ported whole model in ONNX Runtime, for the proof of a port."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NoKernel

from weight_mapping.onnx import save, to_onnx
from weight_mapping.weights import Portable

_TYPES = {"float": np.float32, "double": np.float64, "int32": np.int32, "int64": np.int64, "bool": np.bool_}


def session(model: bytes | str, threads: int = 0) -> onnxruntime.InferenceSession:
    """The model on the CPU; `threads` 0: as many as the runtime takes by itself."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4  # what fails is raised
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def lacking(model: onnx.ModelProto) -> str | None:
    """Why the runtime can't compute a model of float64, or None. Its recurrent operators say so when they are run; what
    else it lacks, when the model is loaded."""
    recurrent = sorted({node.op_type for node in model.graph.node} & {"LSTM", "GRU", "RNN"})
    if recurrent:
        return f"ONNX Runtime's {', '.join(recurrent)} computes in float32 alone"
    try:
        session(model.SerializeToString())
    except NoKernel as found:
        return f"ONNX Runtime has no such operator in float64: {str(found).rpartition('implementation for ')[2]}"
    return None


def dtypes(portable: Portable) -> tuple[str, ...]:
    """The precisions in which the runtime can prove a port."""
    return ("float32",) if lacking(to_onnx(portable, dtype="float64")) else ("float64", "float32")


def feed(ran: onnxruntime.InferenceSession, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The inputs in the types that the model declares."""
    kinds = {one.name: _TYPES[one.type[7:-1]] for one in (*ran.get_inputs(), *ran.get_overridable_initializers())}
    return {name: np.asarray(array, kinds[name]) for name, array in inputs.items()}


def outputs(portable: Portable, inputs: Sequence[NDArray[Any]], dtype: str) -> list[NDArray[Any]]:
    """The written file's answer; of a stateful model the outputs without the states behind them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        save(portable, path, dtype=dtype)
        ran = session(str(path))
    named = {one.name: x for one, x in zip(ran.get_inputs(), inputs, strict=True)}
    answer = ran.run(None, feed(ran, named))
    return list(answer[: len(portable.spec.outputs)])


def destinations(portable: Portable) -> dict[str, str]:
    """Layer name -> the operators that compute it, without those that only move data."""
    found: dict[str, list[str]] = {}
    for node in to_onnx(portable).graph.node:
        found.setdefault(node.doc_string.split("/")[0], []).append(node.op_type)
    return {name: ", ".join(k for k in dict.fromkeys(kinds) if k not in _MOVES) for name, kinds in found.items()}


_MOVES = {"Cast", "Concat", "Expand", "Identity", "Reshape", "Shape", "Slice", "Squeeze", "Transpose", "Unsqueeze"}
