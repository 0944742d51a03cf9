"""What explains the outputs that a port of a model recorded: every known mistake tried in every recurrent layer, then
every two, in one layer or in two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.backends import Arrays, output_names
from harness.diagnosis.answers import CANDIDATES, EXACT, ROUNDED, Finding, distance, explaining
from harness.diagnosis.likely import diagnosed, of_portable
from harness.diagnosis.models import Place, recurrent_layers
from harness.mutants.mutant import Mutant
from harness.mutants.pairs import near
from harness.mutants.table import SEEN_IN_OUTPUTS
from harness.problems import Layer, Problem
from weight_mapping import oracle
from weight_mapping.errors import PortingError
from weight_mapping.spec import ModelSpec, Path
from weight_mapping.weights import CellWeights, Portable

_REACH = 10 * ROUNDED
"""A whole model's outputs in float32 agree within this."""
_FAR_LESS = 0.01
"""An explanation leaves less than this of the difference."""
_WORK = 2e10
"""Products of weights that all pairs may take for one sample: about a minute."""
_SHOWN = 3
_TOO_MUCH = "two mistakes at once were not tried: the model and the recording are too large for it"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Slip:
    """A mistake made in one layer, and the model with it."""

    path: Path
    mutant: Mutant
    model: Portable

    @property
    def where(self) -> str:
        return "/".join(self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tried:
    """One slip or two, and the distance from the recording that they leave."""

    slips: tuple[_Slip, ...]
    error: float

    @property
    def layer(self) -> str:
        return " and ".join(dict.fromkeys(slip.where for slip in self.slips))

    @property
    def name(self) -> str:
        """By itself in its layer; with the layer where there are several."""
        apart = len({slip.path for slip in self.slips}) > 1
        return ", and ".join(f"{s.mutant.id} in {s.where}" if apart else s.mutant.id for s in self.slips)

    def finding(self, explains: bool, others: Sequence[_Tried]) -> Finding:
        """`others` explain it as well."""
        return Finding(
            name=self.name, distance=self.error, explains=explains,
            explanation="; and ".join(slip.mutant.description for slip in self.slips),
            fix="; and ".join(slip.mutant.fix for slip in self.slips),
            ties=tuple(f"{one.name} ({one.layer})" for one in others),
        )  # fmt: skip


def diagnose_recording(portable: Portable, inputs: tuple[Any, ...], outputs: Arrays) -> tuple[Place, ...]:
    """What explains the outputs ('y', or 'y0', 'y1' …) that a port of the model recorded for these inputs; empty where
    they are right. Several places that explain it are a tie, and each names the others."""
    right = _run(portable, inputs)
    before = distance(right, outputs).error
    if before <= ROUNDED:
        return ()
    alone = of_portable(portable)
    if alone and len(inputs) == 1 and len(outputs) == len(output_names(alone[0])):
        findings = diagnosed(alone, inputs, (), [outputs[name] for name in sorted(outputs)])
        (name,) = portable.spec.layers
        return (Place(layer=name, findings=tuple(explaining(findings)) or findings[:_SHOWN]),)
    reach = min(_REACH, _FAR_LESS * before)
    singles = list(_singles(portable, inputs, right, outputs))
    told = [tried for tried in singles if tried.error <= reach]
    slips = [tried.slips[0] for tried in singles if tried.slips[0].mutant in SEEN_IN_OUTPUTS]
    too_much = not told and _work(portable, inputs, len(slips)) > _WORK
    if not told and not too_much:
        told = list(_pairs(inputs, right, outputs, slips, reach))
    if told:
        each = [(one, one.finding(True, [other for other in told if other is not one])) for one in told]
    else:
        nearest = sorted(singles, key=lambda tried: tried.error)[:_SHOWN]
        each = [(one, replace(one.finding(False, ()), where=_TOO_MUCH if too_much else "")) for one in nearest]
    return tuple(Place(layer=one.layer, findings=(finding,)) for one, finding in each)


def _singles(portable: Portable, inputs: tuple[Any, ...], right: Arrays, outputs: Arrays) -> Iterator[_Tried]:
    for path, layer in recurrent_layers(portable.spec):
        for mutant in CANDIDATES:
            slip = _made(portable, path, layer, mutant)
            wrong = None if slip is None else _seen(slip.model, (mutant,), inputs)
            if slip is not None and wrong is not None and distance(right, wrong).error > EXACT:
                yield _Tried(slips=(slip,), error=distance(wrong, outputs).error)


def _pairs(
    inputs: tuple[Any, ...], right: Arrays, outputs: Arrays, slips: Sequence[_Slip], reach: float
) -> Iterator[_Tried]:
    """Every two that explain it: for the first sample, and then for all."""
    first, shown = tuple(np.asarray(x)[:1] for x in inputs), {name: np.asarray(y)[:1] for name, y in outputs.items()}
    for n, one in enumerate(slips):
        layers = dict(recurrent_layers(one.model.spec))
        for other in slips[n + 1 :]:
            second = _made(one.model, other.path, layers[other.path], other.mutant)
            if second is None:
                continue
            looks = (one.mutant, other.mutant)
            if not near(_seen(second.model, looks, first), shown, _REACH):  # by the first sample's own greatest number
                continue
            wrong = _seen(second.model, looks, inputs)
            if wrong is not None and distance(wrong, outputs).error <= reach < distance(right, wrong).error:
                yield _Tried(slips=(one, second), error=distance(wrong, outputs).error)


def _work(portable: Portable, inputs: tuple[Any, ...], slips: int) -> float:
    weights = sum(array.size for array in portable.arrays().values())
    steps = max(np.asarray(x).shape[1] if np.ndim(x) > 1 else 1 for x in inputs)
    return float(weights * steps * slips * (slips - 1) / 2)


def _run(portable: Portable, inputs: tuple[Any, ...]) -> Arrays:
    y = oracle.run(portable, *inputs)
    return {"y": y} if not isinstance(y, tuple) else {f"y{n}": each for n, each in enumerate(y)}


def _seen(model: Portable, mutants: Sequence[Mutant], inputs: tuple[Any, ...]) -> Arrays | None:
    """What the mistaken model answers; None where it can't."""
    try:
        found = _run(model, inputs)
        for mutant in mutants:
            found = mutant.seen(found)
        return found
    except PortingError:
        return None


def _made(portable: Portable, path: Path, layer: Layer, mutant: Mutant) -> _Slip | None:
    """The mistake made in one layer; None where it can't be made within a model."""
    inside = {p[len(path) :]: w for p, w in portable.weights.items() if p[: len(path)] == path}
    cells = {p: w for p, w in inside.items() if isinstance(w, CellWeights)}
    try:
        changed = mutant.change(Problem(layer=layer, weights=cells, xs=(np.zeros((1, 1, 1)),)))
        if changed is None:
            return None
        weights = {**portable.weights, **{(*path, *p): w for p, w in changed.weights.items()}}
        model = replace(portable, spec=_replaced(portable.spec, path, changed.layer), weights=weights)
    except PortingError:
        return None
    return _Slip(path=path, mutant=mutant, model=model)


def _replaced(spec: Any, path: Path, layer: Layer) -> Any:
    """The model with another layer at this path."""
    if not path:
        return layer
    if isinstance(spec, ModelSpec):
        inner = _replaced(spec.layers[path[0]], path[1:], layer)
        return replace(spec, layers={**spec.layers, path[0]: inner})
    return replace(spec, layer=_replaced(spec.layer, path[1:], layer))
