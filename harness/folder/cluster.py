"""The workers of a Dask scheduler as what does the work. They see the same folders under the same paths, and only those
with this very code and these versions are used."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from harness.folder import children
from harness.folder.children import Children, Done
from harness.folder.run import Workers
from harness.folder.task import Task
from harness.version import code, environment
from weight_mapping.errors import PortingError

PATIENCE = 30.0
"""Seconds without any worker that could do the work, after which a batch ends."""
_POLL = 1.0
_THERE: dict[str, Children] = {}
"""On a worker: the processes of its threads, by batch. A file that ends one does not end the worker."""
Say = Callable[[str], None]


@dataclass(slots=True, kw_only=True, eq=False)
class Ticket:
    """A task under way: its future, and the workers that may do it."""

    task: Task
    future: Any
    allowed: frozenset[str]


@dataclass(slots=True, kw_only=True)
class Cluster:
    """A scheduler's workers, told apart by what they would compute with."""

    client: Any
    say: Say
    batch: str
    fit: dict[str, int] = field(default_factory=dict)
    """Address and threads of each worker that is used."""
    apart: set[str] = field(default_factory=set)
    tickets: list[Ticket] = field(default_factory=list)
    last_seen: float = field(default_factory=time.monotonic)

    @property
    def under_way(self) -> int:
        return len(self.tickets)

    @property
    def window(self) -> int:
        return 2 * max(sum(self.fit.values()), 1)

    def submit(self, task: Task) -> None:
        while not self.fit:
            self.look()
        self.tickets.append(self._ticket(task))

    def finished(self) -> list[Done]:
        from distributed import wait

        while True:
            with suppress(TimeoutError):
                wait([ticket.future for ticket in self.tickets], timeout=_POLL, return_when="FIRST_COMPLETED")
            done = [ticket for ticket in self.tickets if ticket.future.status not in ("pending", "processing")]
            self.tickets = [ticket for ticket in self.tickets if ticket not in done]
            found = [result for ticket in done if (result := self._result(ticket)) is not None]
            self.look()
            if found:
                return found

    def look(self) -> None:
        """Who is there now: newcomers are asked what they are, and the tasks of workers that are gone go to others.
        PortingError when nobody has been fit for PATIENCE seconds."""
        there = self.client.nthreads()
        self.fit = {address: there[address] for address in self.fit if address in there}
        self.apart &= there.keys()
        new = [address for address in there if address not in self.fit and address not in self.apart]
        answers = self.client.run(what_is_here, workers=new, on_error="return") if new else {}
        for address, answer in answers.items():
            if answer == what_is_here():
                self.fit[address] = there[address]
            else:
                self.apart.add(address)
                self.say(f"{address} is kept apart: {_difference(answer)}")
        if self.fit:
            self.last_seen = time.monotonic()
            lost = [ticket for ticket in self.tickets if not ticket.allowed & self.fit.keys()]
            for ticket in lost:
                ticket.future.cancel()
            kept = [ticket for ticket in self.tickets if ticket not in lost]
            self.tickets = kept + [self._ticket(ticket.task) for ticket in lost]
        elif time.monotonic() - self.last_seen > PATIENCE:
            raise PortingError(
                "no worker can do the work", where=self.client.scheduler.address,
                found=f"{len(self.apart)} of another environment", expected=f"code {code()}, {environment()}",
                way_out="Start workers from this environment; the same command goes on.",
            )  # fmt: skip
        else:
            time.sleep(_POLL)

    def _ticket(self, task: Task) -> Ticket:
        allowed = frozenset(self.fit)
        future = self.client.submit(
            port_there, self.batch, task, workers=list(allowed), allow_other_workers=False, pure=False
        )
        return Ticket(task=task, future=future, allowed=allowed)

    def _result(self, ticket: Ticket) -> Done | None:
        """What came of it; None where it is under way again. A worker's death is Dask's to mend, up to its limit."""
        if ticket.future.status == "finished":
            with suppress(Exception):  # the worker that holds the answer may be gone by now
                done: Done = ticket.future.result()
                return done
        if ticket.future.status == "error":
            error = ticket.future.exception()
            return children.crashed(ticket.task, f"{type(error).__name__}: {error}")
        self.tickets.append(self._ticket(ticket.task))
        return None


@contextmanager
def workers(address: str, say: Say) -> Iterator[Workers]:
    """The workers of the scheduler at `address`; `say` is told the dashboard's address and who is kept apart."""
    try:
        from distributed import Client
    except ModuleNotFoundError as missing:
        raise PortingError(
            f"--scheduler needs {missing.name}", way_out="Install it: pip install 'lstm-parity[cluster]'."
        ) from None
    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise PortingError("no scheduler answers", where=address, found=error) from error
    with client:
        say(f"dashboard: {client.dashboard_link}")
        cluster = Cluster(client=client, say=say, batch=client.id)
        try:
            yield cluster
        finally:
            client.cancel([ticket.future for ticket in cluster.tickets])
            client.run(stop_there, cluster.batch, workers=list(cluster.fit), on_error="ignore")


def what_is_here() -> tuple[str, dict[str, Any]]:
    """On a worker: what it would compute with."""
    return code(), environment()


def port_there(batch: str, task: Task) -> Done:
    """On a worker: a function of the task alone. What it writes has a name of its own, so done twice is no harm."""
    return _THERE.setdefault(batch, Children()).port(task)


def stop_there(batch: str) -> None:
    """On a worker: end the batch's processes, those of tasks that come too late among them."""
    _THERE.setdefault(batch, Children()).stop()


def _difference(answer: Any) -> str:
    if isinstance(answer, BaseException):
        return f"{type(answer).__name__}: {answer}"
    theirs, ours = answer[1], environment()
    differing = [f"{key} {theirs.get(key)}, here {ours[key]}" for key in ours if theirs.get(key) != ours[key]]
    return "; ".join(differing) or "another version of this code"
