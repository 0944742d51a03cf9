"""A process of our own gives back what it has freed, and leaves what stays alone at its end."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what a process holds is read from Linux's /proc")
_TRIED = """
import gc, json, re, sys
from pathlib import Path
import numpy as np
from harness.memory import settle
if sys.argv[1:]:
    settle()
def held():
    return int(re.search(r"VmRSS:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024
np.ones(30 << 17)  # a large piece that was freed: from then on glibc keeps any smaller one
before = held()
pieces = [(np.ones(8 << 17), np.ones(1 << 10)) for _ in range(16)]
kept = [small for _, small in pieces]
del pieces
print(json.dumps([held() - before, gc.get_threshold()[0]]))
"""


def tried(*arguments: str) -> tuple[float, int]:
    """MiB that are held of 128 that were freed; objects after which garbage is looked for."""
    run = subprocess.run([sys.executable, "-c", _TRIED, *arguments], capture_output=True, text=True, check=True)
    left, objects = json.loads(run.stdout)
    return left, objects


def test_what_was_freed_goes_back() -> None:
    left, objects = tried("settled")
    assert left < 16 and objects > 10_000


def test_otherwise_it_would_be_kept() -> None:
    left, objects = tried()
    if left < 64:
        pytest.skip("this C library gives back what is freed by itself")
    assert objects < 10_000
