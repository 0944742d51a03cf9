"""Names from a file as identifiers of a closed alphabet, for texts and formats where a name must be one."""

from __future__ import annotations

import re

_LONGEST = 60


def identifier(name: str) -> str:
    """The name in ASCII letters, digits and underscores, starting with a letter, at most some 60 long."""
    base = re.sub(r"[^A-Za-z0-9_]+", "_", name)[:_LONGEST].strip("_")
    return base if base and base[0].isalpha() else f"layer_{base}".rstrip("_")


def unique(base: str, given: set[str]) -> str:
    """`base`, with a number behind it where it was given before; it is given from now on."""
    found, number = base, 2
    while found in given:
        found, number = f"{base}_{number}", number + 1
    given.add(found)
    return found
