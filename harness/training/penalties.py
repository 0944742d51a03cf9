"""Keras' regularisers and constraints as formulas that NumPy and PyTorch both run, in Keras' orientation of the arrays.

A regulariser or constraint is given as Keras' configuration of it: `{"class_name": "L2", "config": {"l2": 0.125}}`.
Source: keras/src/{regularizers,constraints} of Keras 3.15 and tf_keras 2.21, which agree in these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from weight_mapping.errors import Unsupported

Config = Mapping[str, Any]
_EPSILON = 1e-7  # keras.config.epsilon(), added to the norm before a division


def configuration(class_name: str, **config: Any) -> dict[str, Any]:
    """Keras' configuration of a regulariser, constraint or initialiser."""
    return {"class_name": class_name, "config": config}


def penalty(config: Config, w: Any) -> Any:
    """The loss that the regulariser adds for w: a scalar."""
    l1, l2 = _strengths(config)
    return l1 * abs(w).sum() + l2 * (w * w).sum()


def penalty_gradient(config: Config, w: Any, sign: Callable[[Any], Any]) -> Any:
    """Its gradient by w, written out for where there is no automatic one."""
    l1, l2 = _strengths(config)
    return l1 * sign(w) + 2 * l2 * w


def project(config: Config, w: Any) -> Any:
    """The nearest weights that the constraint allows, as Keras computes them after a step."""
    if config["class_name"] not in _CONSTRAINTS:
        raise Unsupported("no constraint of this name", class_name=str(config["class_name"]))
    return _CONSTRAINTS[config["class_name"]](w, **config["config"])


def _strengths(config: Config) -> tuple[float, float]:
    if config["class_name"] not in ("L1", "L2", "L1L2"):
        raise Unsupported("no regulariser of this name", class_name=str(config["class_name"]))
    return config["config"].get("l1", 0.0), config["config"].get("l2", 0.0)


def _norms(w: Any, axis: int) -> Any:
    return (w * w).sum(axis, keepdims=True) ** 0.5


def _max_norm(w: Any, max_value: float, axis: int = 0) -> Any:
    norms = _norms(w, axis)
    return w * (norms.clip(0, max_value) / (_EPSILON + norms))


def _unit_norm(w: Any, axis: int = 0) -> Any:
    return w / (_EPSILON + _norms(w, axis))


def _min_max_norm(w: Any, min_value: float, max_value: float, rate: float, axis: int = 0) -> Any:
    norms = _norms(w, axis)
    desired = rate * norms.clip(min_value, max_value) + (1 - rate) * norms
    return w * (desired / (_EPSILON + norms))


_CONSTRAINTS: Mapping[str, Callable[..., Any]] = {
    "MaxNorm": _max_norm,
    "NonNeg": lambda w: w.clip(0, None),
    "UnitNorm": _unit_norm,
    "MinMaxNorm": _min_max_norm,
}
