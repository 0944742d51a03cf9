"""Keras on TensorFlow under the stopwatch: Keras 3 and tf_keras (Keras 2), eager, as a tf.function, or through XLA."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

from harness.bench.jobs import FORWARD, Answer, Job, Prepared
from weight_mapping import keras as keras_side


def missing(form: str, device: str) -> str | None:
    """Why it can't be measured on `device` ('cpu' or 'cuda'), or None."""
    package = form.split()[0]
    if importlib.util.find_spec(package) is None:
        return f"{package} is not installed"
    if device == "cpu" or tf.config.list_physical_devices("GPU"):
        return None
    return f"TensorFlow {tf.__version__} sees no CUDA device"


@contextmanager
def full_precision() -> Iterator[None]:
    """Matrix products in float32 proper: TF32 off, as it was afterwards."""
    switch = tf.config.experimental
    before = switch.tensor_float_32_execution_enabled()
    try:
        switch.enable_tensor_float_32_execution(False)
        yield
    finally:
        switch.enable_tensor_float_32_execution(before)


def prepare(job: Job, *, form: str) -> Prepared:
    """`form`: the Keras module and how it is called, 'keras function', 'tf_keras eager', 'keras xla'."""
    package, mode = form.split()
    on_gpu = job.group.device == "cuda"
    place = "/GPU:0" if on_gpu else "/CPU:0"
    with tf.device(place):
        layer = keras_side.build_layer(job.layer, job.weights, keras=_keras(package))
        x = tf.constant(job.x)
        cells = dict(keras_side.cells_of(layer))
        call = _compiled(_forward(layer) if job.task == FORWARD else _training_step(layer, cells), mode)
    settle: Callable[[], None] = tf.test.experimental.sync_devices if on_gpu else lambda: None

    def run() -> Any:
        with tf.device(place):
            result = call(x)
        settle()
        return result

    def answer() -> Answer:
        result = run()
        if job.task == FORWARD:
            return {"outputs": result.numpy()}
        return job.gradients({
            place: keras_side.canonical(cells[place], {name: g.numpy() for name, g in own.items()})
            for place, own in result.items()
        })  # fmt: skip

    return Prepared(run=run, answer=answer)


def _keras(package: str) -> Any:
    """The Keras module; Keras 3 must run on TensorFlow here, whatever else it could run on."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    keras = importlib.import_module(package)
    if keras.backend.backend() != "tensorflow":
        raise ImportError(f"{package} runs on {keras.backend.backend()}; set KERAS_BACKEND=tensorflow")
    return keras


def _compiled(call: Callable[[Any], Any], mode: str) -> Callable[[Any], Any]:
    if mode == "eager":
        return call
    compiled: Callable[[Any], Any] = tf.function(call, jit_compile=mode == "xla", reduce_retracing=False)
    return compiled


def _forward(layer: Any) -> Callable[[Any], Any]:
    return lambda x: layer(x, training=False)


def _training_step(layer: Any, cells: Mapping[Any, Any]) -> Callable[[Any], Any]:
    # Keras 3 wraps TensorFlow's variables; the tape knows only what is inside.
    variables = {
        place: {name: v if isinstance(v, tf.Variable) else v.value for name, v in keras_side.variables(cell).items()}
        for place, cell in cells.items()
    }

    def step(x: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(layer(x, training=True)))
        return tape.gradient(loss, variables)

    return step
