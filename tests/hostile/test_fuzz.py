"""Damaged files of every container: each refused by an error of ours, or accepted for what it is. `make fuzz` tries
more of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("h5py")
import fuzz

from weight_mapping.files import hdf5_data

FILES = 400


@pytest.mark.skipif(sys.platform != "linux", reason="the limits and the memory of a process are Linux'")
@pytest.mark.parametrize("target", fuzz.TARGETS)
def test_damaged_files(target: str) -> None:
    if target == "pt":
        pytest.importorskip("torch")
    command = [sys.executable, fuzz.__file__, target, "--files", str(FILES)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode >= 0, "broken off by a signal"
    told = json.loads(ran.stdout)
    assert (told["crashes"], told["hangs"], told["silent"]) == ([], 0, 0)
    assert told["accepted"] + told["refused"] == told["tried"] == FILES
    assert told["megabytes"] < 1000
    # A fuzz that never gets past the header would prove nothing; nor would one that damages nothing.
    assert told["opened"] >= FILES // 20 and told["refused"] >= FILES // 20


def test_the_fuzz_sees_a_crash_a_hang_and_a_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard of the guard: a reader with a fault of each kind."""
    monkeypatch.setattr(fuzz, "SECONDS", 0.3)
    faults = iter(range(40))

    def faulty(_: Path) -> object:
        fault = next(faults)
        if fault == 0:
            return 0  # the sound file
        if fault % 3 == 0:
            raise KeyError("a crash")
        while fault % 3 == 1:
            pass
        return fault

    target = fuzz.Target(write=fuzz._copied("k3151_lstm2.keras"), mutate=fuzz.damaged, load=faulty, exact=True)
    monkeypatch.setattr(fuzz, "TARGETS", {"faulty": target})
    told = fuzz.run("faulty", 9, 0)
    assert (len(told["crashes"]), told["hangs"], told["silent"]) == (3, 3, 3)


def test_the_comparison_with_h5py_sees_other_numbers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path, _ = fuzz.TARGETS["h5 model"].write(tmp_path)
    assert fuzz._as_h5py_reads(path)
    real = hdf5_data.View.array
    monkeypatch.setattr(hdf5_data.View, "array", lambda *given: real(*given) + 1)
    assert not fuzz._as_h5py_reads(path)
