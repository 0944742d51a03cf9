"""`configs`, beside this file, and the plain layers of the PyTorch side's tests can be imported."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "torch")]
