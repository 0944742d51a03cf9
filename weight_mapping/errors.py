"""The one family of errors: each names the thing, what was found, what was expected, and the way out."""

from __future__ import annotations

from typing import Any


class PortingError(Exception):
    """A file or a request that can't be ported as asked. `exit_code` is the command's."""

    exit_code = 2

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        found: object = None,
        expected: object = None,
        way_out: str | None = None,
    ) -> None:
        self.what, self.where, self.found, self.expected, self.way_out = what, where, found, expected, way_out
        parts = [f"{on_one_line(where)}: {what}" if where else what]
        if found is not None:
            parts.append(f"found {found}")
        if expected is not None:
            parts.append(f"expected {expected}")
        text = "; ".join(parts)
        super().__init__(printable(f"{text}. {way_out}" if way_out else text, _LONGEST))


class Unconfigured(PortingError):
    """Weights alone, whose configuration lies elsewhere."""


class Unsupported(PortingError):
    """A layer, activation or option that this project does not know: refused by its name, never guessed. `also`: the
    names of others that stand in the way beside it."""

    def __init__(
        self, what: str, *, class_name: str | None = None, also: tuple[str, ...] = (), **details: Any
    ) -> None:  # fmt: skip
        super().__init__(what, **details)
        self.class_name, self.also = class_name, also


class Unrepresentable(Unsupported):
    """The thing is understood, and the target has no way to state it."""


class DamagedFile(PortingError):
    """A file that is truncated, contradicts itself, or is not what it claims to be."""

    exit_code = 3


class NoModel(DamagedFile):
    """A file of a known kind that holds something else than a model: another program's data."""


class UnsafeFile(DamagedFile):
    """A file that reaches outside itself, or asks for more than it holds."""


class WeightsMismatch(DamagedFile):
    """The weights' names or shapes contradict the configuration."""


class Unwritable(PortingError):
    """The system refuses to write where it was asked to: a full disk, a folder that takes nothing. It is the place that
    was named, not the file that was read: as an error of usage."""

    exit_code = 4


_CUT, _LONGEST = 200, 4000


def printable(text: object, limit: int | None = None) -> str:
    """`text` with every control, bidirectional and surrogate character spelled out, so that a name from a file can
    be shown on a terminal; cut at `limit` characters."""
    shown = "".join(c if _harmless(c) else _spelled(c) for c in str(text))
    return shown if limit is None or len(shown) <= limit else shown[: limit - 1] + "…"


def shown(name: object) -> str:
    """A name from a file as it may be shown in one line: `on_one_line`, at most 200 characters."""
    return on_one_line(name, _CUT)


def on_one_line(text: object, limit: int | None = None) -> str:
    """`printable`, the ends of lines spelled out too: a name with one in it would write a line of its own."""
    return printable(text, limit).replace("\n", "\\x0a")


def _harmless(c: str) -> bool:
    return c == "\n" or (c.isprintable() and c not in "\u200e\u200f")


def _spelled(c: str) -> str:
    code = ord(c)
    return f"\\x{code:02x}" if code < 0x100 else f"U+{code:04X}"
