"""How a process of ours ended, in words: by which signal or code, and what it said last."""

from __future__ import annotations

import os
import signal
from typing import IO


def last_said(said: IO[bytes], most: int) -> str:
    """The last `most` bytes of what a process said into this file."""
    said.seek(max(said.seek(0, os.SEEK_END) - most, 0))
    return said.read().decode(errors="replace").strip()


def ending(code: int, tail: str = "") -> str:
    """'SIGSEGV, after saying: …', of a process's return code and what it said last."""
    ended = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return f"{ended}, after saying: {tail}" if tail else ended
