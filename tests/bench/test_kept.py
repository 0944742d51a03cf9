"""What pytest-benchmark keeps of a run is compared only with runs of the same environment."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

pytest.importorskip("pytest_benchmark", reason="pytest-benchmark is not installed")


def compare(config: Any, now: dict[str, Any], then: dict[str, Any]) -> None:
    config.hook.pytest_benchmark_compare_machine_info(
        config=config, benchmarksession=config._benchmarksession, machine_info=now,
        compared_benchmark={"machine_info": then, "benchmarks": []},
    )  # fmt: skip


def test_times_of_another_environment_are_not_compared(pytestconfig: pytest.Config) -> None:
    now = pytestconfig._benchmarksession.get_machine_info()  # type: ignore[attr-defined]
    compare(pytestconfig, now, deepcopy(now))
    other = deepcopy(now)
    other["environment"]["versions"]["torch"] = "1.0"
    with pytest.raises(pytest.UsageError, match=r"versions\.torch differ"):
        compare(pytestconfig, now, other)
    del other["environment"]
    with pytest.raises(pytest.UsageError, match=r"processor\.model.*differ"):
        compare(pytestconfig, now, other)
