"""Whether a stranger's model can be run for a proof: a small file may ask for an endless run. It is run once, what each
layer costs told before it is computed, and it is given so much memory and time and no more."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.porting.cost import WEIGHT, cost
from harness.threads import usable
from weight_mapping import oracle
from weight_mapping.activations import Activation
from weight_mapping.errors import DamagedFile, PortingError, UnsafeFile, Unsupported, shown
from weight_mapping.graph import Call
from weight_mapping.probe import probe, sizes
from weight_mapping.spec import Cell, ModelSpec, leaves
from weight_mapping.weights import Portable

MOST_NUMBERS, MOST_WORKING, MOST_KEPT, MOST_CALLS, MOST_SECONDS = 1 << 25, 1 << 25, 1 << 21, 2000, 1.5
"""Of all that the layers are given, of what one layer holds while it computes, of the model's outputs (which are
compared in several ways), of the calls of layers, and of the seconds that a run is told to take (`cost`): a proof
takes six to eight times as long."""
MOST_ACTIVATIONS = 8
"""Different ones in the recurrent layers, a slope counted with its function: each is compiled, and kept."""
_BYTES_A_SECOND = 1 << 23
"""A larger file may take longer: a second more a run for so many bytes that are stored, and as many working numbers as
bytes. A recurrent layer's weights are used at some 400 steps in that time."""
_MEMORY, _THREAD = 512 << 20, 16 << 20
"""Of addresses: for a model of small weights, and for each thread that a framework may start."""
_PATIENCE = 60.0
_WAY_OUT = "Port it without a proof (--no-proof), or with one whatever it takes if you trust the file (--trusted)."


def check(portable: Portable, stored: int = 0, *, twice: bool = False, seed: int = 0) -> list[NDArray[Any]]:
    """Run the model once, on `probe(spec, seed)`: its outputs. `stored`: the bytes of its file, `twice`: two ports of
    it are to be proved. Raises Unsupported where it is too large to be run, DamagedFile where it can't be run."""
    with limited(portable):
        return _run(portable, stored, 1.5 if twice else 1.0, seed)


@contextmanager
def limited(portable: Portable, *, trusted: bool = False) -> Iterator[None]:
    """Run the model inside, in as much memory and time as a model of its weights may take; `trusted`: whatever it
    takes."""
    if trusted:
        yield
        return
    size = sum(array.nbytes for array in portable.arrays().values())
    try:
        with _memory(_MEMORY + _THREAD * usable() + 40 * size), _clock(_PATIENCE + 20 * size / _BYTES_A_SECOND):
            yield
    except PortingError:
        raise
    except MemoryError as error:
        raise UnsafeFile("the model needs more memory than it is given", way_out=_WAY_OUT) from error
    except Exception as error:
        found = f"{type(error).__name__}: {shown(error)}"
        raise DamagedFile("the model can't be computed", where=shown(portable.spec.name), found=found) from error


def _run(portable: Portable, stored: int, share: float, seed: int) -> list[NDArray[Any]]:
    spent = {"numbers": 0, "calls": 0}
    seconds, most_seconds = 0.0, MOST_SECONDS + stored / _BYTES_A_SECOND

    def take(more: float, where: tuple[str, ...]) -> None:
        nonlocal seconds
        seconds += more * share
        _demand(round(seconds, 1), round(most_seconds, 1), "seconds a run, and more behind it", where)

    def spend(call: Call) -> None:
        one = cost(call, portable.weights)
        spent["calls"] += 1
        spent["numbers"] += one.numbers
        _demand(spent["calls"], MOST_CALLS, "calls of layers", call.path)
        _demand(spent["numbers"], MOST_NUMBERS, "numbers", call.path)
        take(one.seconds, call.path)
        _demand(one.working, MOST_WORKING + stored, "numbers at once", call.path)

    whole = portable.spec
    ends = len(whole.inputs) + len(whole.outputs)
    _demand(len(whole.nodes) + ends, MOST_CALLS, "calls of layers, inputs and outputs", (whole.name,))
    _demand(len(_activations(whole)), MOST_ACTIVATIONS, "different activations to compile", (whole.name,))
    take(WEIGHT * sum(array.size for array in portable.arrays().values()), (whole.name,))
    for one in whole.inputs:
        _demand(prod(sizes(one)), MOST_NUMBERS, "numbers", (one.name,))
    with np.errstate(all="ignore"):
        outputs = oracle.outputs(portable, *probe(whole, seed), before=spend)
    _demand(sum(y.size for y in outputs), MOST_KEPT, "numbers of output", (whole.name,))
    return outputs


def _activations(spec: ModelSpec) -> set[Activation]:
    cells = [leaf for _, leaf in leaves(spec) if isinstance(leaf, Cell)]
    return {one for cell in cells for one in (cell.activation, cell.recurrent_activation)}


def _demand(found: float, most: float, what: str, where: tuple[str, ...]) -> None:
    if found > most:
        raise Unsupported(
            "the model is too large to be run for a proof", where=shown("/".join(where)), found=f"{found:,} {what}",
            expected=f"at most {most:,}", way_out=_WAY_OUT,
        )  # fmt: skip


@contextmanager
def _memory(more: int) -> Iterator[None]:
    """At most so many bytes more than by now, where Linux can tell and limit them."""
    if sys.platform != "linux":
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = taken + more if hard == resource.RLIM_INFINITY else min(taken + more, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@contextmanager
def _clock(seconds: float) -> Iterator[None]:
    """At most so long, where the system can ring: the last line, for the costs are told beforehand."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*_: object) -> None:
        raise Unsupported("the proof takes too long", found=f"no end after {seconds:.0f} s", way_out=_WAY_OUT)

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
