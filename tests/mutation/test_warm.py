"""Errors tried in forks of one collected session: what a test sees is killed, what none sees lives."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mutmut", reason="mutmut plants the errors")

WARM = Path(__file__).with_name("warm.py")
CODE = "def added(a, b):\n    return a + b\n\n\ndef halved(a):\n    return a / 2\n"
TESTS = """
from sums.of_two import added, halved


def test_added():
    assert added(2, 3) == 5


def test_halved():
    assert halved(0) == 0
"""
CONFIGURATION = """
[tool.mutmut]
source_paths = ["sums"]
pytest_add_cli_args_test_selection = ["tests"]
pytest_add_cli_args = ["-p", "no:cacheprovider"]
"""


def test_what_a_test_sees_is_killed_and_nothing_else(tmp_path: Path) -> None:
    for name, text in {
        "pyproject.toml": CONFIGURATION, "sums/__init__.py": "", "sums/of_two.py": CODE, "tests/test_sums.py": TESTS,
    }.items():  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    subprocess.run([sys.executable, WARM, "run", "--max-children", "1"], cwd=tmp_path, check=True, capture_output=True)
    told = subprocess.run(
        [sys.executable, WARM, "results", "--all", "true"], cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout
    found = {line.split(":")[0].strip(): line.split(":")[1].strip() for line in told.splitlines()}
    added = {status for name, status in found.items() if "added" in name}
    halved = {name.rpartition("_")[2]: status for name, status in found.items() if "halved" in name}
    assert added == {"killed"}
    assert set(halved.values()) == {"survived"} and len(halved) == 2
