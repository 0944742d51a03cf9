"""What every test here needs: rounds that cost nothing."""

from __future__ import annotations

import pytest

from harness.bench import stopwatch


@pytest.fixture(autouse=True)
def _one_round(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "benchmark" not in request.fixturenames:
        monkeypatch.setattr(stopwatch, "SHORTEST", 0.0)
