"""The random models of the other tests can be imported; all of this is skipped where onnx or its runtime is missing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), *(str(HERE.parent / name) for name in ("standalone", "torch", "oracle"))]
for _package in ("onnx", "onnxruntime"):
    pytest.importorskip(_package, reason=f"{_package} is not installed")
