"""What is timed: an implementation is a row."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from weight_mapping.activations import Activation, activation, hard_sigmoid
from weight_mapping.errors import PortingError

DEVICES = ("cpu", "cuda")
_SIGMOID = activation("sigmoid")
_KERAS2, _KERAS3 = hard_sigmoid(1 / 5), hard_sigmoid(1 / 6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Implementation:
    """`adapter` is a module of `harness.backends` and `form` what its `prepare` makes. `gate`: the gates' activation.
    `usual` ones are timed unless others are named. `apart`: only in a process of its own, beside the measure."""

    name: str
    adapter: str
    form: str
    gate: Activation = _SIGMOID
    usual: bool = True
    apart: bool = False


MEASURE, PORT, PORTED_KERAS2, PORTED_KERAS3 = (
    "torch.nn", "port", "port, hard_sigmoid 1/5", "port, hard_sigmoid 1/6",
)  # fmt: skip
IMPLEMENTATIONS: tuple[Implementation, ...] = (
    Implementation(name=MEASURE, adapter="timing_torch", form="bare"),
    Implementation(name=PORT, adapter="timing_torch", form="port"),
    Implementation(name="port, without torch.nn", adapter="timing_torch", form="keras", usual=False),
    Implementation(name=PORTED_KERAS2, adapter="timing_torch", form="port", gate=_KERAS2),
    Implementation(name=PORTED_KERAS3, adapter="timing_torch", form="port", gate=_KERAS3),
    Implementation(name="Python loop, hard_sigmoid 1/5", adapter="timing_torch", form="steps", gate=_KERAS2),
    Implementation(name="Keras 3 tf.function", adapter="timing_tensorflow", form="keras function"),
    Implementation(name="Keras 3 XLA", adapter="timing_tensorflow", form="keras xla"),
    Implementation(name="Keras 3 eager", adapter="timing_tensorflow", form="keras eager", usual=False),
    Implementation(name="Keras 3 on PyTorch", adapter="timing_keras_torch", form="eager", apart=True),
    Implementation(name="tf_keras tf.function", adapter="timing_tensorflow", form="tf_keras function", usual=False),
    Implementation(
        name="tf_keras tf.function, hard_sigmoid 1/5", adapter="timing_tensorflow", form="tf_keras function",
        gate=_KERAS2, usual=False,
    ),
    Implementation(name="ONNX Runtime", adapter="timing_onnx", form="operator"),
    Implementation(name="ONNX Runtime, hard_sigmoid 1/5", adapter="timing_onnx", form="operator", gate=_KERAS2),
    Implementation(name="OpenVINO", adapter="timing_openvino", form="operator"),
    Implementation(name="OpenVINO, hard_sigmoid 1/5", adapter="timing_openvino", form="operator", gate=_KERAS2),
)  # fmt: skip
BY_NAME = {row.name: row for row in IMPLEMENTATIONS}


def usual() -> tuple[str, ...]:
    return tuple(row.name for row in IMPLEMENTATIONS if row.usual)


def chosen(names: Iterable[str] | None) -> list[Implementation]:
    """The rows of these names, or the usual ones. PortingError names one that is not known."""
    return [BY_NAME[name] for name in known(usual() if names is None else names, BY_NAME, "implementation")]


def known(asked: Iterable[str], names: Collection[str], what: str) -> list[str]:
    found = list(asked)
    for name in found:
        if name not in names:
            raise PortingError(f"there is no {what} {name!r}", expected=f"one of {', '.join(names)}")
    return found


def adapter(row: Implementation) -> Any:
    return importlib.import_module(f"harness.backends.{row.adapter}")


def obstacle(row: Implementation, device: str) -> str | None:
    """Why it can't be measured on this device in this process, or None where it can."""
    try:
        reason: str | None = adapter(row).missing(row.form, device)
    except ImportError as error:
        return f"{error.name or row.adapter} is not installed"
    return reason
