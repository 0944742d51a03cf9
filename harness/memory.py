"""How a process of our own holds its memory, set once at its start.

Modules stay until the process ends, and Python searches them for garbage after every 700 new objects and once more at
the end: a fifth of the time that a port takes. And C's library keeps freed pieces of up to 32 MB for whoever asks next:
as much again as a large model takes."""

from __future__ import annotations

import atexit
import ctypes
import gc
from contextlib import suppress

_NEW = 100_000
"""Objects after which garbage is looked for: a few tens of MB at most lie about meanwhile."""
_LARGE = 1 << 22
"""Bytes from which memory comes from the system itself, and goes back to it."""
_M_MMAP_THRESHOLD = -3  # mallopt(3)


def settle() -> None:
    """At the start of the process: look for garbage seldom, and at the end not at all; give back what is freed."""
    gc.set_threshold(_NEW, *gc.get_threshold()[1:])
    atexit.register(gc.freeze)
    with suppress(OSError, AttributeError, TypeError):  # another C library than glibc
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)
