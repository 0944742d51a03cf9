"""The Keras side of a comparison of a user's own pair: a live model of either Keras, or a saved one by the oracle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

import weight_mapping as wm
from harness.diagnosis import likely, located
from weight_mapping.errors import PortingError, Unsupported
from weight_mapping.weights import Portable

Arrays = list[NDArray[Any]]
LEARNING_RATE = 0.125
"""Of the training compared. Exact in float32, in which Keras keeps it whatever it computes in."""


@dataclass(frozen=True, slots=True)
class KerasSide:
    name: str
    model: Any
    package: str

    def known(self) -> likely.Known | None:
        return likely.of_keras(self.model, self.package)

    def cells(self) -> list[located.Place]:
        return located.of_keras(self.model)

    def run(self, inputs: Arrays, states: Arrays, cotangents: Arrays | None) -> tuple[Arrays, list[Any]]:
        from harness.backends import live_keras

        return live_keras.run(self.model, inputs, states, cotangents)

    def train(self, inputs: Arrays, states: Arrays, targets: Arrays, steps: int) -> tuple[NDArray[Any], Arrays]:
        from harness.backends import live_keras

        return live_keras.train(self.model, inputs, states, targets, steps, LEARNING_RATE)


@dataclass(frozen=True, slots=True)
class OracleSide:
    name: str
    portable: Portable

    def known(self) -> likely.Known | None:
        return likely.of_portable(self.portable)

    def cells(self) -> list[located.Place]:
        return located.of_portable(self.portable)

    def run(self, inputs: Arrays, _states: Arrays, _cotangents: Arrays | None) -> tuple[Arrays, list[Any]]:
        found = wm.oracle.run(self.portable, *inputs)
        return list(found) if isinstance(found, tuple) else [found], []

    def train(self, *_: Any) -> tuple[NDArray[Any], Arrays]:
        raise _outputs_alone()


def side_of(model: Any, slopes: bool, states: Arrays) -> KerasSide | OracleSide:
    if isinstance(model, str | Path | Portable):
        if slopes or states:
            raise _outputs_alone()
        portable = model if isinstance(model, Portable) else wm.load(model)
        return OracleSide(f"{portable.spec.name} by the float64 oracle", portable)
    owners = {kind.__module__.split(".")[0] for kind in type(model).__mro__}
    for package, title in (("tf_keras", "Keras 2"), ("keras", "Keras 3")):
        if package in owners:
            return KerasSide(f"{title} {type(model).__name__} {model.name}", model, package)
    raise PortingError(
        f"the Keras side is a {type(model).__name__}",
        expected="a model or layer of keras or tf_keras, a saved file's path, or a Portable",
    )


def _outputs_alone() -> Unsupported:
    return Unsupported(
        "a saved model is compared by its outputs, from its own first states",
        way_out="Load it with Keras and pass the model for gradients, training or other states.",
    )
