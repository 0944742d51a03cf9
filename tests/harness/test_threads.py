"""How many processes a machine bears."""

from __future__ import annotations

import os

import pytest

from harness import threads


def test_as_many_processes_as_cores_where_there_is_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "usable", lambda: 8)
    told = {"SC_PHYS_PAGES": 1 << 20, "SC_PAGE_SIZE": 1 << 12}  # 4 GiB
    monkeypatch.setattr(os, "sysconf", told.__getitem__, raising=False)
    assert [threads.processes(memory) for memory in (1 << 20, 1 << 30, 3 << 29, 1 << 40)] == [8, 4, 2, 1]


def test_a_system_that_does_not_tell_its_memory_has_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sysconf", raising=False)
    assert threads.processes(1 << 40) == threads.usable()
