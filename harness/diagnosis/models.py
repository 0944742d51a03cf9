"""Two models that disagree: which convention differs, in which layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.compare import difference
from harness.diagnosis.answers import ROUNDED, Finding, diagnose_weights
from harness.problems import Layer, Problem
from weight_mapping.packing import with_bias
from weight_mapping.spec import Bidirectional, Cell, Path, Recurrent, leaves, parts, with_leaves
from weight_mapping.weights import CellWeights, Portable

_NAMES = {
    "go_backwards": "direction",
    "merge": "merge mode",
    "reset_after": "reset_after",
    "zero_output_for_mask": "zero_output_for_mask",
}
"""The fields of a layer whose difference is a known mistake, and the mistake's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What was found in one layer; several findings where one alone is not certain."""

    layer: str
    findings: tuple[Finding, ...]


def recurrent_layers(spec: Any, path: Path = ()) -> Iterator[tuple[Path, Layer]]:
    """Every recurrent layer of a model with its path, in the order in which its weights are listed."""
    if isinstance(spec, Recurrent | Bidirectional):
        yield path, spec
    elif not isinstance(spec, Cell):
        for name, part in parts(spec):
            yield from recurrent_layers(part, (*path, name))


def diagnose_portables(a: Portable, b: Portable) -> tuple[Place, ...]:
    """Where B, a port of A, differs: recurrent layers in their order, then the weights of the others."""
    places = []
    for one, other in zip_longest(recurrent_layers(a.spec), recurrent_layers(b.spec)):
        if one is None or other is None:
            where, name = ("/".join((one or other)[0]), "A" if other is None else "B")
            places.append(Place(layer=where, findings=(_plainly("a recurrent layer", f"only {name} has it"),)))
            continue
        findings = (*_settings(one[1], other[1]), *_weights(a, one, b, other))
        if findings:
            places.append(Place(layer="/".join(one[0]), findings=findings))
    return (*places, *_others(a, b))


def _plainly(name: str, explanation: str, fix: str = "take A's", error: float = np.inf) -> Finding:
    return Finding(name=name, explanation=explanation, fix=fix, distance=error)


def _settings(a: Layer, b: Layer) -> Iterator[Finding]:
    if type(a) is not type(b):
        yield _plainly("layer", f"{type(a).__name__} in A, {type(b).__name__} in B")
        return
    for name, one, other in _unequal(a, b):
        yield _plainly(_NAMES.get(name.split(".")[-1], name), f"{name} is {one} in A and {other} in B")


def _unequal(a: Any, b: Any, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """The fields that differ, by dotted name."""
    for f in fields(a):
        one, other = getattr(a, f.name), getattr(b, f.name)
        if one == other or f.name in ("bias", "input_size"):  # the weights tell these
            continue
        if isinstance(one, Recurrent):
            yield from _unequal(one, other, f"{prefix}{f.name}.")
        elif f.name == "cells" and len(one) == len(other):
            for n, (x, y) in enumerate(zip(one, other, strict=True)):
                yield from _cells_unequal(x, y, prefix if len(one) == 1 else f"{prefix}{n}.")
        else:
            yield f"{prefix}{f.name}", one, other


def _cells_unequal(a: Any, b: Any, prefix: str) -> Iterator[tuple[str, Any, Any]]:
    if type(a) is type(b) and a.kind == b.kind:
        for name, one, other in _unequal(a, b, prefix):
            both = {getattr(one, "name", ""), getattr(other, "name", "")}
            known = {frozenset({"hard_sigmoid"}): "other hard_sigmoid"}
            known[frozenset({"sigmoid", "hard_sigmoid"})] = "sigmoid for hard_sigmoid"
            label = known.get(frozenset(both))
            yield (f"{label}: {name}" if label else name), one, other
    else:
        yield f"{prefix}cell", a.kind, b.kind


def _weights(a: Portable, one: tuple[Path, Layer], b: Portable, other: tuple[Path, Layer]) -> tuple[Finding, ...]:
    ours, theirs = _of(a, one[0]), _of(b, other[0])
    if {p: w.kind for p, w in ours.items()} != {p: w.kind for p, w in theirs.items()}:
        return ()  # another cell altogether, which the settings have told
    if {p: _shapes(w) for p, w in ours.items()} != {p: _shapes(w) for p, w in theirs.items()}:
        return (_plainly("weights of other shapes", f"{_told(ours)} in A, {_told(theirs)} in B"),)
    layer = _single_biased(one[1], ours)
    findings = diagnose_weights(Problem(layer=layer, weights=ours, xs=(np.zeros((1, 1, 1)),)), theirs)
    if not findings or findings[0].explains:
        return findings[:1]
    return (replace(_plainly("weights", f"they differ, and no known mistake explains it: {findings[0].where}")),)


def _of(portable: Portable, path: Path) -> dict[Path, CellWeights]:
    """The cells' weights below a layer; the two biases of an LSTM or RNN added up, as the sum is all that counts."""
    found: dict[Path, CellWeights] = {}
    for where, weights in portable.weights.items():
        if where[: len(path)] == path and isinstance(weights, CellWeights):
            fold = weights.bias_form == "split" and weights.kind != "gru"
            found[where[len(path) :]] = with_bias(weights, "single") if fold else weights
    return found


def _single_biased(layer: Layer, weights: Mapping[Path, CellWeights]) -> Layer:
    new = {p: replace(cell, bias=weights[p].bias_form) for p, cell in leaves(layer) if isinstance(cell, Cell)}  # type: ignore[arg-type]
    result: Layer = with_leaves(layer, new)
    return result


def _shapes(weights: CellWeights) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in weights.arrays()}


def _told(weights: Mapping[Path, CellWeights]) -> str:
    return "; ".join(f"{'/'.join(p)} {_shapes(w)}" for p, w in weights.items())


def _others(a: Portable, b: Portable) -> Iterator[Place]:
    """Layers that are not recurrent, by their order."""
    pairs = zip_longest(_plain(a), _plain(b))
    for one, other in pairs:
        if one is None or other is None:
            name = "/".join((one or other)[0])
            yield Place(layer=name, findings=(_plainly("a layer", f"only {'A' if other is None else 'B'} has it"),))
            continue
        for name, array in one[1].items():
            apart = difference(name, array, other[1].get(name))
            if apart.error > ROUNDED:
                place = _plainly("weights", f"{apart.where}: they differ by {apart.error:.3g} of their size")
                yield Place(layer="/".join(one[0]), findings=(replace(place, distance=apart.error),))


def _plain(portable: Portable) -> list[tuple[Path, Mapping[str, NDArray[Any]]]]:
    return [(path, w) for path, _, w in portable.leaves() if not isinstance(w, CellWeights)]
