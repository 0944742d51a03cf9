"""OpenVINO under the stopwatch: the ONNX file that a port writes, read by it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from harness.backends.timing_onnx import model_of
from harness.bench.jobs import Job, Prepared
from harness.threads import asked
from weight_mapping.errors import Unrepresentable

# Without this package, which it can do without, its import makes no id of this machine and tells nobody of it.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

import openvino  # noqa: E402


def missing(_form: str, device: str) -> str | None:
    """Why it can't be measured on `device` ('cpu' or 'cuda'), or None."""
    return None if device == "cpu" else "OpenVINO runs on no CUDA device"


@contextmanager
def full_precision() -> Iterator[None]:
    """`prepare` asks for it."""
    yield


def prepare(job: Job, *, form: str) -> Prepared:
    """`form` has one value, 'operator'. Compiled for the lowest latency; in float32, which a processor with bfloat16
    would else leave."""
    assert form == "operator"
    options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    if threads := asked():
        options["INFERENCE_NUM_THREADS"] = str(threads)
    model = openvino.Core().read_model(model_of(job, "OpenVINO"))
    try:
        request = openvino.compile_model(model, "CPU", options).create_infer_request()
    except RuntimeError as refusal:
        raise Unrepresentable(f"OpenVINO refuses the layer: {str(refusal).strip().splitlines()[-1]}") from refusal

    def run() -> Any:
        return request.infer({"x": job.x}, share_inputs=True)

    return Prepared(run=run, answer=lambda: {"outputs": run()[0].copy()})
