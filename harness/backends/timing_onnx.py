"""ONNX Runtime under the stopwatch: the operator LSTM as a port writes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import onnxruntime

from harness.backends.ported_onnx import session
from harness.jobs import FORWARD, Job, Prepared
from weight_mapping.errors import Unrepresentable
from weight_mapping.onnx import to_onnx
from weight_mapping.spec import Input, chain
from weight_mapping.weights import Portable


def missing(_form: str, device: str) -> str | None:
    """Why it can't be measured on `device` ('cpu' or 'cuda'), or None."""
    return None if device == "cpu" else f"ONNX Runtime {onnxruntime.__version__} is measured on the CPU alone"


@contextmanager
def full_precision() -> Iterator[None]:
    """On the CPU it is always that."""
    yield


def prepare(job: Job, *, form: str, device: str) -> Prepared:
    """`form` and `device` have one value each, 'operator' and 'cpu'. Raises Unrepresentable for a training step."""
    assert (form, device) == ("operator", "cpu")
    if job.task != FORWARD:
        raise Unrepresentable("ONNX Runtime infers, and takes no training step")
    spec = chain("timed", Input(name="x", shape=(None, None, job.x.shape[-1])), {"lstm": job.layer})
    model = to_onnx(Portable(spec=spec, weights={("lstm", "0"): job.weights}))
    ran = session(model.SerializeToString())
    return Prepared(run=lambda: ran.run(None, {"x": job.x}), answer=lambda: {"outputs": ran.run(None, {"x": job.x})[0]})
