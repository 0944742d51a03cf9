"""Which of the two paths a cell takes, and why."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from weight_mapping.activations import hard_sigmoid
from weight_mapping.errors import PortingError
from weight_mapping.spec import Cell
from weight_mapping.torch.kernel import check
from weight_mapping.torch.kernel.library import DTYPES
from weight_mapping.torch.kernel.words import Words, words_of

SWITCH = "LSTM_PARITY_KERNEL"
"""The variable of the environment that says 'off' where the plain steps shall run; 'on' is the default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Whether the kernel runs here, and the reason in words."""

    runs: bool
    why: str


def serves(cell: Cell, x: Tensor) -> bool:
    """Whether the kernel computes this cell on such an input; the first question compiles it. Autocast and the
    transforms of torch.func go their own ways through the plain steps."""
    if x.device.type != "cpu" or torch.is_autocast_enabled("cpu") or torch._C._are_functorch_transforms_active():
        return False
    return x.dtype in DTYPES and _trusted(words_of(cell), str(x.dtype))


def standing() -> Standing:
    """The standing of the cell that needs it most: an LSTM with Keras 2's hard_sigmoid."""
    if not _wanted():
        return Standing(runs=False, why=f"{SWITCH} is off")
    obstacle = _obstacle(
        words_of(Cell(kind="lstm", units=1, recurrent_activation=hard_sigmoid(1 / 5))), "torch.float32"
    )
    capability = torch.backends.cpu.get_cpu_capability()
    return Standing(runs=obstacle is None, why=obstacle or f"for {capability}; it agrees with the steps")


def _trusted(of: Words, dtype: str) -> bool:
    return _wanted() and _obstacle(of, dtype) is None


# What torch.compiler.assume_constant_result sets (torch 2.13), which imports the whole compiler to set it: more time
# than the rest of PyTorch takes.
_trusted._dynamo_marked_constant = True  # type: ignore[attr-defined]


def _wanted() -> bool:
    found = os.environ.get(SWITCH, "on")
    if found not in ("on", "off"):
        raise PortingError("a switch that is neither on nor off", where=SWITCH, found=found, expected="on or off")
    return found == "on"


MOST = 64
"""So many different cells are compiled in one process: a file can state any number of slopes, each a compilation."""


@cache
def _obstacle(of: Words, dtype: str) -> str | None:
    """Why this cell can't take the kernel, which is said on stderr once; None where it can."""
    if _obstacle.cache_info().misses > MOST:
        return f"more than {MOST} different cells in one process"
    try:
        difference = check.difference(of, getattr(torch, dtype.removeprefix("torch.")))
        if difference <= check.LARGEST:
            return None
        obstacle = f"compiled, it is off by {difference:.3g} units of rounding where {check.LARGEST:.0f} are allowed"
    except PortingError as error:
        obstacle = str(error)
    _say(f"lstm-parity: recurrent cells run step by step, several times slower: {obstacle}")
    return obstacle


@cache
def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)
