"""PyTorch optimizers that walk the path of Keras' own: the same names, other conventions.

What differs (Keras 3.15 and tf_keras 2.21, which agree; keras/src/optimizers): RMSprop and Adagrad add epsilon under
the root, PyTorch outside of it; Adam adds it to the root of the uncorrected second moment, PyTorch to that of the
corrected one; `weight_decay` shrinks the weights by lr * decay beside the step in every optimizer, PyTorch's SGD, Adam
and RMSprop add it to the gradient; clipping by norm has no epsilon; the learning rate is a float32 number, whatever the
dtype.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from weight_mapping.errors import Unsupported, shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What Keras does before each step: clipping of the gradients, then decay of the weights."""

    clipnorm: float | None = None
    global_clipnorm: float | None = None
    clipvalue: float | None = None
    weight_decay: float | None = None

    def __call__(self, optimizer: Optimizer) -> None:
        moving = [(p, group["lr"]) for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        gradients = [p.grad for p, _ in moving]
        if self.clipnorm:
            for gradient in gradients:
                gradient.mul_(self.clipnorm / gradient.norm().clamp(min=self.clipnorm))
        elif self.global_clipnorm and gradients:
            norm = torch.stack([gradient.square().sum() for gradient in gradients]).sum().sqrt()
            for gradient in gradients:
                gradient.mul_(self.global_clipnorm / norm.clamp(min=self.global_clipnorm))
        elif self.clipvalue:
            for gradient in gradients:
                gradient.clamp_(-self.clipvalue, self.clipvalue)
        if self.weight_decay is not None:
            for parameter, lr in moving:
                parameter.mul_(1 - self.weight_decay * lr)


class _Prepared(Optimizer):
    """A step of the class behind this one, after what comes before it."""

    before = Before()

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self.before(self)
        self._move()
        return loss

    def _move(self) -> None:
        super().step()

    def _moving(self) -> Iterable[tuple[Tensor, Tensor, dict[str, Any], dict[str, Any]]]:
        """Each parameter with its gradient, its group's options and its state."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    yield p, p.grad, group, self.state[p]


class SGD(_Prepared, torch.optim.SGD):
    """Momentum and nesterov are PyTorch's: the velocity only carries the rate in Keras."""


class Adam(_Prepared, torch.optim.Adam):
    """`keras_eps` / sqrt(1 - beta2^t) is the epsilon with which PyTorch's step t is Keras'."""

    def __init__(self, params: Any, eps: float, **options: Any) -> None:
        super().__init__(params, eps=eps, **options)
        self.keras_eps, self.steps = eps, 0

    def _move(self) -> None:
        self.steps += 1
        for group in self.param_groups:
            group["eps"] = self.keras_eps / (1 - group["betas"][1] ** self.steps) ** 0.5
        super()._move()

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "keras_steps": self.steps}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.steps = int(state_dict["keras_steps"])
        super().load_state_dict({key: value for key, value in state_dict.items() if key != "keras_steps"})


class RMSprop(_Prepared):
    """Epsilon under the root."""

    def __init__(self, params: Any, lr: float, rho: float, momentum: float, eps: float, centered: bool) -> None:
        super().__init__(params, {"lr": lr, "rho": rho, "momentum": momentum, "eps": eps, "centered": centered})

    def _move(self) -> None:
        for p, gradient, group, state in self._moving():
            for name in ("velocity", "average", "moved"):
                state.setdefault(name, torch.zeros_like(p))
            state["velocity"].lerp_(gradient.square(), 1 - group["rho"])
            below = state["velocity"] + group["eps"]
            if group["centered"]:
                state["average"].lerp_(gradient, 1 - group["rho"])
                below = below - state["average"].square()
            state["moved"].mul_(group["momentum"]).add_(group["lr"] * gradient / below.sqrt())
            p.sub_(state["moved"])


class Adagrad(_Prepared):
    """Epsilon under the root."""

    def __init__(self, params: Any, lr: float, start: float, eps: float) -> None:
        super().__init__(params, {"lr": lr, "start": start, "eps": eps})

    def _move(self) -> None:
        for p, gradient, group, state in self._moving():
            state.setdefault("sum", torch.full_like(p, group["start"])).add_(gradient.square())
            p.sub_(group["lr"] * gradient / (state["sum"] + group["eps"]).sqrt())


@dataclass(frozen=True, slots=True)
class _Row:
    """The class, and by Keras' key what becomes its argument, with Keras' default."""

    made: Callable[..., Any]
    options: Mapping[str, tuple[str, Any]]


_EPSILON = ("eps", 1e-7)
_ADAM = {
    "beta_1": ("beta_1", 0.9), "beta_2": ("beta_2", 0.999), "epsilon": _EPSILON, "amsgrad": ("amsgrad", False),
}  # fmt: skip
_RATES = {"SGD": 0.01}


def _adam(params: Any, beta_1: float, beta_2: float, **options: Any) -> Adam:
    return Adam(params, betas=(beta_1, beta_2), **options)


_ROWS: Mapping[str, _Row] = {
    "SGD": _Row(SGD, {"momentum": ("momentum", 0.0), "nesterov": ("nesterov", False)}),
    "RMSprop": _Row(
        RMSprop,
        {
            "rho": ("rho", 0.9), "momentum": ("momentum", 0.0), "epsilon": _EPSILON,
            "centered": ("centered", False),
        },
    ),
    "Adam": _Row(_adam, _ADAM),
    "AdamW": _Row(_adam, _ADAM),
    "Adagrad": _Row(Adagrad, {"initial_accumulator_value": ("start", 0.1), "epsilon": _EPSILON}),
}  # fmt: skip
_BEFORE = ("clipnorm", "global_clipnorm", "clipvalue", "weight_decay")
_WITHOUT_EFFECT = {"name", "jit_compile", "ema_momentum", "ema_overwrite_frequency", "is_legacy_optimizer"}


def optimizer_like_keras(optimizer: Any, params: Iterable[Any]) -> Optimizer:
    """The PyTorch optimizer over `params` that takes the steps of this Keras one.

    `optimizer` is a Keras optimizer, or its configuration `{"class_name": "Adam", "config": {…}}`; what a configuration
    leaves out has Keras' default. SGD, RMSprop, Adam, AdamW and Adagrad, with clipping and weight decay. `params` are
    the parameters of a ported module, or groups of them. Keras clips by norm a variable at a time: the GRU's split bias
    is one there and two parameters in PyTorch. Raises Unsupported for another optimizer, a schedule, or an option that
    changes the path otherwise (use_ema, loss_scale_factor, gradient_accumulation_steps, legacy formulas)."""
    name, config = _read(optimizer)
    row = _ROWS.get(name)
    if row is None:
        raise Unsupported(f"no optimizer is mapped that is called {shown(name)}", class_name=name,
                          way_out=f"Known: {', '.join(_ROWS)}.")  # fmt: skip
    refused = ("use_ema", "loss_scale_factor", "gradient_accumulation_steps", "is_legacy_optimizer")
    known = {"learning_rate", *row.options, *_BEFORE, *refused, *_WITHOUT_EFFECT}
    for key, value in config.items():
        if key not in known or (key in refused and value):
            raise Unsupported(
                f"the option {shown(key)} of {name} is not mapped", class_name=name, found=shown(value),
                way_out="Leave it out, or write the step yourself.",
            )  # fmt: skip
    rate = config.get("learning_rate", _RATES.get(name, 0.001))
    if isinstance(rate, bool) or not isinstance(rate, Real):
        raise Unsupported(
            "a learning rate that is a schedule", class_name=name, found=shown(rate),
            way_out="Give the first rate as a number, and use a scheduler of torch.optim.lr_scheduler.",
        )  # fmt: skip
    options = {argument: config.get(key, default) for key, (argument, default) in row.options.items()}
    made: Any = row.made(params, lr=float(np.float32(float(rate))), **options)
    made.before = Before(**{"weight_decay": 0.004 if name == "AdamW" else None} | {
        key: config[key] for key in _BEFORE if key in config
    })  # fmt: skip
    result: Optimizer = made
    return result


def _read(optimizer: Any) -> tuple[str, Mapping[str, Any]]:
    if isinstance(optimizer, Mapping):
        config = optimizer.get("config", {})
        if not isinstance(config, Mapping):
            raise Unsupported("a configuration of an optimizer that is no mapping", found=shown(config))
        return str(optimizer.get("class_name")), config
    if not hasattr(optimizer, "get_config"):
        raise Unsupported("no Keras optimizer and no configuration of one", found=type(optimizer).__name__)
    return type(optimizer).__name__, optimizer.get_config()
