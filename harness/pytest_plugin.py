"""The pytest plugin: the fixture `parity`, and `--parity-report=PATH` for one page of all comparisons of the session.

Importing it imports no framework: pytest loads it in every project where lstm-parity is installed. Under pytest-xdist
every worker sends its records to the controller, which alone writes the page.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from harness.results import Case, Results

_SENT = "lstm_parity"


class Record:
    """What this process has begun to compare, and what it found. A comparison that never ended stays planned."""

    def __init__(self) -> None:
        self.planned: list[str] = []
        self.cases: list[Case] = []

    def results(self, config: pytest.Config) -> Results:
        from harness import environment
        from harness.results import Results

        return Results(
            kind="verify", command=shlex.join(["pytest", *map(str, config.invocation_params.args)]),
            environment=environment.describe(), cases=tuple(self.cases), planned=tuple(self.planned),
        )  # fmt: skip


_RECORD = pytest.StashKey[Record]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("lstm-parity", "Keras against PyTorch")
    group.addoption(
        "--parity-report", metavar="PATH", type=Path, help="Write an HTML page of every comparison of the session."
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_RECORD] = Record()
    path: Path | None = config.getoption("--parity-report")
    if path is not None and path.is_dir():
        raise pytest.UsageError(f"--parity-report: {path} is a folder; name the page, such as {path / 'parity.html'}")


@pytest.fixture
def parity(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Callable[..., Case]:
    """`parity(keras_model, torch_module, x, *, states=None, gradients=False, tolerance=None, seed=0)`: fail the test
    unless both compute the same; see `harness.parity.compare`. Gives the figures, as a `harness.results.Case`."""
    record = request.config.stash[_RECORD]

    def compare(keras_model: Any, torch_module: Any, x: Any, **options: Any) -> Case:
        __tracebackhide__ = True
        from harness import parity
        from harness.results import CHAOTIC, FAILS

        node = request.node.nodeid
        name = f"{node} #{1 + sum(i.startswith(f'{node} #') for i in record.planned)}"
        record.planned.append(name)
        found = parity.compare(keras_model, torch_module, x, id=name, repeat=shlex.join(["pytest", node]), **options)
        record.cases.append(found.case)
        for agreed in found.case.agreements:
            figures = (
                f"{agreed.verdict}: error {agreed.error:.4g} {agreed.unit}, bound {agreed.bound:.4g} {agreed.unit}"
            )
            record_property(f"parity {agreed.check}", figures)
        if found.case.verdict == FAILS:
            pytest.fail(parity.message(found), pytrace=True)
        if found.case.verdict == CHAOTIC:
            pytest.skip(f"chaotic, neither passed nor failed\n{parity.message(found)}")
        return found.case

    return compare


def pytest_sessionfinish(session: pytest.Session) -> None:
    config = session.config
    record = config.stash[_RECORD]
    if hasattr(config, "workeroutput"):
        from harness.results import to_json

        config.workeroutput[_SENT] = to_json(record.results(config)) if record.planned else ""
        return
    path: Path | None = config.getoption("--parity-report")
    if path is not None:
        from harness.results import write_text
        from reports import render

        write_text(path, render.page(record.results(config)))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """A worker of pytest-xdist has ended: take its records. One that broke down leaves a gap that is no pass."""
    record = node.config.stash[_RECORD]
    sent = getattr(node, "workeroutput", {}).get(_SENT)
    if sent is None or error:
        record.planned.append(f"what worker {node.gateway.id} compared before it broke down")
    if sent:
        from harness.results import from_json

        results = from_json(sent)
        record.planned += results.planned
        record.cases += results.cases


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    path: Path | None = config.getoption("--parity-report")
    if path is not None:
        results = config.stash[_RECORD].results(config)
        terminalreporter.write_line(f"parity report: {path}: {len(results.cases)} comparisons, {results.verdict}")
