"""The process in which a Keras loads what was written for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from harness.backends import loaded_keras
from harness.porting import affordable
from weight_mapping.errors import Unsupported
from weight_mapping.spec import ModelSpec
from weight_mapping.weights import Portable

NOTHING = Portable(spec=ModelSpec(name="m", inputs=(), layers={}, nodes=(), outputs=()), weights={})


def test_a_process_that_does_not_answer_in_time_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be waited for when this one ends."""
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    monkeypatch.setattr(loaded_keras, "_process", lambda package: process)
    monkeypatch.setattr(loaded_keras._process, "cache_clear", lambda: None, raising=False)
    monkeypatch.setattr(affordable, "_PATIENCE", 0.1)
    with pytest.raises(Unsupported, match="too long"), affordable.limited(NOTHING):
        loaded_keras._asked("keras", "folder", "model.keras")
    assert process.wait() < 0
    process.communicate()
