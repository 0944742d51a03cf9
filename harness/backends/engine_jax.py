"""JAX as what a Keras 3 runs on: see `engine_tensorflow`. A function of JAX changes nothing outside of it: a layer's
variables go in as arguments, and what becomes of its states comes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
from numpy.typing import NDArray

from harness.problems import Problem


def tensor(array: NDArray[Any], dtype: str) -> jax.Array:
    return jnp.asarray(array, dtype=dtype)


def array(value: Any) -> NDArray[Any]:
    return np.asarray(value)


def flat(nested: Any) -> list[Any]:
    found: list[Any] = keras.tree.flatten(nested)
    return found


def compiled(layer: Any, call: Callable[..., list[Any]], _problem: Problem, _dtype: str) -> Callable[..., list[Any]]:
    """Compiled anew for each shape."""
    return _with_variables(layer, jax.jit(_pure(layer, call)))


def differentiated(layer: Any, function: Callable[..., Any], *, often: bool) -> Callable[..., Any]:  # noqa: ARG001
    def scalar(trained: list[Any], x: Any, states: list[Any], others: list[Any]) -> Any:
        (loss, outputs), kept = _pure(layer, function)(trained, others, x, states)
        return loss, (outputs, kept)

    slopes = jax.value_and_grad(scalar, argnums=(0, 1, 2), has_aux=True)

    def ordered(trained: list[Any], others: list[Any], x: Any, states: list[Any]) -> Any:
        (loss, (outputs, kept)), (of_trained, of_x, of_states) = slopes(trained, x, states, others)
        return (loss, outputs, (of_x, of_states, of_trained)), kept

    return _with_variables(layer, jax.jit(ordered))


def _pure(layer: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function of the layer's variables as well, which gives back what became of those that aren't trained."""

    def found(trained: list[Any], others: list[Any], *given: Any) -> Any:
        known = [*zip(layer.trainable_variables, trained, strict=True)]
        known += zip(_untrained(layer), others, strict=True)
        with keras.StatelessScope(state_mapping=known, collect_losses=True) as scope:
            result = function(*given)
        return result, [scope.get_current_value(v) for v in _untrained(layer)]

    return found


def _with_variables(layer: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """It takes the variables as they are now, and sets those that aren't trained."""

    def found(*given: Any) -> Any:
        others = _untrained(layer)
        result, kept = function([v.value for v in layer.trainable_variables], [v.value for v in others], *given)
        for variable, value in zip(others, kept, strict=True):
            variable.assign(value)
        return result

    return found


def _untrained(layer: Any) -> list[Any]:
    """The variables that training leaves alone, and the states of stateful layers, which Keras 3.15 does not count
    among a layer's variables."""
    counted = list(layer.non_trainable_variables)
    states = [s for part in layer._flatten_layers() for s in flat(getattr(part, "states", None) or [])]
    known = {id(v) for v in counted}
    return counted + [s for s in states if isinstance(s, keras.Variable) and id(s) not in known]


def total(products: Sequence[Any]) -> Any:
    return sum(product.sum() for product in products)


def mean(value: Any) -> Any:
    return value.mean()


def cast(value: Any, dtype: str) -> Any:
    return value.astype(dtype)


def applying() -> AbstractContextManager[Any]:
    return nullcontext()
