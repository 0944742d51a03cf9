"""How many threads every implementation is given, told to a process by the variables that the frameworks read; and how
many processes this machine bears."""

from __future__ import annotations

import os
from contextlib import suppress

VARIABLES = (
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS",
)  # fmt: skip


def usable() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processes(memory: int) -> int:
    """So many processes of `memory` bytes this machine bears at once: one a core, where there is room for them."""
    with suppress(AttributeError, OSError, ValueError):  # a system that does not tell its memory
        room = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return max(1, min(usable(), room // memory))
    return usable()


def environment(threads: int) -> dict[str, str]:
    """What gives a fresh process so many threads, and keeps TensorFlow's remarks out of what it says."""
    return {**dict.fromkeys(VARIABLES, str(threads)), "TF_CPP_MIN_LOG_LEVEL": "3"}


def asked() -> int | None:
    """What this process was told, for a framework that reads no such variable."""
    told = os.environ.get(VARIABLES[0], "")
    return int(told) if told.isdecimal() else None
