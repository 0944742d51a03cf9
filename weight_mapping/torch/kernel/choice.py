"""Which of the two paths a cell takes, and why."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.autograd import forward_ad

from weight_mapping.activations import hard_sigmoid, is_elementwise
from weight_mapping.errors import PortingError
from weight_mapping.spec import Cell
from weight_mapping.torch.kernel import check, library
from weight_mapping.torch.kernel.library import DTYPES
from weight_mapping.torch.kernel.words import Words, understood, words_of

SWITCH = "LSTM_PARITY_KERNEL"
"""The variable of the environment that says 'off' where the plain steps shall run; 'on' is the default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Whether the kernel runs here, and the reason in words."""

    runs: bool
    why: str


def serves(words: Words, x: Tensor) -> bool:
    """Whether the kernel computes this cell on such an input; the first question compiles it. Autocast, the
    transforms of torch.func and derivatives forward go their own ways through the plain steps."""
    device, dtype = x.device.type, DTYPES.get(x.dtype)
    if device not in DEVICES or dtype is None:
        return False
    if (
        torch.is_autocast_enabled(device)
        or torch._C._are_functorch_transforms_active()
        or forward_ad._current_level >= 0
    ):
        return False
    return _trusted(words, dtype, device)


def standing(device: str = "cpu") -> Standing:
    """The standing on one of `DEVICES` of the cell that needs it most: an LSTM with Keras 2's hard_sigmoid."""
    if not _wanted():
        return Standing(runs=False, why=f"{SWITCH} is off")
    if device == "cuda" and not torch.cuda.is_available():
        return Standing(runs=False, why=f"PyTorch {torch.__version__} sees no CUDA device")
    cell = Cell(kind="lstm", units=1, recurrent_activation=hard_sigmoid(1 / 5))
    obstacle = _obstacle(words_of(cell), "float", device)
    return Standing(runs=obstacle is None, why=obstacle or f"{DEVICES[device]()}; it agrees with the steps")


def _on_cpu() -> str:
    return f"for {library.target()[0]}"


def _on_cuda() -> str:
    from weight_mapping.torch.kernel.gpu import graphs

    return f"by Triton, {graphs.memory.obstacle or 'in CUDA graphs where shapes repeat'}"


DEVICES = {"cpu": _on_cpu, "cuda": _on_cuda}
"""Where the kernel can run, and how it does there."""


def _trusted(of: Words, dtype: str, device: str) -> bool:
    return _wanted() and _obstacle(of, dtype, device) is None


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
def _obstacle(of: Words, dtype: str, device: str) -> str | None:
    """Why this cell can't take the kernel, None where it can; said on stderr once, unless there is none for its like.
    `dtype` as in `DTYPES`."""
    if not all(is_elementwise(understood(activation)) for activation in of[1:]):
        return "it has an activation over all units at once, for which there is no kernel"
    if _obstacle.cache_info().misses > MOST:
        return f"more than {MOST} different cells in one process"
    try:
        runs = 1 if device == "cpu" else 2  # of which the second is played from a graph
        difference = max(check.difference(of, getattr(torch, dtype), device) for _ in range(runs))
        if difference <= check.LARGEST:
            return None
        obstacle = f"compiled, it is off by {difference:.3g} units of rounding where {check.LARGEST:.0f} are allowed"
    except PortingError as error:
        obstacle = str(error)
    except Exception as error:  # whatever Triton, its compiler or the driver raise
        if device == "cpu":
            raise
        obstacle = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
    _say(f"lstm-parity: recurrent cells run step by step, several times slower: {obstacle}")
    return obstacle


@cache
def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)
