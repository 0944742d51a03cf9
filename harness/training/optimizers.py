"""Keras' optimizers as equations in float64 NumPy, the judge of both frameworks' steps; and the same optimizers with a
convention mistaken.

θ is a weight, g its gradient, α the rate, ε epsilon, t the number of the step from 1. Source: keras/src/optimizers of
Keras 3.15 and tf_keras 2.21, which agree in these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from harness.problems import Float

Key = TypeVar("Key")
Memory = dict[str, Any]
Update = Callable[[Float, Memory, int, Mapping[str, Any]], Float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """One optimizer with its options: `config` as Keras has it, without the rate and what is common to all."""

    class_name: str
    config: Mapping[str, Any] = field(default_factory=dict)
    rate: float = 0.015625
    """Exact in float32, in which Keras keeps it."""
    remark: str = ""
    """What to know of its path."""

    @property
    def options(self) -> dict[str, Any]:
        """Every option, Keras' defaults filled in; the rate as α."""
        return {**DEFAULTS[self.class_name], **self.config, "α": self.rate}

    @property
    def exact(self) -> bool:
        """Whether float32 holds every option: Keras casts some through it, whatever the dtype of the weights."""
        return all(float(np.float32(o)) == o for o in self.options.values() if isinstance(o, float))

    def keras(self) -> dict[str, Any]:
        """Keras' configuration."""
        return {"class_name": self.class_name, "config": {"learning_rate": self.rate, **self.config}}


_ADAM = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7, "amsgrad": False, "weight_decay": None}
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "SGD": {"momentum": 0.0, "nesterov": False, "weight_decay": None},
    "RMSprop": {"rho": 0.9, "momentum": 0.0, "epsilon": 1e-7, "centered": False, "weight_decay": None},
    "Adam": _ADAM,
    "AdamW": {**_ADAM, "weight_decay": 0.004},
    "Adagrad": {"initial_accumulator_value": 0.1, "epsilon": 1e-7, "weight_decay": None},
}
"""Keras' own."""


def _sgd(g: Float, memory: Memory, t: int, o: Mapping[str, Any]) -> Float:  # noqa: ARG001
    μ = o["momentum"]
    v = memory["v"] = μ * memory.get("v", 0.0) - o["α"] * g
    return μ * v - o["α"] * g if o["nesterov"] else v


def _rmsprop(g: Float, memory: Memory, t: int, o: Mapping[str, Any]) -> Float:  # noqa: ARG001
    ρ, ε = o["rho"], o["epsilon"]
    v = memory["v"] = ρ * memory.get("v", 0.0) + (1 - ρ) * g**2
    a = memory["a"] = ρ * memory.get("a", 0.0) + (1 - ρ) * g
    spread = v - a**2 if o["centered"] else v
    below = np.sqrt(spread) + ε if o.get("epsilon outside") else np.sqrt(spread + ε)
    m = memory["m"] = o["momentum"] * memory.get("m", 0.0) + o["α"] * g / below
    return -m


def _adam(g: Float, memory: Memory, t: int, o: Mapping[str, Any]) -> Float:
    β1, β2, ε = o["beta_1"], o["beta_2"], o["epsilon"]
    m = memory["m"] = β1 * memory.get("m", 0.0) + (1 - β1) * g
    v = memory["v"] = β2 * memory.get("v", 0.0) + (1 - β2) * g**2
    if o["amsgrad"]:
        v = memory["v̂"] = np.maximum(memory.get("v̂", 0.0), v)
    first, second = (1.0, 1.0) if o.get("no correction") else (1 - β1**t, np.sqrt(1 - β2**t))
    ε = ε * second if o.get("epsilon outside") else ε
    return -o["α"] * second / first * m / (np.sqrt(v) + ε)


def _adagrad(g: Float, memory: Memory, t: int, o: Mapping[str, Any]) -> Float:  # noqa: ARG001
    ε = o["epsilon"]
    s = memory["s"] = memory.get("s", o["initial_accumulator_value"]) + g**2
    return -o["α"] * g / (np.sqrt(s) + ε if o.get("epsilon outside") else np.sqrt(s + ε))


UPDATES: Mapping[str, Update] = {
    "SGD": _sgd, "RMSprop": _rmsprop, "Adam": _adam, "AdamW": _adam, "Adagrad": _adagrad,
}  # fmt: skip
"""What is added to θ."""


class Walker:
    """One optimizer on its way: a memory for each array."""

    def __init__(self, walk: Walk) -> None:
        self.walk, self.memory, self.t = walk, dict[Any, Memory](), 0

    def step(self, weights: Mapping[Key, Float], gradients: Mapping[Key, Float]) -> dict[Key, Float]:
        """The weights after one step: clipping, decay, and the update."""
        o = self.walk.options
        self.t += 1
        clipped = _clipped(gradients, o)
        found = {}
        for name, θ in weights.items():
            g = clipped[name]
            decay = o["weight_decay"] or 0.0
            if o.get("decay in the gradient"):
                g = g + decay * θ
            else:
                θ = θ - decay * o["α"] * θ
            found[name] = θ + UPDATES[self.walk.class_name](g, self.memory.setdefault(name, {}), self.t, o)
        return found


def _clipped(gradients: Mapping[Key, Float], o: Mapping[str, Any]) -> Mapping[Key, Float]:
    if o.get("clipnorm"):
        return {name: g * min(1.0, o["clipnorm"] / np.sqrt((g**2).sum())) for name, g in gradients.items()}
    if o.get("global_clipnorm"):
        norm = np.sqrt(sum((g**2).sum() for g in gradients.values()))
        return {name: g * min(1.0, o["global_clipnorm"] / norm) for name, g in gradients.items()}
    if o.get("clipvalue"):
        return {name: g.clip(-o["clipvalue"], o["clipvalue"]) for name, g in gradients.items()}
    return gradients


DESCENT = Walk(class_name="SGD", rate=0.125)
"""Plain gradient descent, fast enough that four steps show."""
_ROOT = {"rho": 0.875, "epsilon": 2.0**-23}
_MOMENTS = {"beta_1": 0.875, "beta_2": 0.984375, "epsilon": 2.0**-23}
_LARGE = {"epsilon": 2.0**-10}
WALKS: Mapping[str, Walk] = {
    "SGD": Walk(class_name="SGD"),
    "SGD momentum": Walk(class_name="SGD", config={"momentum": 0.875}),
    "SGD nesterov": Walk(class_name="SGD", config={"momentum": 0.875, "nesterov": True}),
    "SGD weight decay": Walk(class_name="SGD", config={"momentum": 0.875, "weight_decay": 0.125}),
    "SGD clipnorm": Walk(class_name="SGD", config={"clipnorm": 0.03125}),
    "SGD global clipnorm": Walk(class_name="SGD", config={"global_clipnorm": 0.0625}),
    "SGD clipvalue": Walk(class_name="SGD", config={"clipvalue": 0.0078125}),
    "RMSprop": Walk(
        class_name="RMSprop",
        config=_ROOT,
        remark="so small an epsilon makes a gradient of 1e-6 step as far as one of 1: in float32, where that "
        "is rounding, no two programs walk the same path",
    ),
    "RMSprop centered": Walk(class_name="RMSprop", config={**_ROOT, **_LARGE, "momentum": 0.5, "centered": True}),
    "RMSprop large epsilon": Walk(class_name="RMSprop", config={**_ROOT, **_LARGE}),
    "Adam": Walk(class_name="Adam", config=_MOMENTS),
    "Adam defaults": Walk(class_name="Adam"),
    "Adam amsgrad": Walk(class_name="Adam", config={**_MOMENTS, "amsgrad": True}),
    "Adam large epsilon": Walk(class_name="Adam", config={**_MOMENTS, **_LARGE}),
    "AdamW": Walk(class_name="AdamW", config={**_MOMENTS, "weight_decay": 0.125}),
    "Adagrad": Walk(class_name="Adagrad", rate=0.0625, config={"initial_accumulator_value": 0.125, **_LARGE}),
}
"""The optimizers whose paths are compared, by name."""

MISTAKEN: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "epsilon misplaced": ("Adam large epsilon", {"epsilon outside": True}),
    "epsilon outside the root": ("RMSprop large epsilon", {"epsilon outside": True}),
    "epsilon outside Adagrad's root": ("Adagrad", {"epsilon outside": True}),
    "bias correction left out": ("Adam", {"no correction": True}),
    "PyTorch's epsilon": ("Adam large epsilon", {"epsilon": 1e-8}),
    "PyTorch's rho": ("RMSprop", {"rho": 0.99}),
    "weight decay in the gradient": ("SGD weight decay", {"decay in the gradient": True}),
    "clipping left out": ("SGD clipnorm", {"clipnorm": None}),
    "norm clipped globally": ("SGD clipnorm", {"clipnorm": None, "global_clipnorm": 0.03125}),
}
"""Conventions not mapped, by name: the walk on which it shows, and what the mistaken optimizer has otherwise."""
