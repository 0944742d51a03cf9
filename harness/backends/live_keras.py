"""A Keras model or layer of the user's own, on TensorFlow: Keras 3 or tf_keras."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

Arrays = Sequence[NDArray[Any]]


def run(
    model: Any, inputs: Arrays, states: Arrays, cotangents: Arrays | None = None
) -> tuple[list[NDArray[Any]], list[NDArray[Any] | None]]:
    """The outputs, not in training, and with `cotangents` their products' gradients to every float input and state."""
    tensors = [tf.constant(array) for array in (*inputs, *states)]
    xs, starts = tensors[: len(inputs)], tensors[len(inputs) :]
    leaves = [t for t in tensors if t.dtype.is_floating]
    options = {"initial_state": starts} if starts else {}
    with tf.GradientTape() as tape:
        tape.watch(leaves)
        outputs = _flat(model(xs[0] if len(xs) == 1 else xs, training=False, **options))
        loss = (
            tf.add_n([tf.reduce_sum(y * d) for y, d in zip(outputs, cotangents, strict=True)]) if cotangents else None
        )
    slopes = [] if loss is None else tape.gradient(loss, leaves)
    return [y.numpy() for y in outputs], [None if s is None else tf.convert_to_tensor(s).numpy() for s in slopes]


def train(
    model: Any, inputs: Arrays, states: Arrays, targets: Arrays, steps: int, rate: float
) -> tuple[NDArray[Any], list[NDArray[Any]]]:  # fmt: skip
    """As `live_torch.train`; the model has its own weights again afterwards."""
    tensors = [tf.constant(array) for array in (*inputs, *states)]
    xs, starts = tensors[: len(inputs)], tensors[len(inputs) :]
    options = {"initial_state": starts} if starts else {}

    def called() -> list[Any]:
        return _flat(model(xs[0] if len(xs) == 1 else xs, training=False, **options))

    called()
    before, losses = model.get_weights(), []
    try:
        for _ in range(steps):
            with tf.GradientTape() as tape:
                errors = [tf.reduce_mean((y - t) ** 2) for y, t in zip(called(), targets, strict=True)]
                loss = tf.add_n(errors)
            for variable, slope in zip(model.trainable_variables, tape.gradient(loss, _tensors(model)), strict=True):
                if slope is not None:
                    variable.assign(variable - rate * tf.convert_to_tensor(slope))
            losses.append(loss.numpy())
        return np.stack(losses), [y.numpy() for y in called()]
    finally:
        model.set_weights(before)


def _tensors(model: Any) -> list[Any]:
    """TensorFlow's own variables: those of Keras 3 hold them."""
    return [v if isinstance(v, tf.Variable) else v.value for v in model.trainable_variables]


def _flat(value: Any) -> list[Any]:
    if isinstance(value, dict):
        value = [value[key] for key in sorted(value)]
    return [tensor for part in value for tensor in _flat(part)] if isinstance(value, list | tuple) else [value]
