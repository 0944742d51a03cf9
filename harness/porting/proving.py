"""The proof of one port: what it wrote, run, against the float64 oracle, on inputs where a mistake must show."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.bounds import ACTIVATIONS, DELTA, DRAWS, LAMBDA
from harness.compare import UNIT, Limit, Named, agreement
from harness.results import Agreement, Case
from weight_mapping import oracle
from weight_mapping.probe import probe
from weight_mapping.spec import Cell, ConvCell, Custom, Layer, Operation, Plain, leaves
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
    dtypes: Sequence[str] = ("float64", "float32"), beside: Sequence[Way] = (),
) -> Case:  # fmt: skip
    """Hold a port's outputs, computed in each of `dtypes`, and those of every way `beside` it to the oracle's, within
    what rounding can explain."""
    started = time.perf_counter()
    inputs = probe(portable.spec, seed)
    reference = _named(oracle.run(portable, *inputs))
    amplified = _amplification(portable, inputs, reference)
    agreements: list[Agreement] = []
    ported = Way(check="outputs", backend=backend, outputs=outputs, dtypes=tuple(dtypes))
    for way in (ported, *beside):
        for dtype in way.dtypes:
            found = _named(way.outputs(portable, inputs, dtype))
            limits = {name: _limit(portable, amplified[name], dtype) for name in reference}
            agreements.append(agreement(way.check, way.backend, reference, found, limits, dtype=dtype))
    notes = [f"input {i.name}: shape {x.shape}" for i, x in zip(portable.spec.inputs, inputs, strict=True)]
    return Case(
        id="port", title=f"{portable.spec.name}: outputs against the float64 oracle", group="port",
        spec={"inputs": notes}, fingerprint=portable.source.sha256 or "", repeat=command, agreements=tuple(agreements),
        seconds=time.perf_counter() - started, notes=tuple(portable.source.resolved),
    )  # fmt: skip


def _named(answer: Any) -> Named:
    """The outputs by name; a comparison's booleans as numbers."""
    listed = [np.asarray(y) for y in (answer if isinstance(answer, tuple | list) else [answer])]
    return {
        f"y{n}" if len(listed) > 1 else "y": y.astype(np.float64) if y.dtype == bool else y
        for n, y in enumerate(listed)
    }


def _amplification(portable: Portable, inputs: Sequence[NDArray[Any]], reference: Named) -> dict[str, float]:
    """How much the outputs move over the relative move of every weight (and input that is no id), at least 1."""
    rng = np.random.default_rng(0)
    found = dict.fromkeys(reference, 1.0)
    for _ in range(DRAWS):
        moved = _named(oracle.run(_perturbed(portable, rng), *inputs))
        for name, array in reference.items():
            scale = float(np.abs(array).max()) or 1.0
            distance = float(np.abs(moved[name] - array).max()) / scale / DELTA if array.size else 0.0
            found[name] = max(found[name], distance) if np.isfinite(distance) else np.inf
    return found


def _perturbed(portable: Portable, rng: np.random.Generator) -> Portable:
    def moved(array: NDArray[Any]) -> NDArray[Any]:
        """Part by part in its place: a large array is there once."""
        found = np.array(array, np.float64, order="C")
        for part in np.array_split(found.reshape(-1), found.size // _PART + 1):
            part *= 1 + DELTA * rng.choice([-1.0, 1.0], part.shape)
        return found

    return with_arrays(portable, moved)


def with_arrays(portable: Portable, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Portable:
    """The model with every array of its weights changed so."""

    def leaf(weights: LeafWeights) -> LeafWeights:
        if isinstance(weights, CellWeights):
            return replace(weights, **{name: change(array) for name, array in weights.arrays()})
        return {name: change(array) for name, array in weights.items()}

    return replace(portable, weights={path: leaf(weights) for path, weights in portable.weights.items()})


def _limit(portable: Portable, factor: float, dtype: str) -> Limit:
    """As for one layer (`harness.bounds`), with the widest sum of any layer and a share for each layer."""
    terms = max((_terms(weights) for weights in portable.weights.values()), default=1)
    depth = max(len(portable.spec.nodes), 1)
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


def described(portable: Portable, module_of: Mapping[str, str], held_by: Mapping[str, str]) -> dict[str, Any]:
    """What the page and proof.json say of a port: every layer's fate, every weight's way, what was resolved.
    `module_of`: what each layer became; `held_by`: what holds each array in the port."""
    source = portable.source
    prints, arrays = portable.fingerprints(), portable.arrays()
    origins = _origins(portable)
    return {
        "file": source.path, "sha256": source.sha256, "container": source.container,
        "keras_version": source.keras_version, "backend": source.backend,
        "parameters": sum(int(array.size) for array in arrays.values()),
        "layers": [
            {"name": name, "class": words(layer), "module": module_of.get(name, ""), "fate": fate(layer)}
            for name, layer in portable.spec.layers.items()
        ],
        "graph": [
            {"name": n.name, "layer": n.layer, "inputs": [ref.node for ref in (*n.inputs, *n.initial_state)]}
            for n in portable.spec.nodes
        ],
        "inputs": [
            {"name": i.name, "shape": str(i.shape or "any shape").replace("None", "any")} for i in portable.spec.inputs
        ],
        "outputs": [ref.node for ref in portable.spec.outputs],
        "weights": [
            {
                "source": origins.get(name, ""), "array": name, "shape": list(array.shape), "dtype": str(array.dtype),
                "destination": held_by.get(name, ""), "sha256": prints[name],
            }
            for name, array in arrays.items()
        ],
        "resolved": list(source.resolved),
        "warnings": warnings(portable),
    }  # fmt: skip


def _origins(portable: Portable) -> dict[str, str]:
    """For each array the name that it had in the file, told by its last word, or by its number in Keras 3's `vars`; all
    names of its leaf where neither tells it."""
    found: dict[str, str] = {}
    for path, _, weights in portable.leaves():
        own = [name for name, _ in weights.arrays()] if isinstance(weights, CellWeights) else list(weights)
        names = portable.source.origins.get(path, ())
        numbered = len(own) == len(names) and all(n.endswith(f"/vars/{k}") for k, n in enumerate(names))
        for number, name in enumerate(own):
            called = {"recurrent": "recurrent_kernel"}.get(name, name)
            alone = [n for n in names if re.fullmatch(rf"{re.escape(called)}(_\d+)?(:\d+)?", n.rpartition("/")[2])]
            alone = [names[number]] if numbered else alone
            found["/".join((*path, name))] = alone[0] if len(alone) == 1 else ", ".join(names)
    return found


def words(layer: Layer) -> str:
    """A layer in a few words: LSTM(128), tanh, hard_sigmoid(slope=1/5)."""
    cells = [leaf for _, leaf in leaves(layer) if isinstance(leaf, Cell | ConvCell)]
    name = type(layer).__name__
    if isinstance(layer, Plain):
        shown = {k: v for k, v in layer.options.items() if k in ("units", "rate", "activation", "filters", "input_dim")}
        return f"{layer.kind}({', '.join(f'{k}={v}' for k, v in shown.items())})"
    if isinstance(layer, Operation | Custom):
        return layer.name if isinstance(layer, Operation) else layer.class_name
    inside = "; ".join(
        f"{c.kind.upper()}({c.units}) {c.activation}" + (f", {c.recurrent_activation}" if c.kind != "rnn" else "")
        for c in cells
    )
    return inside if name == "Recurrent" else f"{name}[{inside}]"


def fate(layer: Layer) -> str:
    refusals = [leaf.refusal for _, leaf in leaves(layer) if isinstance(leaf, Custom)]
    return f"refused: {refusals[0]}" if refusals else "ported"


def warnings(portable: Portable) -> list[str]:
    """What a user should know before relying on the numbers."""
    found = []
    for name, array in portable.arrays().items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            found.append(f"{name} contains NaN or infinity")
        elif array.dtype == np.float16:
            found.append(f"{name} is stored in half precision")
    if any("hard_sigmoid" in line for line in portable.source.resolved):
        found.append(
            "hard_sigmoid has another slope in other Keras generations: the same weights give other outputs there"
        )
    return found
