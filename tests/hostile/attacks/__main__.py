"""`python -m attacks`: the names of all; `python -m attacks NAME FOLDER`: make that one, and print what a user would
be led to open."""

from __future__ import annotations

import sys
from pathlib import Path

from attacks import ATTACKS, SOUND, STRANGE

ALL = {f"{kind}: {name}": make for kind, rows in (("attack", ATTACKS), ("strange", STRANGE), ("sound", SOUND))
       for name, make in rows.items()}  # fmt: skip

if __name__ == "__main__":
    print(ALL[sys.argv[1]](Path(sys.argv[2])) if sys.argv[1:] else "\n".join(ALL))
