"""One case of the sweep as plain data: a layer, and by what rule its numbers are drawn; and its name, which is all that
is needed to make it again.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from harness.problems import MASKS, Float, Layer, Problem, cells
from weight_mapping.errors import DamagedFile
from weight_mapping.exchange import from_data, to_data
from weight_mapping.spec import Bidirectional, Cell, Recurrent
from weight_mapping.weights import BIAS_PARTS, CellWeights

Magnitude = Callable[[np.random.Generator, tuple[int, ...], str], Float]
_LONGEST = 1 << 16
"""Bytes of a name unpacked: a hundred times what the largest layer needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A layer with its sizes in it, and the rules of its numbers: `kernel`, `recurrent`, `bias`, `x` and `states` are
    names of `MAGNITUDES` (`states` empty: none are given), `mask` one of `problems.MASKS`."""

    layer: Layer
    dtype: str
    batch: int
    time: int
    batches: int = 1
    mask: str = "none"
    kernel: str = "ordinary"
    recurrent: str = "ordinary"
    bias: str = "ordinary"
    x: str = "ordinary"
    states: str = "ordinary"
    seed: int = 0

    @property
    def id(self) -> str:
        """The name: a line of letters, digits, - and _ from which `sample` makes the same one again."""
        data = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "layer"}
        text = json.dumps({**data, "layer": to_data(self.layer)}, separators=(",", ":"))
        return base64.urlsafe_b64encode(zlib.compress(text.encode(), 9)).decode().rstrip("=")

    @property
    def title(self) -> str:
        """In words."""
        each = ", ".join(f"{c.kind} {c.activation} {c.recurrent_activation}" for _, c in cells(self.layer))
        merge = f"Bidirectional {self.layer.merge} of " if isinstance(self.layer, Bidirectional) else ""
        return f"{merge}{each}; {self.dtype}, batch {self.batch}, {self.time} steps, mask {self.mask}"


def sample(name: str) -> Sample:
    """The sample of this name. DamagedFile where it is none."""
    try:
        packed = base64.b64decode(name + "=" * (-len(name) % 4), altchars=b"-_", validate=True)
        unpacking = zlib.decompressobj()
        data = json.loads(unpacking.decompress(packed, _LONGEST))
        found = Sample(**{key: from_data(value) for key, value in data.items()})
        known = (found.kernel, found.recurrent, found.bias, found.x, *([found.states] if found.states else []))
        sizes = (found.batch, found.time, found.batches)
        right = isinstance(found.layer, Recurrent | Bidirectional) and found.dtype in ("float64", "float32")
        right &= set(known) <= MAGNITUDES.keys() and found.mask in MASKS and all(0 < size <= 4096 for size in sizes)
    except (ValueError, TypeError, AttributeError, zlib.error) as error:
        raise DamagedFile("not the name of a case of the sweep", found=str(error)) from error
    if not right:
        raise DamagedFile("the name of a case of the sweep with words that it can't have", found=found.title)
    return found


def _scaled(factor: float) -> Magnitude:
    return lambda rng, shape, dtype: factor * rng.standard_normal(shape)


def _extreme(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Float:  # noqa: ARG001
    """Every order of magnitude from 1e-30 to 1e4 alike often."""
    return rng.choice([-1.0, 1.0], shape) * 10.0 ** rng.uniform(-30, 4, shape)


def _subnormal(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Float:
    """Below the smallest normal number of the dtype."""
    return rng.standard_normal(shape) * float(np.finfo(dtype).tiny) / 16


def _sparse(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Float:  # noqa: ARG001
    """One in four, the rest zero."""
    return rng.standard_normal(shape) * (rng.random(shape) < 0.25)


MAGNITUDES: Mapping[str, Magnitude] = {
    "ordinary": _scaled(1.0),
    "small": _scaled(2.0**-10),
    "saturating": _scaled(16.0),
    "chaotic": _scaled(6.0),
    "sparse": _sparse,
    "zeros": _scaled(0.0),
    "extreme": _extreme,
    "subnormal": _subnormal,
}
"""How large numbers are drawn, by name. Every row is divided by the root of its width where it is a kernel's."""

_DAMPING = {"exponential": 0.02, "tanh": 1.0, "sigmoid": 1.0, "hard_sigmoid": 1.0, "hard_tanh": 1.0, "softsign": 1.0,
            "sparse_sigmoid": 1.0}  # fmt: skip
"""The factor of the weights by activation; 0.3 for the others, which are unbounded: else most states would run away."""


def problem(sample: Sample) -> Problem:
    """The numbers of a sample, the same ones each time."""
    rng = np.random.default_rng(sample.seed)

    def drawn(rule: str, *shape: int) -> Float:
        numbers = MAGNITUDES[rule](rng, shape, sample.dtype)
        return numbers.astype(sample.dtype).astype(np.float64)

    def weights(cell: Cell) -> CellWeights:
        gates, units, width = len(cell.gates), cell.units, cell.input_size or 1
        damping = min(_DAMPING.get(a.name, 0.3) for a in (cell.activation, cell.recurrent_activation))
        arrays: dict[str, Any] = {
            "kernel": drawn(sample.kernel, gates, units, width) * damping / np.sqrt(width),
            "recurrent": drawn(sample.recurrent, gates, units, units) * damping / np.sqrt(units),
            "bias": drawn(sample.bias, BIAS_PARTS[cell.bias], gates, units) * damping if cell.bias != "none" else None,
        }
        held = {name: None if a is None else a.astype(sample.dtype).astype(np.float64) for name, a in arrays.items()}
        return CellWeights(kind=cell.kind, reset_after=cell.reset_after, **held)  # type: ignore[arg-type]

    layer = sample.layer
    runner = layer.forward if isinstance(layer, Bidirectional) else layer
    found = {path: weights(cell) for path, cell in cells(layer)}
    first = next(cell for _, cell in cells(layer))
    major = runner.time_major
    shape = (sample.time, sample.batch) if major else (sample.batch, sample.time)
    xs = tuple(drawn(sample.x, *shape, first.input_size or 1) for _ in range(sample.batches))
    mask = MASKS[sample.mask](rng, sample.batch, sample.time)
    states = [drawn(sample.states, sample.batch, c.units) for _, c in cells(layer) for _ in c.states if sample.states]
    return Problem(
        layer=layer, weights=found, xs=xs, initial_state=tuple(states),
        mask=np.ascontiguousarray(mask.T) if major and mask is not None else mask,
    )  # fmt: skip
