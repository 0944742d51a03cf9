"""Names from a file as identifiers, from a closed alphabet and never twice; as comments, spelled out in ASCII."""

from __future__ import annotations

import keyword
import re

from torch import nn

_TAKEN = frozenset({"self", "torch", "nn", "functional", "dtype", "load", "Model", "edges", "pad", "pool"})
"""What the text of the file itself says inside `forward` and `__init__`."""
_LONGEST = 60


class Names:
    """Identifiers given so far in one scope."""

    def __init__(self, reserved: frozenset[str] = frozenset()) -> None:
        self.given: set[str] = set(reserved | _TAKEN)

    def new(self, name: str) -> str:
        """An identifier for this name: letters, digits and underscores of ASCII, no keyword, no attribute of a module,
        none that was given before."""
        base = re.sub(r"[^A-Za-z0-9_]+", "_", name)[:_LONGEST].strip("_")
        if not base or not base[0].isalpha():
            base = f"layer_{base}".rstrip("_")
        if keyword.iskeyword(base) or keyword.issoftkeyword(base) or hasattr(nn.Module, base) or base in _ATTRIBUTES:
            base = f"{base}_"
        found, number = base, 2
        while found in self.given:
            found, number = f"{base}_{number}", number + 1
        self.given.add(found)
        return found


_ATTRIBUTES = frozenset(vars(nn.Module()))


def comment(name: object) -> str:
    """A name as it may stand in a comment: one line of ASCII, cut at 200 characters."""
    return ascii(str(name)[:200])
