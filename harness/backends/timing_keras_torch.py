"""Keras 3 on PyTorch under the stopwatch. A process has one backend, so this one's is a process of its own."""

from __future__ import annotations

import importlib.util
import os
import sys

import torch

from harness.backends.timing_torch import full_precision
from harness.bench.jobs import FORWARD, Answer, Job, Prepared
from weight_mapping import keras as keras_side

__all__ = ["full_precision", "missing", "prepare"]


def missing(_form: str, device: str) -> str | None:
    """Why it can't be measured on `device` ('cpu' or 'cuda'), or None."""
    if importlib.util.find_spec("keras") is None:
        return "keras is not installed"
    if device == "cuda":
        return "Keras on PyTorch is measured on the CPU alone"
    loaded = sys.modules.get("keras")
    if loaded is not None and loaded.backend.backend() != "torch":
        return f"Keras runs on {loaded.backend.backend()} in this process; a fresh process measures it"
    return None


def prepare(job: Job, *, form: str) -> Prepared:
    """`form` has one value, 'eager'."""
    assert form == "eager"
    os.environ["KERAS_BACKEND"] = "torch"  # read once, by the first import
    import keras

    layer = keras_side.build_layer(job.layer, job.weights, keras=keras)
    x = torch.from_numpy(job.x)
    if job.task == FORWARD:

        def run() -> torch.Tensor:
            with torch.inference_mode():
                result: torch.Tensor = layer(x, training=False)
            return result

        return Prepared(run=run, answer=lambda: {"outputs": run().numpy()})
    cells = dict(keras_side.cells_of(layer))
    variables = {place: keras_side.variables(cell) for place, cell in cells.items()}

    def step() -> None:
        for own in variables.values():
            for variable in own.values():
                variable.value.grad = None
        layer(x, training=True).square().mean().backward()

    def answer() -> Answer:
        step()
        return job.gradients({
            place: keras_side.canonical(cells[place], {name: v.value.grad.numpy() for name, v in own.items()})
            for place, own in variables.items()
        })  # fmt: skip

    return Prepared(run=step, answer=answer)
