"""A Keras model and a PyTorch module of the user's own: one comparison, its bound, and what to say when it fails."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import weight_mapping as wm
from harness import likely
from harness.bounds import ACTIVATIONS, DELTA, DRAWS, LAMBDA
from harness.compare import UNIT, Limit, Named, agreement, difference
from harness.results import FAILS, HOLDS, Agreement, Case
from weight_mapping.errors import PortingError, Unsupported
from weight_mapping.weights import Portable, fingerprint

Arrays = list[NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparison:
    """What one comparison found: `expected` is Keras' side and `actual` PyTorch's, by name."""

    case: Case
    expected: Named = field(repr=False)
    actual: Named = field(repr=False)
    likely: tuple[str, ...] = ()

    @property
    def failures(self) -> list[Agreement]:
        return [a for a in self.case.agreements if a.verdict != HOLDS]


def compare(
    keras_model: Any, torch_module: Any, x: Any, *, id: str, repeat: str, states: Any = None, gradients: bool = False,
    tolerance: float | None = None, seed: int = 0,
) -> Comparison:  # fmt: skip
    """Run both on the same arrays and hold PyTorch's answer to Keras'.

    `keras_model`: a Keras 3 or tf_keras model or layer, or a saved file's path or a Portable, which the float64 oracle
    runs. `x`: an array, or a list of them in Keras' order; `states`: initial states in Keras' order ([h, c]).
    `gradients`: also those of sum(output * random cotangent) to every float input and state. `tolerance`: the greatest
    difference allowed, relative to the greatest magnitude; without it the bound is derived (`limits`)."""
    from harness.backends import live_torch

    if not live_torch.is_module(torch_module):
        raise Unsupported("the PyTorch side is no nn.Module", class_name=type(torch_module).__name__)
    started, inputs, starts = time.perf_counter(), _arrays(x), _arrays(states)
    rng = np.random.default_rng(seed)
    keras_side = _reference(keras_model, gradients, starts)
    outputs, _ = keras_side.run(inputs, starts, None)
    shapes = [y.shape for y in outputs]
    cotangents = [rng.standard_normal(shape).astype(np.float32) for shape in shapes] if gradients else None
    expected = _named(*keras_side.run(inputs, starts, cotangents), inputs, starts) if gradients else _outputs(outputs)

    def torch_side(module: Any, arrays: Arrays) -> dict[str, NDArray[Any]]:
        xs, hs = arrays[: len(inputs)], arrays[len(inputs) :]
        return _named(*live_torch.run(module, xs, hs, cotangents, shapes), inputs, starts)

    actual = torch_side(torch_module, [*inputs, *starts])
    if tolerance is None:
        bounds = limits(torch_module, torch_side, [*inputs, *starts], gradients)
    else:
        bounds = dict.fromkeys(actual, Limit(tolerance, "the tolerance that the test gives"))
    bounds = {name: bounds.get(name, Limit(UNIT["float32"], "PyTorch gives no such part")) for name in expected}
    parts = {"outputs": [n for n in expected if not n.startswith("gradient")]}
    parts |= {"gradients": [n for n in expected if n.startswith("gradient")]} if gradients else {}
    agreements = tuple(
        agreement(
            check, "PyTorch", {n: expected[n] for n in names}, {n: a for n, a in actual.items() if _of(n, check)},
            bounds, dtype="float32", against=keras_side.name,
        )
        for check, names in parts.items()
    )  # fmt: skip
    case = Case(
        id=id, title=id, group="pytest",
        spec={"keras": keras_side.name, "torch": type(torch_module).__name__, "inputs": [list(a.shape) for a in inputs],
              "states": [list(a.shape) for a in starts]},
        fingerprint=" ".join(fingerprint(a)[:16] for a in (*inputs, *starts)), repeat=repeat, agreements=agreements,
        seconds=time.perf_counter() - started,
    )  # fmt: skip
    known = keras_side.known() if case.verdict == FAILS else None
    mistakes = (
        likely.likely(known, inputs, starts, [a for n, a in actual.items() if _of(n, "outputs")]) if known else ()
    )
    return Comparison(case=case, expected=expected, actual=actual, likely=mistakes)


def limits(module: Any, run: Any, arrays: Arrays, gradients: bool) -> dict[str, Limit]:
    """The error that float32 rounding explains: that of one sum, as `harness.bounds` derives it, times how much the
    module's own result moves in float64 when every weight, input and state moves by a relative δ, over δ."""
    from harness.backends import live_torch

    rng = np.random.default_rng(0)
    terms = live_torch.largest_sum(module)
    batch_and_time = int(np.prod(arrays[0].shape[:2]))
    roundings = 2 * terms + batch_and_time if gradients else terms
    local = (LAMBDA * roundings**0.5 + ACTIVATIONS) * UNIT["float32"]
    still = run(*live_torch.perturbed(module, arrays, rng, 0.0))
    factors = dict.fromkeys(still, 1.0)
    for _ in range(DRAWS):
        for name, moved in run(*live_torch.perturbed(module, arrays, rng, DELTA)).items():
            factor = difference(name, still[name], moved).error / DELTA
            # A result that is not finite fails whatever its bound; an infinite bound would let it pass.
            factors[name] = max(factors[name], factor) if np.isfinite(factor) else 1.0
    return {
        name: Limit(
            local * factor,
            f"({LAMBDA:.0f} √{roundings} + {ACTIVATIONS:.0f}) 2^-24, {roundings} roundings, times {factor:.3g}, the "
            "module's own amplification measured in float64",
            chaotic=factor > UNIT["float32"] ** -0.5,
        )
        for name, factor in factors.items()
    }


def message(found: Comparison) -> str:
    """A failed comparison in words: what, where, actual, expected, the bound and its reason, how to repeat it."""
    lines = [f"{found.case.spec['keras']} and {found.case.spec['torch']} disagree"]
    for failed in found.failures:
        lines += [f"  {failed.check}: {failed.verdict}", f"    where     {failed.where}"]
        name = next((n for n in found.expected if failed.where.startswith(f"{n},")), None)
        if name is not None:
            expected, actual = _values(found.expected[name], found.actual[name])
            lines += [f"    expected  {expected!r}  ({failed.reference})", f"    actual    {actual!r}  (PyTorch)"]
        lines += [f"    error     {failed.error:.4g} u of the greatest magnitude, u = 2^-24"]
        lines += [f"    bound     {failed.bound:.4g} u: {failed.reason}"]
    lines += [f"  likely    {finding}" for finding in found.likely]
    return "\n".join([*lines, f"  repeat    {found.case.repeat}"])


@dataclass(frozen=True, slots=True)
class _Keras:
    name: str
    model: Any
    package: str

    def known(self) -> likely.Known | None:
        return likely.of_keras(self.model, self.package)

    def run(self, inputs: Arrays, states: Arrays, cotangents: Arrays | None) -> tuple[Arrays, list[Any]]:
        from harness.backends import live_keras

        return live_keras.run(self.model, inputs, states, cotangents)


@dataclass(frozen=True, slots=True)
class _Oracle:
    name: str
    portable: Portable

    def known(self) -> likely.Known | None:
        return likely.of_portable(self.portable)

    def run(self, inputs: Arrays, _states: Arrays, _cotangents: Arrays | None) -> tuple[Arrays, list[Any]]:
        found = wm.oracle.run(self.portable, *inputs)
        return list(found) if isinstance(found, tuple) else [found], []


def _reference(model: Any, gradients: bool, states: Arrays) -> _Keras | _Oracle:
    if isinstance(model, str | Path | Portable):
        if gradients or states:
            raise Unsupported(
                "a saved model is compared by its outputs, from its own first states",
                way_out="Load it with Keras and pass the model for gradients or other states.",
            )
        portable = model if isinstance(model, Portable) else wm.load(model)
        return _Oracle(f"{portable.spec.name} by the float64 oracle", portable)
    owners = {kind.__module__.split(".")[0] for kind in type(model).__mro__}
    for package, title in (("tf_keras", "Keras 2"), ("keras", "Keras 3")):
        if package in owners:
            return _Keras(f"{title} {type(model).__name__} {model.name}", model, package)
    raise PortingError(
        f"the Keras side is a {type(model).__name__}",
        expected="a model or layer of keras or tf_keras, a saved file's path, or a Portable",
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


def _of(name: str, check: str) -> bool:
    return name.startswith("gradient") == (check == "gradients")


def _values(expected: NDArray[Any], actual: NDArray[Any]) -> tuple[float, float]:
    """Both numbers at the place of the greatest difference; one that is not finite comes first."""
    apart = np.abs(np.asarray(actual, np.float64) - expected)
    at = np.unravel_index(int(np.where(np.isfinite(apart), apart, np.inf).argmax()), apart.shape)
    return float(expected[at]), float(actual[at])
