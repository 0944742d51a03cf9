"""A Keras model or layer of the user's own, on TensorFlow: Keras 3 or tf_keras."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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


def _flat(value: Any) -> list[Any]:
    if isinstance(value, dict):
        value = [value[key] for key in sorted(value)]
    return [tensor for part in value for tensor in _flat(part)] if isinstance(value, list | tuple) else [value]
