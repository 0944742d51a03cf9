"""Whether a stranger's model can be run for a proof: a small file may ask for an endless run. It is run once with its
sizes watched from layer to layer, and it is given so much memory and no more."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path

import numpy as np

from weight_mapping import oracle
from weight_mapping.errors import DamagedFile, PortingError, UnsafeFile, Unsupported, shown
from weight_mapping.graph import Call
from weight_mapping.probe import probe, sizes
from weight_mapping.spec import Bidirectional, Recurrent
from weight_mapping.weights import Portable

MOST_NUMBERS, MOST_KEPT, MOST_STEPS, MOST_CALLS = 1 << 25, 1 << 21, 50_000, 2000
"""Of all that the layers compute, of the model's outputs (which are compared in several ways), of the steps that the
recurrent layers take in turn, and of the calls of layers."""
_MEMORY = 1 << 30
_WAY_OUT = "Port it without a proof (--no-proof), or with one whatever it takes if you trust the file (--trusted)."


def check(portable: Portable) -> None:
    """Run the model once. Raises Unsupported where it is too large to be run, DamagedFile where it can't be run."""
    with limited(portable):
        _check_sizes(portable)


@contextmanager
def limited(portable: Portable) -> Iterator[None]:
    """Run the model inside, in as much memory as a model of its weights may take."""
    try:
        with _memory(_MEMORY + 40 * sum(array.nbytes for array in portable.arrays().values())):
            yield
    except PortingError:
        raise
    except MemoryError as error:
        raise UnsafeFile("the model needs more memory than it is given", way_out=_WAY_OUT) from error
    except Exception as error:
        found = f"{type(error).__name__}: {shown(error)}"
        raise DamagedFile("the model can't be computed", where=shown(portable.spec.name), found=found) from error


def _check_sizes(portable: Portable) -> None:
    spent = {"numbers": 0, "steps": 0, "calls": 0}

    def spend(call: Call) -> None:
        spent["calls"] += 1
        spent["numbers"] += sum(x.size for x in call.inputs)
        if isinstance(call.layer, Recurrent | Bidirectional):
            spent["steps"] += call.inputs[0].shape[1]
        _demand(spent["calls"], MOST_CALLS, "calls of layers", call.path)
        _demand(spent["numbers"], MOST_NUMBERS, "numbers", call.path)
        _demand(spent["steps"], MOST_STEPS, "steps of recurrent layers", call.path)

    whole = portable.spec
    ends = len(whole.inputs) + len(whole.outputs)
    _demand(len(whole.nodes) + ends, MOST_CALLS, "calls of layers, inputs and outputs", (whole.name,))
    for one in whole.inputs:
        _demand(prod(sizes(one)), MOST_NUMBERS, "numbers", (one.name,))
    with np.errstate(all="ignore"):
        outputs = oracle.outputs(portable, *probe(whole), before=spend)
    _demand(sum(y.size for y in outputs), MOST_KEPT, "numbers of output", (whole.name,))


def _demand(found: int, most: int, what: str, where: tuple[str, ...]) -> None:
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
