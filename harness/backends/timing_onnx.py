"""ONNX Runtime under the stopwatch: the operator as a port writes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from harness.backends.runtime_onnx import VERSION, run, session
from harness.bench.jobs import FORWARD, Job, Prepared
from harness.threads import asked
from weight_mapping.errors import Unrepresentable
from weight_mapping.onnx import to_onnx
from weight_mapping.spec import Input, chain
from weight_mapping.weights import Portable


def missing(_form: str, device: str) -> str | None:
    """Why it can't be measured on `device` ('cpu' or 'cuda'), or None."""
    return None if device == "cpu" else f"ONNX Runtime {VERSION} is measured on the CPU alone"


@contextmanager
def full_precision() -> Iterator[None]:
    """On the CPU it is always that."""
    yield


def model_of(job: Job, name: str) -> bytes:
    """The layer as an ONNX file's bytes, its input called x. Raises Unrepresentable for a training step."""
    if job.task != FORWARD:
        raise Unrepresentable(f"{name} infers, and takes no training step")
    spec = chain("timed", Input(name="x", shape=(None, None, job.x.shape[-1])), {"layer": job.layer})
    weights = {("layer", *place): own for place, own in job.weights.items()}
    return bytes(to_onnx(Portable(spec=spec, weights=weights)).SerializeToString())


def prepare(job: Job, *, form: str) -> Prepared:
    """`form` has one value, 'operator'."""
    assert form == "operator"
    ran = session(model_of(job, "ONNX Runtime"), asked() or 0)
    return Prepared(run=lambda: ran.run(None, {"x": job.x}), answer=lambda: {"outputs": run(ran, {"x": job.x})[0]})
