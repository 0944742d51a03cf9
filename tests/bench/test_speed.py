"""The stopwatch's jobs through pytest-benchmark: `pytest --benchmark-only tests/bench`.

Without that option each runs once, at a small size, as a plain test that its answer is right. No time is asserted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from harness.bench import jobs, plan
from harness.bench.implementations import IMPLEMENTATIONS, Implementation, adapter, obstacle
from harness.bench.jobs import Group
from weight_mapping.errors import Unrepresentable

pytest.importorskip("pytest_benchmark", reason="pytest-benchmark is not installed")
SMALL: jobs.Shape = (2, 7, 5, 3)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The benchmark's shapes, or a small one in their place where nothing is timed."""
    timed = not metafunc.config.option.benchmark_disable
    groups = plan.Request(devices=("cpu",), shapes=() if timed else (SMALL,)).groups()
    metafunc.parametrize("group", groups, ids=lambda group: f"{group.task} {'x'.join(map(str, group.shape))}")


@pytest.fixture(params=[row for row in IMPLEMENTATIONS if row.usual and not row.apart], ids=lambda row: row.name)
def implementation(request: pytest.FixtureRequest) -> Iterator[Implementation]:
    row: Implementation = request.param
    if reason := obstacle(row, "cpu"):
        pytest.skip(reason)
    with ExitStack() as precision:
        precision.enter_context(adapter(row).full_precision())
        yield row


def test_speed(benchmark: Any, group: Group, implementation: Implementation) -> None:
    benchmark.group = str(group)
    benchmark.name = implementation.name
    job = jobs.make(group, implementation.gate)
    try:
        prepared = adapter(implementation).prepare(job, form=implementation.form)
    except Unrepresentable as refusal:
        pytest.skip(str(refusal))
    assert job.agrees(prepared.answer())
    benchmark(prepared.run)
    assert job.agrees(prepared.answer())
