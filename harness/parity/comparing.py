"""One comparison of a Keras model and a PyTorch module of the user's own: outputs, gradients and training."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.bounds import DRAWS, judged
from harness.compare import UNIT, Limit, Named, agreement
from harness.diagnosis import likely, located
from harness.parity.rounding import limits
from harness.parity.sides import LEARNING_RATE, Arrays, KerasSide, OracleSide, side_of
from harness.results import FAILS, HOLDS, Agreement, Case
from harness.training import descent
from weight_mapping.errors import PortingError, Unsupported
from weight_mapping.weights import fingerprint


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparison:
    """What one comparison found: `expected` is Keras' side and `actual` PyTorch's, by name."""

    case: Case
    expected: Named = field(repr=False)
    actual: Named = field(repr=False)
    likely: tuple[str, ...] = ()
    located: tuple[str, ...] = ()
    """The recurrent cells whose weights differ, a sentence each."""

    @property
    def failures(self) -> list[Agreement]:
        return [a for a in self.case.agreements if a.verdict != HOLDS]


def compare(
    keras_model: Any, torch_module: Any, x: Any, *, id: str, repeat: str, states: Any = None, gradients: bool = False,
    training: bool | int = False, tolerance: float | None = None, seed: int = 0,
) -> Comparison:  # fmt: skip
    """Run both on the same arrays and hold PyTorch's answer to Keras'.

    `keras_model`: a Keras 3 or tf_keras model or layer, or a saved file's path or a Portable, which the float64 oracle
    runs. `x`: an array, or a list of them in Keras' order; `states`: initial states in Keras' order ([h, c]).
    `gradients`: also those of sum(output * random cotangent) to every float input and state. `training`: also the
    losses and the outputs of so many steps (True: 4) down the gradient of the mean squared distance to random targets;
    neither model is changed. `tolerance`: the greatest difference allowed, relative to the greatest magnitude; without
    it the bound is derived (`limits`)."""
    from harness.backends import live_torch

    if not live_torch.is_module(torch_module):
        raise Unsupported("the PyTorch side is no nn.Module", class_name=type(torch_module).__name__)
    started, inputs, starts = time.perf_counter(), _arrays(x), _arrays(states)
    rng = np.random.default_rng(seed)
    steps = descent.STEPS if training is True else int(training)
    if steps < 0:
        raise PortingError("a number of training steps below zero", found=steps)
    keras_side = side_of(keras_model, gradients or bool(steps), starts)
    outputs, _ = keras_side.run(inputs, starts, None)
    shapes = [y.shape for y in outputs]
    cotangents = [rng.standard_normal(shape).astype(np.float32) for shape in shapes] if gradients else None
    targets = [rng.standard_normal(shape).astype(np.float32) for shape in shapes] if steps else []
    expected = _named(*keras_side.run(inputs, starts, cotangents), inputs, starts) if gradients else _outputs(outputs)
    if steps:
        expected |= _trained(*keras_side.train(inputs, starts, targets, steps))

    def torch_side(module: Any, arrays: Arrays) -> dict[str, NDArray[Any]]:
        xs, hs = arrays[: len(inputs)], arrays[len(inputs) :]
        found = _named(*live_torch.run(module, xs, hs, cotangents, shapes), inputs, starts)
        if steps:
            found |= _trained(*live_torch.train(module, xs, hs, targets, steps, LEARNING_RATE))
        return found

    actual = torch_side(torch_module, [*inputs, *starts])

    def held(times: int) -> list[Agreement]:
        if tolerance is None:
            bounds = limits(torch_module, torch_side, [*inputs, *starts], gradients or bool(steps), DRAWS * times)
        else:
            bounds = dict.fromkeys(actual, Limit(tolerance, "the tolerance that the test gives"))
        missing = Limit(UNIT["float32"], "PyTorch gives no such part")
        bounds = {name: bounds.get(name, missing) for name in expected}
        return [
            agreement(
                check, "PyTorch", _part(expected, check), _part(actual, check), bounds, dtype="float32",
                against=keras_side.name,
            )
            for check in dict.fromkeys(map(_check, expected))
        ]  # fmt: skip

    agreements = tuple(judged(held))
    case = Case(
        id=id, title=id, group="pytest",
        spec={"keras": keras_side.name, "torch": type(torch_module).__name__, "inputs": [list(a.shape) for a in inputs],
              "states": [list(a.shape) for a in starts]},
        fingerprint=" ".join(fingerprint(a)[:16] for a in (*inputs, *starts)), repeat=repeat, agreements=agreements,
        seconds=time.perf_counter() - started,
    )  # fmt: skip
    if case.verdict != FAILS:
        return Comparison(case=case, expected=expected, actual=actual)
    return Comparison(
        case=case, expected=expected, actual=actual,
        likely=_likely(keras_side, torch_module, case, inputs, starts, list(_part(actual, "outputs").values())),
        located=located.apart(keras_side.cells(), live_torch.recurrent(torch_module)),
    )  # fmt: skip


def _likely(
    keras_side: KerasSide | OracleSide, module: Any, case: Case, inputs: Arrays, states: Arrays, outputs: Arrays
) -> tuple[str, ...]:
    """The mistakes that explain the outputs; where these hold and training does not, a second bias that learns."""
    from harness.backends import live_torch

    if any(a.verdict == FAILS for a in case.agreements if a.check.startswith("outputs")):
        known = keras_side.known()
        return likely.likely(known, inputs, states, outputs) if known else ()
    moving = live_torch.second_biases(module)
    if not moving or not any(place.weights.bias_form == "single" for place in keras_side.cells()):
        return ()
    return (
        f"two biases in training: {moving[0]} moves beside bias_ih, so their sum moves twice as far as Keras' one; "
        "requires_grad_(False) on it",
    )


def _arrays(given: Any) -> Arrays:
    if given is None:
        return []
    items = [np.asarray(a) for a in (given if isinstance(given, list | tuple) else [given])]
    return [a.astype(np.float32) if a.dtype.kind == "f" else a for a in items]


def _outputs(outputs: Sequence[NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {f"output {n}": y for n, y in enumerate(outputs)}


def _named(outputs: Arrays, slopes: list[Any], inputs: Arrays, states: Arrays) -> dict[str, NDArray[Any]]:
    names = [f"x{n}" for n, a in enumerate(inputs) if a.dtype.kind == "f"]
    names += [f"state {n}" for n, a in enumerate(states) if a.dtype.kind == "f"]
    sizes: Mapping[str, Any] = dict(zip(names, slopes, strict=True)) if slopes else {}
    return _outputs(outputs) | {f"gradient {n}": slope for n, slope in sizes.items() if slope is not None}


def _trained(losses: NDArray[Any], outputs: Arrays) -> dict[str, NDArray[Any]]:
    return {"training losses": losses} | {f"trained output {n}": y for n, y in enumerate(outputs)}


def _check(name: str) -> str:
    """The check that an array of this name belongs to."""
    return {"gradient": "gradients", "training": "training", "trained": "training"}.get(name.split()[0], "outputs")


def _part(arrays: Mapping[str, NDArray[Any]], check: str) -> dict[str, NDArray[Any]]:
    return {name: array for name, array in arrays.items() if _check(name) == check}
