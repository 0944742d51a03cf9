"""This machine's processes as what does the work."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field

from harness.folder.children import Children, Done
from harness.folder.run import Workers
from harness.folder.task import Task


@dataclass(slots=True, kw_only=True)
class Local:
    """`jobs` threads, each of which waits for a process of its own."""

    jobs: int
    children: Children
    threads: ThreadPoolExecutor
    futures: set[Future[Done]] = field(default_factory=set)

    @property
    def under_way(self) -> int:
        return len(self.futures)

    @property
    def window(self) -> int:
        """One in hand and one waiting for each."""
        return 2 * self.jobs

    def submit(self, task: Task) -> None:
        self.futures.add(self.threads.submit(self.children.port, task))

    def finished(self) -> list[Done]:
        done, self.futures = wait(self.futures, return_when=FIRST_COMPLETED)
        return [future.result() for future in done]


@contextmanager
def workers(jobs: int, children: Children | None = None) -> Iterator[Workers]:
    """`jobs` processes; gone when the `with` ends, whatever they do."""
    children = children or Children()
    with ThreadPoolExecutor(jobs) as threads:
        try:
            yield Local(jobs=jobs, children=children, threads=threads)
        finally:
            children.stop()
            threads.shutdown(wait=False, cancel_futures=True)
