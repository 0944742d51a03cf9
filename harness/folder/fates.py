"""What can become of a file, from best to worst."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.porting.port import reproduces
from harness.results import HOLDS, Results
from weight_mapping.errors import DamagedFile, NoModel, PortingError


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """`code`: the command's exit code where this is the worst. `sign`: how the page colours it."""

    name: str
    code: int
    sign: str
    meaning: str


PORTED = Fate(name="ported", code=0, sign="holds", meaning="ported, and the proof holds")
LAYERS_ONLY = Fate(name="layers only", code=0, sign="holds", meaning="refused whole; its recurrent layers are proved")
CHAOTIC = Fate(
    name="chaotic",
    code=0,
    sign="chaotic",
    meaning="ported; float64 holds, float32 grows rounding too much to be compared",
)
UNPROVED = Fate(name="unproved", code=0, sign="none", meaning="ported, not compared (--no-proof)")
NO_MODEL = Fate(name="no model", code=0, sign="none", meaning="holds another program's data")
REFUSED = Fate(name="refused", code=2, sign="chaotic", meaning="not supported, or its configuration is missing")
DAMAGED = Fate(name="damaged", code=3, sign="fails", meaning="damaged, unsafe or contradicting itself")
TIMED_OUT = Fate(name="timed out", code=3, sign="fails", meaning="took longer than --timeout")
CRASHED = Fate(name="crashed", code=3, sign="fails", meaning="its process died, or failed in a way it should not")
MISMATCH = Fate(name="mismatch", code=1, sign="fails", meaning="ported, and the proof does not hold")

FATES = (PORTED, LAYERS_ONLY, CHAOTIC, UNPROVED, NO_MODEL, REFUSED, DAMAGED, TIMED_OUT, CRASHED, MISMATCH)
"""From best to worst: a wrong port is worse than none."""
RANK = {fate.name: n for n, fate in enumerate(FATES)}


def of_results(results: Results, layers_only: bool) -> Fate:
    """The fate of a file that was written."""
    if not results.cases:
        return UNPROVED
    if not reproduces(results):
        return MISMATCH
    if results.cases[0].verdict != HOLDS:
        return CHAOTIC
    return LAYERS_ONLY if layers_only else PORTED


def of_error(error: Exception) -> Fate:
    """The fate of a file that was not written."""
    if isinstance(error, NoModel):
        return NO_MODEL
    if isinstance(error, DamagedFile | OSError):
        return DAMAGED
    return REFUSED if isinstance(error, PortingError) else CRASHED


def exit_code(names: Iterable[str]) -> int:
    """Of the worst of these fates: 1 for a mismatch, before 3 for damage, before 2 for a refusal."""
    return FATES[max((RANK[name] for name in names), default=0)].code
