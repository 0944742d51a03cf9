"""Names from a file as identifiers, from a closed alphabet and never twice; as comments, spelled out in ASCII."""

from __future__ import annotations

import keyword

from torch import nn

from weight_mapping.identifiers import identifier, unique

_TAKEN = frozenset({"self", "torch", "nn", "functional", "dtype", "load", "Model", "edges", "pad", "pool"})
"""What the text of the file itself says inside `forward` and `__init__`."""


class Names:
    """Identifiers given so far in one scope."""

    def __init__(self, reserved: frozenset[str] = frozenset()) -> None:
        self.given: set[str] = set(reserved | _TAKEN)

    def new(self, name: str) -> str:
        """An identifier for this name: letters, digits and underscores of ASCII, no keyword, no attribute of a module,
        none that was given before."""
        base = identifier(name)
        if keyword.iskeyword(base) or keyword.issoftkeyword(base) or hasattr(nn.Module, base) or base in _ATTRIBUTES:
            base = f"{base}_"
        return unique(base, self.given)


_ATTRIBUTES = frozenset(vars(nn.Module()))


def comment(name: object) -> str:
    """A name as it may stand in a comment: one line of ASCII, cut at 200 characters."""
    return ascii(str(name)[:200])
