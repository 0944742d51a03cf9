"""A ported whole model in ONNX Runtime, for the proof of a port."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
from numpy.typing import NDArray

from harness.backends.runtime_onnx import NoKernel, run, session
from weight_mapping.onnx import save, to_onnx
from weight_mapping.weights import Portable


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


def outputs(portable: Portable, inputs: Sequence[NDArray[Any]], dtype: str) -> list[NDArray[Any]]:
    """The written file's answer; of a stateful model the outputs without the states behind them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        save(portable, path, dtype=dtype)
        ran = session(str(path))
    named = {one.name: x for one, x in zip(ran.get_inputs(), inputs, strict=True)}
    return run(ran, named)[: len(portable.spec.outputs)]


def destinations(portable: Portable) -> dict[str, str]:
    """Layer name -> the operators that compute it, without those that only move data."""
    found: dict[str, list[str]] = {}
    for node in to_onnx(portable).graph.node:
        found.setdefault(node.doc_string.split("/")[0], []).append(node.op_type)
    return {name: ", ".join(k for k in dict.fromkeys(kinds) if k not in _MOVES) for name, kinds in found.items()}


_MOVES = {"Cast", "Concat", "Expand", "Identity", "Reshape", "Shape", "Slice", "Squeeze", "Transpose", "Unsqueeze"}
