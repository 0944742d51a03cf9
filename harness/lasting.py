"""What a process imports stays until it ends. Python looks through it for garbage every 700 new objects, and all of it
once more before it goes: a fifth of the time that a port takes, most of it in PyTorch's modules."""

from __future__ import annotations

import atexit
import gc

_NEW = 100_000
"""Objects after which garbage is looked for: a few tens of MB at most lie about meanwhile."""


def spare_what_stays() -> None:
    """For a process of our own, at its start: look for garbage seldom, and at the end not at all."""
    gc.set_threshold(_NEW, *gc.get_threshold()[1:])
    atexit.register(gc.freeze)
