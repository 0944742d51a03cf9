"""The targets of atheris: what they call a finding, and that they get past the header. `make guided` runs them long."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("atheris", reason="the extra `fuzz` is not installed")
pytest.importorskip("h5py")
GUIDED = Path(__file__).parent / "guided.py"


def ran(*command: str) -> tuple[int, dict[str, object]]:
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def test_a_target_gets_past_the_header() -> None:
    code, told = ran(str(GUIDED), "safetensors", "--seconds", "5")
    assert (code, told["findings"], told["enough past the header"]) == (0, 0, True)


def test_an_error_of_another_kind_is_a_finding(tmp_path: Path) -> None:
    """The guard of the guard: a reader that raises what is no error of this project's own."""
    code = f"""
import sys
sys.path.insert(0, {str(GUIDED.parent)!r})
import guided
def faulty(path):
    raise KeyError("a fault")
guided.fuzz.TARGETS = {{"spec": guided.fuzz.Target(**{{**{{
    name: getattr(guided.fuzz.TARGETS["spec"], name) for name in ("write", "mutate")}}, "load": faulty}})}}
guided.main(["safetensors", "--seconds", "5", "--corpus", {str(tmp_path / "corpus")!r}])
"""
    ended, told = ran("-c", code)
    assert ended != 0 and told["findings"] == 1
