"""OpenVINO is timed, and tells nobody that it was imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("openvino_telemetry", reason="openvino is not installed, or not what tells of it")
ROOT = Path(__file__).parents[2]
SPIED = """
import sys
from importlib.abc import MetaPathFinder

class Spy(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "openvino":
            print("without" if sys.modules.get("openvino_telemetry", "") is None else "with")

sys.meta_path.insert(0, Spy())
"""


def imported(module: str, home: Path) -> str:
    """What is said at its import by a fresh process that has a home of its own."""
    own = {**os.environ, "HOME": str(home), "TMPDIR": str(home), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-B", "-c", f"{SPIED}import {module}"]
    return subprocess.run(command, env=own, check=True, capture_output=True, text=True).stdout


def test_it_makes_no_id(tmp_path: Path) -> None:
    imported("harness.backends.timing_openvino", tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(("module", "which"), [("harness.backends.timing_openvino", "without"), ("openvino", "with")])
def test_it_is_imported_without_what_tells_of_it(module: str, which: str, tmp_path: Path) -> None:
    """In what it takes for a CI job it makes no id anyway: so what it is given is looked at, not what it does. Imported
    by itself it has what tells."""
    assert imported(module, tmp_path).split() == [which]
