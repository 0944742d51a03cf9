"""TensorFlow as what a Keras runs on: tensors, a layer's call as a graph, and gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import tensorflow as tf
from numpy.typing import NDArray

from harness.problems import Problem


def tensor(array: NDArray[Any], dtype: str) -> Any:
    return tf.constant(array, dtype=dtype)


def array(value: Any) -> NDArray[Any]:
    found: NDArray[Any] = value.numpy()
    return found


def flat(nested: Any) -> list[Any]:
    found: list[Any] = tf.nest.flatten(nested)
    return found


def compiled(_layer: Any, call: Callable[..., list[Any]], problem: Problem, dtype: str) -> Callable[..., list[Any]]:
    """The call (x, states, masks) outside of training as a graph for any batch and any number of steps."""
    kind = getattr(tf, dtype)
    batch = problem.x.shape[1 if problem.runner.time_major else 0] if problem.runner.stateful else None
    sizes = (None, batch) if problem.runner.time_major else (batch, None)
    x = tf.TensorSpec((*sizes, problem.x.shape[-1]), kind)
    states = [tf.TensorSpec((batch, s.shape[-1]), kind) for s in problem.initial_state]
    masks = [] if problem.mask is None else [tf.TensorSpec(sizes, tf.bool)]
    traced: Callable[..., list[Any]] = tf.function(call, input_signature=(x, states, masks), autograph=False)
    return traced


def differentiated(layer: Any, function: Callable[..., Any], *, often: bool) -> Callable[..., Any]:
    """Of `function` (x, states) -> (loss, outputs): the same and the loss's gradients, of x, of each state and of each
    of the layer's variables. `often`: it will be called many times."""
    handles = [v if isinstance(v, tf.Variable) else v.value for v in layer.trainable_variables]

    def found(x: Any, states: list[Any]) -> Any:
        with tf.GradientTape() as tape:
            tape.watch([x, *states])
            loss, outputs = function(x, states)
        return loss, outputs, tape.gradient(loss, (x, states, handles), unconnected_gradients="zero")

    return tf.function(found, autograph=False) if often else found  # type: ignore[no-any-return]


def total(products: Sequence[Any]) -> Any:
    """The sum of all numbers of all of them."""
    return tf.add_n([tf.reduce_sum(product) for product in products])


def mean(value: Any) -> Any:
    return tf.reduce_mean(value)


def cast(value: Any, dtype: str) -> Any:
    return tf.cast(value, dtype)


def applying() -> AbstractContextManager[Any]:
    """Where an optimizer takes its step."""
    return nullcontext()
