"""What every test stands on: the environment before any framework is imported, seeds, files beside the checkout."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, is_hypothesis_test, settings

from harness import environment
from harness.bench.speed import differences

_ENVIRONMENT = {
    "KERAS_BACKEND": "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "MPLBACKEND": "Agg",
    # Small problems on machines with few cores, and two test processes side by side: more threads would only wait.
    "OMP_NUM_THREADS": "2",
    "TF_NUM_INTRAOP_THREADS": "2",
    "TF_NUM_INTEROP_THREADS": "1",
}
for _name, _value in _ENVIRONMENT.items():
    os.environ.setdefault(_name, _value)

# The same examples every time, and no deadline: a loaded machine must not turn a test red.
settings.register_profile("project", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("project")
# Of a deliberate error (`make mutants`) it is enough to know that it shows: no smaller example of it is looked for.
settings.register_profile("mutants", settings.get_profile("project"), phases=[Phase.explicit, Phase.generate])


def pytest_configure(config: pytest.Config) -> None:
    """Time nothing unless asked to by `--benchmark-only` or `--benchmark-enable`: benchmarks then run once each."""
    if not (config.option.benchmark_only or config.option.benchmark_enable):
        config.option.benchmark_disable = True


def pytest_benchmark_update_machine_info(machine_info: dict[str, Any]) -> None:
    """What pytest-benchmark keeps of a run (`--benchmark-autosave`, in .benchmarks) names its environment."""
    told = environment.describe()
    machine_info["environment"] = {part: told[part] for part in ("python", "versions", "processor", "variables")}


def pytest_benchmark_compare_machine_info(
    machine_info: Mapping[str, Any], compared_benchmark: Mapping[str, Any]
) -> None:
    """Times are compared where the environments agree, as in `lstm-parity bench --compare`."""
    kept = compared_benchmark["machine_info"].get("environment", {})
    if apart := differences(machine_info["environment"], kept):
        raise pytest.UsageError(f"the kept times are of another environment: {', '.join(apart)} differ")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of a deliberate error one failure is enough: the tests that draw many examples come last."""
    if "MUTANT_UNDER_TEST" in os.environ:
        items.sort(key=lambda item: is_hypothesis_test(getattr(item, "obj", None)))


@pytest.fixture(autouse=True)
def _seeds() -> None:
    """The same random numbers in every run, whatever ran before."""
    random.seed(0)
    np.random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """`shared("golden")` is the folder of that name in `../shared`; the test is skipped where it isn't there."""

    def folder(name: str) -> Path:
        found = Path(__file__).resolve().parents[2] / "shared" / name
        if not found.exists():
            pytest.skip(f"there is no {name} in a folder `shared` beside this checkout")
        return found

    return folder
