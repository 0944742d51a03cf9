"""A real scheduler and its workers on this machine: one of them killed in the middle, one of another environment."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from batches import Ran, logged, ported, results

pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
PATIENCE = 240
"""Seconds that a loaded machine may take for anything here."""
SCHEDULER = "from distributed.cli.dask_scheduler import main; main()"
WORKER = "from distributed.cli.dask_worker import main; main()"
# Dies with its first answer in hand: the work is done, and nobody has been told.
DYING = (
    "import os, signal; from harness.folder.children import Children; port = Children.port; "
    f"Children.port = lambda *given: (port(*given), os.kill(os.getpid(), signal.SIGKILL)); {WORKER}"
)
FOREIGN = f"import harness.version as version; version.code = lambda: '0' * 16; {WORKER}"


@contextmanager
def process(code: str, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    quiet = subprocess.DEVNULL
    with subprocess.Popen([sys.executable, "-c", code, *options], stdout=quiet, stderr=quiet) as started:
        try:
            yield started
        finally:
            started.kill()


def until(so: Callable[[], object]) -> None:
    due = time.monotonic() + PATIENCE
    while not so():
        assert time.monotonic() < due
        time.sleep(0.1)


@contextmanager
def cluster(place: Path, *workers: str) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler's address, and a process for each of these workers."""
    file = place / "scheduler.json"
    with ExitStack() as stack:
        loopback = ("--host", "127.0.0.1", "--port", "0", "--dashboard-address", "127.0.0.1:0")
        stack.enter_context(process(SCHEDULER, *loopback, "--scheduler-file", str(file)))
        until(file.exists)
        until(lambda: file.read_text().endswith("}"))
        own = ("--scheduler-file", str(file), "--nthreads", "1", "--no-nanny", "--no-dashboard")
        started = [stack.enter_context(process(code, *own, "--host", "127.0.0.1")) for code in workers]
        yield str(json.loads(file.read_text())["address"]), started


def there(address: str, workers: int) -> None:
    """Wait until so many of them have come."""
    from distributed import Client

    with Client(address, timeout=PATIENCE) as client:
        client.wait_for_workers(workers, timeout=PATIENCE)


def test_a_worker_is_killed_and_nothing_is_lost_or_twice(folder: Path, ran: Ran, tmp_path: Path) -> None:
    output = tmp_path / "out"
    with cluster(tmp_path, DYING, WORKER, WORKER, FOREIGN) as (address, workers):
        there(address, len(workers))
        run = ported([folder], output, "--scheduler", address)
        assert workers[0].wait(PATIENCE) == -signal.SIGKILL
    assert run.code == ran.code == 3, run.err
    assert re.search(r"dashboard: http://127\.0\.0\.1:\d+/status", run.err)
    assert "is kept apart: another version of this code" in run.err
    paths = [line["path"] for line in logged(output)]
    assert len(paths) == len(set(paths)) == len(ran.lines)
    assert without_folders(output) == without_folders(ran.output)
    assert "held up by TheirLSTM: 2 files" in run.out and not (output / ".parts").exists()


def without_folders(output: Path) -> list[dict[str, object]]:
    """Which of two copies came first decides the folder of both."""
    return [{key: value for key, value in line.items() if key != "folder"} for line in results(output)]


def test_a_cluster_of_strangers_alone_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.folder.cluster.PATIENCE", 0.0)
    from harness.folder import cluster as with_dask
    from harness.folder.task import Task
    from weight_mapping.errors import PortingError

    said: list[str] = []
    with cluster(tmp_path, FOREIGN) as (address, _):
        there(address, 1)
        with (
            pytest.raises(PortingError, match=r"no worker can do the work.*1 of another environment"),
            with_dask.workers(address, said.append) as workers,
        ):
            workers.submit(Task.__new__(Task))
    assert len(said) == 2 and "is kept apart" in said[1]


def test_no_scheduler_is_one_error(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.folder import cluster as with_dask
    from weight_mapping.errors import PortingError

    told = ported([folder], tmp_path / "out", "--scheduler", "nonsense://nowhere")
    assert told.code == 2 and "no scheduler answers" in told.err and "Traceback" not in told.err
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(PortingError, match=r"pip install 'lstm-parity\[cluster\]'"), with_dask.workers("", print):
        pass
