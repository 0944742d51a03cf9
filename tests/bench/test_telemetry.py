"""OpenVINO is timed, and tells nobody that it was imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("openvino_telemetry", reason="openvino is not installed, or not what tells of it")
ROOT = Path(__file__).parents[2]


def imported(module: str, home: Path) -> list[str]:
    """What a fresh process that imports it leaves in a home of its own."""
    told = {name: value for name, value in os.environ.items() if name not in ("CI", "TF_BUILD", "JENKINS_URL")}
    own = {**told, "HOME": str(home), "TMPDIR": str(home), "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-B", "-c", f"import {module}"], env=own, check=True, capture_output=True)
    return sorted(path.name for path in home.rglob("*") if path.is_file())


def test_it_makes_no_id(tmp_path: Path) -> None:
    assert imported("harness.backends.timing_openvino", tmp_path) == []


def test_by_itself_it_would(tmp_path: Path) -> None:
    assert "openvino_ga_cid" in imported("openvino", tmp_path)
