"""The stopwatch's jobs through pytest-benchmark: `pytest --benchmark-only tests/bench`.

Without that option each runs once, at a small size, as a plain test that its answer is right. No time is asserted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from harness import bench, jobs
from weight_mapping.errors import Unrepresentable

pytest.importorskip("pytest_benchmark", reason="pytest-benchmark is not installed")
SMALL: jobs.Shape = (2, 7, 5, 3)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The benchmark's shapes, or a small one in their place where nothing is timed."""
    shapes = [SMALL] if metafunc.config.option.benchmark_disable else bench.SHAPES
    metafunc.parametrize("shape", shapes, ids=lambda shape: "x".join(map(str, shape)))


@pytest.fixture(params=[row for row in bench.IMPLEMENTATIONS if row.usual], ids=lambda row: row.name)
def implementation(request: pytest.FixtureRequest) -> Iterator[bench.Implementation]:
    row: bench.Implementation = request.param
    if reason := bench.obstacles("cpu")[row.name]:
        pytest.skip(reason)
    with ExitStack() as precision:
        precision.enter_context(bench.adapter(row).full_precision())
        yield row


@pytest.mark.parametrize("task", jobs.TASKS)
def test_speed(benchmark: Any, task: str, shape: jobs.Shape, implementation: bench.Implementation) -> None:
    benchmark.group = f"{task} {shape}"
    benchmark.name = implementation.name
    job = jobs.make(shape, implementation.recurrent_activation, task)
    try:
        prepared = bench.adapter(implementation).prepare(job, form=implementation.form, device="cpu")
    except Unrepresentable as refusal:
        pytest.skip(str(refusal))
    assert job.agrees(prepared.answer())
    benchmark(prepared.run)
    assert job.agrees(prepared.answer())
