"""Lets these tests import the random models and other things beside them, which pytest's importlib mode does not; keeps
to one thread: the tensors are tiny, a second would only wait for the first; and runs what asks for it on both paths."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from weight_mapping.torch import kernel

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent / "kernel")]


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(params=["kernel", "steps"])
def either_path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The test twice: with the compiled cells, which then must run, and with the plain steps."""
    path: str = request.param
    monkeypatch.setenv(kernel.SWITCH, "on" if path == "kernel" else "off")
    if path == "kernel" and not (standing := kernel.standing()).runs:
        pytest.skip(f"the compiled cells don't run here: {standing.why}")
    return path
