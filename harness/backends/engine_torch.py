"""PyTorch as what a Keras 3 runs on: see `engine_tensorflow`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import keras
import torch
from numpy.typing import NDArray

from harness.problems import Problem
from weight_mapping.errors import Unrepresentable


def tensor(array: NDArray[Any], dtype: str) -> torch.Tensor:
    return torch.tensor(array, dtype=getattr(torch, dtype))


def array(value: Any) -> NDArray[Any]:
    found: NDArray[Any] = value.detach().numpy()
    return found


def flat(nested: Any) -> list[Any]:
    found: list[Any] = keras.tree.flatten(nested)
    return found


def compiled(_layer: Any, call: Callable[..., list[Any]], _problem: Problem, _dtype: str) -> Callable[..., list[Any]]:
    """Keras runs eagerly here."""

    def run(x: Any, states: list[Any], masks: list[Any]) -> list[Any]:
        with torch.no_grad():
            return call(x, states, masks)

    return run


def differentiated(layer: Any, function: Callable[..., Any], *, often: bool) -> Callable[..., Any]:  # noqa: ARG001
    if layer.stateful:
        raise Unrepresentable("Keras 3 on PyTorch has no gradient of a stateful layer: it writes the states in place")

    def found(x: Any, states: list[Any]) -> Any:
        x, states = x.requires_grad_(), [s.requires_grad_() for s in states]
        loss, outputs = function(x, states)
        sources = [x, *states, *(v.value for v in layer.trainable_variables)]
        slopes = torch.autograd.grad(loss, sources, allow_unused=True, materialize_grads=True)
        return loss, outputs, (slopes[0], slopes[1 : 1 + len(states)], slopes[1 + len(states) :])

    return found


def total(products: Sequence[Any]) -> Any:
    return torch.stack([product.sum() for product in products]).sum()


def mean(value: Any) -> Any:
    return value.mean()


def cast(value: Any, dtype: str) -> Any:
    return value.to(getattr(torch, dtype))


def applying() -> AbstractContextManager[Any]:
    return torch.no_grad()
