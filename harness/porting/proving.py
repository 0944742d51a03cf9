"""The proof of one port: what it wrote, run, against the float64 oracle, on inputs where a mistake must show."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.bounds import ACTIVATIONS, DELTA, DRAWS, LAMBDA, judged
from harness.compare import UNIT, Limit, Named, agreement
from harness.results import Agreement, Case
from weight_mapping import oracle
from weight_mapping.bits import copied
from weight_mapping.probe import probe
from weight_mapping.weights import CellWeights, LeafWeights, Portable

_PART = 1 << 20
Outputs = Callable[[Portable, Sequence[NDArray[Any]], str], list[NDArray[Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One more thing that a port wrote and that computes: how it is called, its answers, the precisions it has."""

    check: str
    backend: str
    outputs: Outputs
    dtypes: tuple[str, ...] = ("float64", "float32")


def prove(
    portable: Portable, outputs: Outputs, *, seed: int = 0, command: str = "", backend: str = "PyTorch",
    dtypes: Sequence[str] = ("float64", "float32"), beside: Sequence[Way] = (), answer: Sequence[Any] = (),
) -> Case:  # fmt: skip
    """Hold a port's outputs, computed in each of `dtypes`, and those of every way `beside` it to the oracle's, within
    what rounding can explain. `answer`: the oracle's outputs for `probe(spec, seed)` where they are known already."""
    started = time.perf_counter()
    inputs = probe(portable.spec, seed)
    reference = _named(answer or oracle.run(portable, *inputs))
    ported = Way(check="outputs", backend=backend, outputs=outputs, dtypes=tuple(dtypes))
    answers = [
        (way, dtype, _named(way.outputs(portable, inputs, dtype))) for way in (ported, *beside) for dtype in way.dtypes
    ]

    def held(times: int) -> list[Agreement]:
        amplified = _amplification(portable, inputs, reference, DRAWS * times)
        limits = {d: {name: _limit(portable, amplified[name], d) for name in reference} for d in UNIT}
        return [agreement(w.check, w.backend, reference, y, limits[d], dtype=d) for w, d, y in answers]

    agreements = tuple(judged(held))
    notes = [f"input {i.name}: shape {x.shape}" for i, x in zip(portable.spec.inputs, inputs, strict=True)]
    return Case(
        id="port", title=f"{portable.spec.name}: outputs against the float64 oracle", group="port",
        spec={"inputs": notes}, fingerprint=portable.source.sha256 or "", repeat=command, agreements=agreements,
        seconds=time.perf_counter() - started, notes=tuple(portable.source.resolved),
    )  # fmt: skip


def _named(answer: Any) -> Named:
    """The outputs by name; a comparison's booleans as numbers."""
    listed = [np.asarray(y) for y in (answer if isinstance(answer, tuple | list) else [answer])]
    return {
        f"y{n}" if len(listed) > 1 else "y": y.astype(np.float64) if y.dtype == bool else y
        for n, y in enumerate(listed)
    }


def _amplification(
    portable: Portable, inputs: Sequence[NDArray[Any]], reference: Named, draws: int
) -> dict[str, float]:
    """How much the outputs move over the relative move of every weight: the most of so many, at least 1."""
    rng = np.random.default_rng(0)
    found = dict.fromkeys(reference, 1.0)
    for _ in range(draws):
        moved = _named(oracle.run(portable, *inputs, read=_moved(portable, rng)))
        for name, array in reference.items():
            scale = float(np.abs(array).max()) or 1.0
            distance = float(np.abs(moved[name] - array).max()) / scale / DELTA if array.size else 0.0
            found[name] = max(found[name], distance) if np.isfinite(distance) else np.inf
    return found


def _moved(portable: Portable, rng: np.random.Generator) -> oracle.Read:
    """What reads every array of the weights with each number moved up or down, the same way whenever it is asked. Only
    the ways are kept, a bit each: a large model's float64 is there an array at a time."""
    ups: dict[int, list[NDArray[np.uint8]]] = {}
    for weights in portable.weights.values():
        for array in dict(weights.arrays() if isinstance(weights, CellWeights) else weights).values():
            sizes = [len(part) for part in _split(np.broadcast_to(0, array.size))]
            ups[id(array)] = [np.packbits(rng.choice([-1.0, 1.0], size) > 0) for size in sizes]

    def read(array: NDArray[Any]) -> NDArray[np.float64]:
        found = copied(array, np.float64)
        for part, bits in zip(_split(found.reshape(-1)), ups[id(array)], strict=True):
            part *= 1 + DELTA * (2.0 * np.unpackbits(bits, count=len(part)) - 1)
        return found

    return read


def _split(numbers: NDArray[Any]) -> list[NDArray[Any]]:
    return np.array_split(numbers, numbers.size // _PART + 1)


def with_arrays(portable: Portable, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Portable:
    """The model with every array of its weights changed so."""

    def leaf(weights: LeafWeights) -> LeafWeights:
        if isinstance(weights, CellWeights):
            return replace(weights, **{name: change(array) for name, array in weights.arrays()})
        return {name: change(array) for name, array in weights.items()}

    return replace(portable, weights={path: leaf(weights) for path, weights in portable.weights.items()})


def _limit(portable: Portable, factor: float, dtype: str) -> Limit:
    """As for one layer (`harness.bounds`), with the widest sum of any layer, over its kernel or the tensors that it is
    given, and a share for each layer."""
    nodes = portable.spec.nodes
    terms = max(1, *map(_terms, portable.weights.values()), *(len(node.inputs) for node in nodes))
    depth = max(len(nodes), 1)
    unit = UNIT[dtype]
    symbol = "2^-24" if dtype == "float32" else "2^-53"
    bound = (LAMBDA * terms**0.5 + ACTIVATIONS) * depth * unit * factor
    reason = (
        f"({LAMBDA:.0f} √{terms} + {ACTIVATIONS:.0f}) {symbol} for each of {depth} layers, {terms} the longest sum, "
        f"times {factor:.3g}, the amplification measured with the oracle"
    )
    return Limit(bound, reason, chaotic=factor > unit**-0.5)


def _terms(weights: LeafWeights) -> int:
    if isinstance(weights, CellWeights):
        return int(np.prod(weights.kernel.shape[2:])) + int(np.prod(weights.recurrent.shape[2:])) + 2
    kernels = [array for name, array in weights.items() if name.endswith("kernel") and array.ndim > 1]
    return max((int(np.prod(k.shape[:-1])) + 1 for k in kernels), default=1)
