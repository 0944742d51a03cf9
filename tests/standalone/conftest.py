"""The random layers of the PyTorch side's tests, and the models beside this file, can be imported."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "torch"), str(HERE.parent / "oracle")]
